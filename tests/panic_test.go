package tests

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/hook"
	"afteryou/internal/fakeapi"
)

// says is what the hook for an event says, and how it ends.
func (p *person) says(event string, args ...string) (code int, said string) {
	p.t.Helper()
	cmd := p.hook(event, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// Whatever panics at whichever event, Claude Code sees a hook that has nothing to say.
func TestAPanicOfTheHookStopsNobody(t *testing.T) {
	t.Parallel()
	events := []string{"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch", "SubagentStart", "SubagentStop",
		"PreCompact", "PostCompact", "Stop", "StopFailure", "SessionEnd"}
	for _, site := range []string{
		"cli.loadSettings!", "claude.PoolKey!", "hook.read!", "hook.waiter.after!", "hook.waiter.visit!", "lockfile.decode!", "lockfile.Store.replace!",
		"lockfile.Identify!", "observe.Callers!", "observe.Read!", "turn.Account.Admit!", "turn.Account.Ask!", "turn.Account.Sweep!",
	} {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			p := faultyPerson(t, site, "AFTERYOU_TURNS=1")
			if site == "hook.waiter.visit!" { // of sessions behind a gateway
				p.env = append(p.env, hook.GatewayEnv+"=http://127.0.0.1:1/x http://127.0.0.1:1", "ANTHROPIC_BASE_URL=http://127.0.0.1:1/x")
			}
			for _, name := range events {
				if code, said := p.says(eventOf(name, "s", p.path("s.jsonl"))); code != 0 || said != "" {
					t.Errorf("%s: exit code %d, says %q; want 0 and silence", name, code, said)
				}
			}
			if p.told(site) == 0 {
				t.Errorf("the log says nothing of it:\n%s", p.logged())
			}
		})
	}
}

// What can't be recovered ends the hook by a signal, which Claude Code passes over, and leaves no core.
func TestRealSessionGoesOnOverARuntimeThrow(t *testing.T) {
	t.Parallel()
	const site = "turn.Account.Admit throws"
	p := faultyPerson(t, site)
	cmd := exec.Command("/bin/sh", "-c", `ulimit -S -c "$(ulimit -H -c)"; exec "$0" hook`, p.program) // cores are written by default
	cmd.Env, cmd.Dir = p.env, p.home
	cmd.Stdin = strings.NewReader(eventOf("UserPromptSubmit", "s", ""))
	out, err := cmd.Output()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGABRT || status.CoreDump() || len(out) > 0 {
		t.Errorf("the hook ends with %v (a core: %v) and says %q; want SIGABRT and silence", err, status.CoreDump(), out)
	}
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)}, faultEnv+"="+site)
	s := m.session("one")
	s.Path = p.program
	m.print(s)
}

// A waiter that panics goes on without a turn, and leaves the line.
func TestAPanicOfAWaiterStopsNobody(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"line.Line.Stand", "line.Line.Wait", "line.Line.due", "line.Line.plan", "turn.Session.Stopped"} {
		p := faultyPerson(t, "", "AFTERYOU_TURNS=1")
		p.hooked(eventOf("UserPromptSubmit", "has the turn", ""))
		p.panics(site)
		if code, said := p.says(eventOf("UserPromptSubmit", "waits", "")); code != 0 || said != "" {
			t.Errorf("%s: exit code %d, says %q; want 0 and silence", site, code, said)
		}
		if p.told(site) != 1 {
			t.Errorf("%s: the log says\n%s\nwant one line of it", site, p.logged())
		}
	}
}

// A waiter whose bell panics keeps its place, and learns all the same when its turn comes.
func TestAPanicOfTheBellCostsNoTurn(t *testing.T) {
	t.Parallel()
	const site = "lockfile.Store.listen"
	p := faultyPerson(t, site, "AFTERYOU_TURNS=1")
	p.hooked(eventOf("UserPromptSubmit", "has the turn", ""))
	waits, done := p.hook(eventOf("UserPromptSubmit", "waits", "")), make(chan struct{})
	go func() {
		defer close(done)
		if said, err := waits.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("the hook ends with %v and says %q; want silence", err, said)
		}
	}()
	p.until("the bell to panic", func() bool { return p.told(site) == 1 })
	select {
	case <-done:
		t.Error("it went without a turn")
	default:
	}
	p.hooked(eventOf("Stop", "has the turn", ""))
	<-done
}

// 2 is the word by which the background handler makes a session go on. A panic is not.
func TestAPanicWakesNobody(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]int{
		"": exitWake, "claude.ReadStopped!": 0, "hook.read!": 0, "hook.sleeper.standInLine!": 0, "turn.Session.Resume!": 0, "turn.Account.Admit!": 0,
	} {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			p := faultyPerson(t, "", "AFTERYOU_TURNS=1")
			transcript := p.rejected("s")
			p.hooked(eventOf("SessionStart", "s", transcript))
			p.cool("s", 3*time.Second)
			p.panics(site)
			if code, said := p.says(eventOf("StopFailure", "s", transcript), "wake"); code != want || (said == "") != (want == 0) {
				t.Errorf("exit code %d, says %q; want %d", code, said, want)
			}
			if told := p.told(site); (told == 0) != (site == "") {
				t.Errorf("the log says\n%s", p.logged())
			}
		})
	}
}

// The same with the real Claude Code: it is never told to stop, and the calls go without turns.
func TestRealSessionGoesOnOverPanics(t *testing.T) {
	t.Parallel()
	program, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)}, faultEnv+"=turn.Account.Admit!")
	s := m.session("one")
	s.Path = program
	m.print(s)
	if n := strings.Count(m.logged(), "hook: panic: injected into turn.Account.Admit; in "); n < 3 {
		t.Errorf("the log tells of %d panics, want one for the prompt and each batch of tools at least:\n%s", n, m.logged())
	}
}
