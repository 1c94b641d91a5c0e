package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/realredis"
	"afteryou/internal/turn"
)

func redisServer(t *testing.T) *realredis.Server {
	t.Helper()
	s, err := realredis.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// limited has the account of a person's hooks know its limit.
func (p *person) limited(perMinute float64) {
	p.t.Helper()
	p.state(func(s *turn.State) error {
		for _, a := range s.Accounts {
			pace := &a.Classes[""].Pace
			pace.Rate, pace.Limit, pace.Level, pace.At, pace.Used = perMinute/60, perMinute/60, 1, a.At, a.At
		}
		return nil
	})
}

// step is one event of a session in which nothing is said.
func (p *person) step(event string) { p.t.Helper(); p.hooked(eventOf(event, "a", "/nowhere/a")) }

// 1. Two machines know a limit of one call in 3 s. 2. A session of one calls. 3. One of the other waits for that, by the server. 4. The
// server is stopped: calls go on, with one line in the log.
func TestHooksOfTwoMachinesTakeTurns(t *testing.T) {
	t.Parallel()
	s := redisServer(t)
	var both []*person
	for range 2 {
		p := newPerson(t, "ANTHROPIC_API_KEY=sk-a-test")
		p.write(".config/afteryou/config.toml", fmt.Sprintf("share = %q\n", s.URL()), 0o600)
		p.step("SessionStart")
		p.step("UserPromptSubmit")
		p.step("Stop")
		p.limited(20)
		both = append(both, p)
	}
	both[0].step("UserPromptSubmit")
	both[0].step("Stop")
	begin := time.Now()
	both[1].step("UserPromptSubmit")
	if took := time.Since(begin); took < time.Second {
		t.Errorf("the second machine waits for %v, want 3 s since the call of the first", took)
	}
	both[1].step("Stop")
	out, _, _ := both[1].afteryou("status")
	if !strings.Contains(out, "machines   2 on this limit") {
		t.Errorf("status says\n%s", out)
	}
	if out, _, _ := both[1].afteryou("doctor"); !strings.Contains(out, "ok      share     unix://"+s.Socket+" (Redis ") {
		t.Errorf("doctor says\n%s", out)
	}
	s.Signal(syscall.SIGSTOP)
	defer s.Signal(syscall.SIGCONT)
	for range 3 {
		both[1].step("UserPromptSubmit")
		both[1].step("Stop")
	}
	if log := both[1].read(".local/state/afteryou/log"); strings.Count(log, "fleet: ") != 1 {
		t.Errorf("the log says\n%s\nwant one line of the fleet", log)
	}
	if out, _, _ := both[1].afteryou("status"); !strings.Contains(out, "the server can't be asked; calls go at this one's share") {
		t.Errorf("status says\n%s", out)
	}
}

// Sessions of three machines share a limit, in the real Claude Code; nothing private reaches the server.
func TestRealMachinesShareALimit(t *testing.T) {
	if testing.Short() {
		t.Skip("drives the real Claude Code")
	}
	t.Parallel()
	s := redisServer(t)
	heard, err := s.Watch()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), afteryou, "demo", "--json", "--no-native", "--machines", "3", "--share", s.URL(), "--sessions", "6", "--calls", "3", "--rpm", "60", "--burst", "1")
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("demo: %v", err)
	}
	said, kept, err := heard()
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Afteryou struct {
			Answers, Dead, Rejections int
			Jain                      float64
		}
	}
	if err := json.Unmarshal(out, &r); err != nil || r.Afteryou.Answers != 18 || r.Afteryou.Dead != 0 || r.Afteryou.Rejections > 9 || r.Afteryou.Jain < .9 {
		t.Errorf("demo prints %s, %v", out, err)
	}
	told := said + kept
	if strings.Count(told, "afteryou:1:{") < 20 {
		t.Fatalf("the server heard %s", said)
	}
	host, _ := os.Hostname()
	for _, private := range []string{"sk-ant", "/tmp", "home", "work0", "claude", "haiku", "opus", "sonnet", "session", "localhost", "127.0.0.1:4", host} {
		if strings.Contains(told, private) {
			t.Errorf("%q reached the server", private)
		}
	}
}
