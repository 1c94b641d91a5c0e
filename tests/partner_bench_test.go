package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"
)

// partnered is a partner, as the module of a Claude Code has one. That Claude Code is this process.
type partnered struct {
	testing.TB
	cmd    *exec.Cmd
	client *http.Client
	words  int
}

// partner starts a partner, which ends with the test.
func partner(t testing.TB, env []string) *partnered {
	t.Helper()
	cmd := exec.Command(afteryou, "hook", "mod")
	cmd.Env = env
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var said struct{ Socket string }
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatalf("the partner's first line: %v", err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", said.Socket)
	}
	return &partnered{TB: t, cmd: cmd, client: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// says says one word and returns how long its answer took.
func (a *partnered) says(word string, what map[string]any) time.Duration {
	a.Helper()
	body, err := json.Marshal(what)
	if err != nil {
		a.Fatal(err)
	}
	begin := time.Now()
	resp, err := a.client.Post("http://afteryou/"+word, "application/json", bytes.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	var said struct {
		Go      bool
		Verdict string
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || word == "ask" && !said.Go {
		a.Fatalf("%s is answered %+v, %v; want a call that need not wait", word, said, err)
	}
	return time.Since(begin)
}

// request says all that is said of one request of a session, as far apart as in a session at its fastest, and returns how long
// the partner took over each word.
func (a *partnered) request(session string) (took map[string]time.Duration) {
	a.words++
	of := map[string]any{"id": fmt.Sprint(a.words), "session": session, "model": "claude-opus-4-6", "size": 100_000, "patience": 600,
		"dir": "/work", "gate": "module"}
	took = map[string]time.Duration{"ask": a.says("ask", of)}
	of["sent"], of["status"] = time.Now().UnixMilli(), 200
	of["headers"] = map[string]string{"anthropic-ratelimit-requests-limit": "100000", "anthropic-ratelimit-requests-remaining": "99999"}
	time.Sleep(50 * time.Millisecond)
	took["answer"] = a.says("answer", of)
	time.Sleep(5 * time.Millisecond)
	took["used"] = a.says("used", map[string]any{"session": session, "usage": map[string]int{"input_tokens": 1000, "output_tokens": 20}})
	time.Sleep(5 * time.Millisecond)
	return took
}

// BenchmarkPartner is how long the partner of a module takes over each word said of a request that need not wait, and the
// memory it has after so many, with 20 sessions known.
func BenchmarkPartner(b *testing.B) {
	a := partner(b, crowd(b, 20))
	took := make(map[string][]time.Duration)
	for b.Loop() {
		for range 120 {
			for word, d := range a.request(sessionName(0)) {
				took[word] = append(took[word], d)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for word, list := range took {
		b.ReportMetric(ms(share(list, 0.5)), word+"-ms")
		b.ReportMetric(ms(share(list, 0.95)), word+"-p95-ms")
	}
	b.ReportMetric(resident(b, a.cmd.Process.Pid), "MB")
}

// BenchmarkIdle is what the partners of 20 sessions that do nothing take together of one core, each of which made a request
// before.
func BenchmarkIdle(b *testing.B) {
	const sessions, watched = 20, 30 * time.Second
	env := crowd(b, sessions)
	var idle []*partnered
	for i := range sessions {
		a := partner(b, env)
		a.request(sessionName(i))
		idle = append(idle, a)
	}
	total := func() (sum time.Duration) {
		for _, a := range idle {
			sum += used(b, a.cmd)
		}
		return sum
	}
	share := 0.
	for b.Loop() {
		time.Sleep(time.Second) // for what the last of them tell
		before := total()
		time.Sleep(watched)
		share = float64(total()-before) / float64(watched)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(100*share, "%core")
}
