package tests

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/turn"
)

// throughGateway makes the sessions of a machine go through gateways.
const throughGateway = "AFTERYOU_GATEWAY=on"

// share runs so many sessions at once, to their end, and returns when each ended.
func (m *machine) share(sessions int) []time.Duration {
	m.t.Helper()
	ends := make([]time.Duration, sessions)
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			m.print(m.session(fmt.Sprint("session", i)))
			ends[i] = time.Since(begin)
		})
	}
	wg.Wait()
	return ends
}

// untold wants no session to have learned of a rejection.
func (m *machine) untold() {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, "*", ".claude", "projects", "*", "*.jsonl"))
	if err != nil || len(files) == 0 {
		m.t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			m.t.Fatal(err)
		}
		if n := bytes.Count(data, []byte(`"subtype":"api_error"`)); n > 0 {
			m.t.Errorf("%s tells of %d errors of the API", path, n)
		}
	}
}

// No session learns of the limit, whatever limits: requests, input tokens; and after the first answer nothing is
// rejected but what meets a limit that has just changed.
func TestRealGatewaySharesALimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]fakeapi.Config{
		"requests": {Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 60, Burst: 1}}},
		"input tokens": {Limits: fakeapi.Limits{Input: fakeapi.Limit{PerMinute: 60000, Burst: 2000}},
			Cost: func(fakeapi.Request) fakeapi.Usage {
				return fakeapi.Usage{Input: 400, CacheCreation: 600, CacheRead: 50000}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.Answer = fakeapi.Slow(300*time.Millisecond, func(r fakeapi.Request) fakeapi.Answer {
				a := fakeapi.Agentic(3)(r)
				if c.Cost != nil {
					a.Usage = c.Cost(r)
					a.Usage.Output = 20
				}
				return a
			})
			m := newMachine(t, c, throughGateway)
			m.share(4)
			if n := len(m.api.Answers()); n != 12 {
				t.Errorf("%d answers, want 12", n)
			}
			log := m.api.Log()
			t.Logf("%d rejections; from the first call to the last %v", len(m.api.Rejections()), log[len(log)-1].Arrived.Sub(log[0].Arrived).Round(time.Millisecond))
			m.untold()
		})
	}
}

// The limit falls to a third and comes back: at most three rejections a change, and calls come at the full pace again.
func TestRealGatewayFollowsALimit(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 120, Burst: 2}},
		Answer: fakeapi.Slow(200*time.Millisecond, fakeapi.Agentic(6)),
	}, throughGateway)
	done := make(chan struct{})
	go func() { defer close(done); m.share(6) }()
	answers := func(n int) {
		m.until(fmt.Sprint(n, " answers"), func([]fakeapi.Request) bool { return len(m.api.Answers()) >= n })
	}
	answers(10)
	m.api.SetLimits(fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 40, Burst: 2}})
	answers(18)
	cut := len(m.api.Rejections())
	m.api.SetLimits(fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 120, Burst: 2}})
	<-done
	restored := len(m.api.Rejections()) - cut
	if cut > 3 || restored > 3 {
		t.Errorf("%d rejections after the cut, %d after it was restored; want 3 at most", cut, restored)
	}
	m.untold()
	log := m.api.Answers()
	var times []string
	for _, r := range log {
		times = append(times, fmt.Sprintf("%.1f", r.Arrived.Sub(log[0].Arrived).Seconds()))
	}
	t.Logf("%d and %d rejections; the calls come at %s s", cut, restored, strings.Join(times, " "))
}

