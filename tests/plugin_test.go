package tests

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"afteryou/hook"
	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// plugged gives a session the plugin of this checkout, by Claude Code's own commands. The program is on its PATH.
func (m *machine) plugged(s realclaude.Session) realclaude.Session {
	m.t.Helper()
	for i, e := range s.Env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			s.Env[i] = "PATH=" + filepath.Dir(afteryou) + ":" + path
		}
	}
	m.command(s, "plugin", "marketplace", "add", repository(m.t))
	m.command(s, "plugin", "install", "afteryou@afteryou")
	return s
}

// command runs a command of Claude Code that is no session.
func (m *machine) command(s realclaude.Session, args ...string) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), m.claude, args...)
	cmd.Env = s.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("claude %q: %v\n%s", args, err, out)
	}
}

// direct is the session as it is without run.
func (m *machine) direct(s realclaude.Session) realclaude.Session {
	s.Path, s.Args = m.claude, nil
	return s
}

// 1. The plugin is installed from this checkout with Claude Code's own commands. 2. Its sessions, started directly, take
// turns, and none of their calls overlap. 3. With plugin and run, and with plugin and settings, each event comes twice and
// is one turn.
func TestRealPluginGates(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: agent(0)}, "AFTERYOU_TURNS=strict")
	m.command(m.session("author"), "plugin", "validate", "--strict", "plugin")
	m.command(m.session("author"), "plugin", "validate", "--strict", ".")
	var wg sync.WaitGroup
	for i := range 3 {
		s := m.plugged(m.session(fmt.Sprint("session", i)))
		if i != 1 {
			s = m.direct(s)
		}
		if i == 2 {
			cmd := exec.Command(afteryou, "install", "hooks", "--yes")
			cmd.Env = s.Env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		wg.Go(func() { m.print(s) })
	}
	wg.Wait()
	log := m.api.Log()
	if both := fakeapi.Overlapping(log); len(log) != 9 || len(both) != 0 {
		t.Errorf("%d calls, want 9; %d of them overlap", len(log), len(both))
	}
	if calls, turns := m.counted(); calls != 9 || turns != 0 {
		t.Errorf("the state counts %d calls and %d turns, want 9 and none", calls, turns)
	}
}

// Versions that do not know all events of the plugin do without the files that name those, and with the rest: their
// prompts are gated.
func TestRealPluginInOldVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.0.76", "2.1.78"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: prompted(fakeapi.Agentic(1))}, "AFTERYOU_TURNS=strict")
			var err error
			if m.claude, err = realclaude.Install(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			m.print(m.direct(m.plugged(m.session("home"))))
			// 2.0.76 calls the model for subagents of its own besides.
			if calls, turns := m.counted(); calls < 1 || turns != 0 {
				t.Errorf("the state counts %d calls and %d turns, want the prompt's and none", calls, turns)
			}
		})
	}
}

// 1. A session keeps the only turn. 2. The command of the plugin shows that at once, with the plugin's hooks and with those
// of run beside them, and calls no model.
func TestRealPluginShowsTheStatus(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: hangs()}, "AFTERYOU_TURNS=strict")
	first := m.session("first")
	holder := exec.Command(first.Path, append(first.Args, "-p", "hello")...)
	holder.Env, holder.Dir = first.Env, first.Dir
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	m.until("the first call", func(log []fakeapi.Request) bool { return len(log) == 1 })
	run := m.plugged(m.session("run"))
	for name, s := range map[string]realclaude.Session{"the plugin alone": m.direct(m.plugged(m.session("alone"))), "beside run": run} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r, err := realclaude.Print(ctx, s, hook.StatusPrompt)
		cancel()
		if err != nil || !strings.Contains(r.Stdout, "\nlimit      "+m.api.URL()) || !strings.Contains(r.Stdout, "\nturn  ") || strings.Contains(r.Stdout, hook.StatusPrompt) {
			t.Errorf("%s: says %+v, %v; want the status", name, r, err)
		}
	}
	if calls := len(m.api.Log()); calls != 1 {
		t.Errorf("%d calls, want that of the first session alone", calls)
	}
}

// Without the program the plugin is no hindrance: the session says so at its start, and goes on.
func TestRealPluginWithoutTheProgram(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
	s := m.direct(m.plugged(m.session("home")))
	for i, e := range s.Env {
		if path, ok := strings.CutPrefix(e, "PATH="+filepath.Dir(afteryou)+":"); ok {
			s.Env[i] = "PATH=" + path
		}
	}
	m.print(s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := realclaude.Print(ctx, s, "--output-format", "stream-json", "--verbose", "--include-hook-events", "hello")
	if n := strings.Count(r.Stdout, `"stdout":"{\"systemMessage\":\"afteryou: this session takes no turns`); err != nil || r.Code != 0 || n != 1 {
		t.Errorf("the session says %d times that it takes no turns, want once: %+v, %v", n, r, err)
	}
	if calls := len(m.api.Answers()); calls != 4 {
		t.Errorf("%d calls, want 4", calls)
	}
}