// What the session was told directly it is told through the gateway, its exit code is the same, it tries as often, and no
// turn stays taken.
func TestRealGatewayPassesErrorsOn(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]fakeapi.Answer{
		"a wrong key":               {Status: 401},
		"the server's own error":    {Status: 500},
		"overloaded, and final":     {Status: 529, Header: http.Header{"X-Should-Retry": {"false"}}},
		"reset in the middle":       {Cut: fakeapi.Reset},
		"an error in the middle":    {Cut: fakeapi.ErrorEvent},
		"never a byte of an answer": {Cut: fakeapi.Silent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: func(fakeapi.Request) fakeapi.Answer { return answer }},
				"CLAUDE_CODE_MAX_RETRIES=1", "CLAUDE_CODE_RETRY_WATCHDOG=0", "AFTERYOU_RESUME=off", "API_TIMEOUT_MS=15000")
			run := func(name, gateway string) (r realclaude.Result, calls int) {
				before := len(m.api.Log())
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				r, err := realclaude.Print(ctx, m.session(name, "AFTERYOU_GATEWAY="+gateway), "hello")
				if err != nil {
					t.Error(err)
				}
				return r, len(m.api.Log()) - before
			}
			direct, calls := run("direct", "off")
			through, callsThrough := run("through", "on")
			// Addresses, ids and times are different in any two runs.
			same := func(a, b string) bool { return figures.ReplaceAllString(a, "") == figures.ReplaceAllString(b, "") }
			if direct.Code != through.Code || !same(direct.Stdout, through.Stdout) || !same(direct.Stderr, through.Stderr) || direct.Code == 0 {
				t.Errorf("through the gateway %d %q %q, directly %d %q %q", through.Code, through.Stdout, through.Stderr, direct.Code, direct.Stdout, direct.Stderr)
			}
			if calls != callsThrough {
				t.Errorf("%d calls through the gateway, %d directly", callsThrough, calls)
			}
			m.free()
		})
	}
}

// figures are what no two runs have in common.
var figures = regexp.MustCompile(`127\.0\.0\.1:\d+|req_\w+|\d+ ms`)

// free wants nobody to have a turn or to wait for one.
func (m *machine) free() {
	m.t.Helper()
	for id, a := range m.state().Accounts {
		for _, c := range a.Calls {
			if c.Phase != turn.Over {
				m.t.Errorf("in %s %+v has a turn or waits", id, c)
			}
		}
	}
}

// With an API that can't be reached at all, the session ends as it would directly, but for the reason that it is told.
func TestRealGatewayBeforeADeadServer(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{}, "CLAUDE_CODE_MAX_RETRIES=1", "CLAUDE_CODE_RETRY_WATCHDOG=0")
	m.api.Close()
	for _, gateway := range []string{"off", "on"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := realclaude.Print(ctx, m.session("session", "AFTERYOU_GATEWAY="+gateway), "hello")
		if err != nil || r.Code != 1 || !strings.HasPrefix(r.Stdout, "API Error: ") {
			t.Errorf("gateway %s: %d %q %q, %v", gateway, r.Code, r.Stdout, r.Stderr, err)
		}
		t.Logf("gateway %s: %s", gateway, strings.TrimSpace(r.Stdout))
	}
	m.free()
	if log, err := os.ReadFile(filepath.Join(m.stateDir(), "log")); err != nil || !strings.Contains(string(log), "connection refused") {
		t.Errorf("the log says %q, %v; want why", log, err)
	}
}

// Claude Code has less patience than a limit lasts: it is told of it at once, waits by itself, and goes on. A limit that
// comes back again and again is held back as long as it can be; then Claude Code is told as well. It never gives up a
// call that the gateway keeps.
func TestRealGatewayHandsOverToTheNativeWait(t *testing.T) {
	t.Parallel()
	short := fakeapi.RateLimited(8 * time.Second)
	for name, c := range map[string]struct {
		rejections []fakeapi.Answer
		told       bool
	}{
		"one long limit":   {[]fakeapi.Answer{fakeapi.RateLimited(25 * time.Second)}, true},
		"short ones, many": {[]fakeapi.Answer{short, short, short}, true},
		"short ones, two":  {[]fakeapi.Answer{fakeapi.RateLimited(4 * time.Second), fakeapi.RateLimited(4 * time.Second)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Script(fakeapi.Agentic(1), c.rejections...)}, throughGateway, "API_TIMEOUT_MS=20000")
			m.print(m.session("one"))
			log := m.api.Log()
			if len(log) != len(c.rejections)+1 {
				t.Errorf("%d calls, want %d", len(log), len(c.rejections)+1)
			}
			for i := range log[1:] {
				if wait := log[i+1].Arrived.Sub(log[i].Arrived); wait < log[i].RetryAfter-100*time.Millisecond {
					t.Errorf("call %d comes %v after a rejection for %v", i+2, wait, log[i].RetryAfter)
				}
			}
			path, err := realclaude.Transcript(filepath.Join(m.dir, "one"), "")
			if err != nil {
				t.Fatal(err)
			}
			rows, err := realclaude.Rows(path)
			if err != nil {
				t.Fatal(err)
			}
			told := false
			for _, row := range rows {
				if bytes.Contains(row, []byte(`"subtype":"api_error"`)) {
					told = true
					if !bytes.Contains(row, []byte(`"status":429`)) {
						t.Errorf("the session is told of another error: %s", row)
					}
				}
			}
			if told != c.told {
				t.Errorf("the session is told: %v, want %v", told, c.told)
			}
			m.free()
		})
	}
}

// An interactive session whose call is rejected waits without knowing it; a key of the gateway stands in no file.
func TestRealGatewayInteractive(t *testing.T) {
	t.Parallel()
	limited := fakeapi.Script(fakeapi.Agentic(2), fakeapi.RateLimited(3*time.Second))
	m := newMachine(t, fakeapi.Config{Answer: limited}, throughGateway)
	terminal := m.open(m.session("one"))
	m.ask(terminal, "hello")
	m.sees(terminal, "done")
	if log := m.api.Log(); len(log) != 3 || len(m.api.Rejections()) != 1 {
		t.Errorf("%d calls, want 3, the first rejected", len(log))
	}
	m.untold()
	err := filepath.WalkDir(m.stateDir(), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, secret := range []string{realclaude.Key, "127.0.0.1:"} {
			if strings.Contains(strings.ReplaceAll(string(data), m.api.URL(), ""), secret) {
				t.Errorf("%s says %s", path, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// In auto mode, the default on a terminal since 2.1.332, Claude Code has the server check what tools do, by a field of the call and
// one of its answer. Hooks and gateway leave both as they are, also when the call is sent again after a rejection.
func TestRealAutoModeChecksItsTools(t *testing.T) {
	t.Parallel()
	for _, gateway := range []string{"AFTERYOU_GATEWAY=off", throughGateway} {
		t.Run(gateway, func(t *testing.T) {
			t.Parallel()
			// A shell in a shell is nothing that runs unchecked.
			task := fakeapi.AgenticCommand(2, func(int) string { return "sh -c 'echo ran' > proof" })
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Script(task, fakeapi.RateLimited(3*time.Second))}, gateway, "AFTERYOU_PROBE=off")
			s := m.session("one")
			terminal := m.open(s)
			m.ask(terminal, "hello")
			m.sees(terminal, "● done")
			if proof, err := os.ReadFile(filepath.Join(s.Dir, "proof")); err != nil || string(proof) != "ran\n" {
				t.Errorf("the tool left %q, %v", proof, err)
			}
			log := m.api.Log()
			if len(log) != 3 || len(m.api.Rejections()) != 1 {
				t.Errorf("%d calls, want 3, the first rejected", len(log))
			}
			for i, r := range log {
				if !r.Checked {
					t.Errorf("call %d does not ask whether its tools are safe: %+v", i+1, r)
				}
			}
		})
	}
}

// 1. A session has the turn and hangs. 2. Another waits. 3. The launcher of the first is killed. 4. The other goes on,
// and Claude Code went with its launcher.
func TestRealGatewayKilledLauncher(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: hangs()}, throughGateway, "AFTERYOU_TURNS=strict")
	victim, done := m.victim()
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	victim.Wait()
	<-done
	// The program went with its launcher: the server lost the call.
	m.until("the end of the first call", func(log []fakeapi.Request) bool { return !log[0].Ended.IsZero() })
}
