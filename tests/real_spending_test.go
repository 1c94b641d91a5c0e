package tests

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/notify"
	"afteryou/internal/realclaude"
)

// settings writes the settings file of a machine.
func (m *machine) settings(text string) {
	m.t.Helper()
	write(m.t, filepath.Join(m.dir, "config", "afteryou", "config.toml"), text)
}

// notes are what notify_command was told, where it appends that to the file.
func notes(t *testing.T, path string) (list []notify.Note) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var n notify.Note
		if err := json.Unmarshal([]byte(line), &n); err != nil {
			t.Errorf("notify_command is told %q: %v", line, err)
		}
		list = append(list, n)
	}
	return list
}

// toldNotes waits until notify_command was told so many times.
func toldNotes(t *testing.T, path string, n int) []notify.Note {
	t.Helper()
	for deadline := time.Now().Add(patience); len(notes(t, path)) < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("notify_command is told %+v, want %d times", notes(t, path), n)
		}
	}
	return notes(t, path)
}

// A call costs $0.04, and a project has $0.10 a day. 1. A -p there, of ten calls, ends after the third, with 75 and one line; no tool
// is broken off. 2. The next does not begin. 3. A -p elsewhere goes on to its end. 4. A person's
// session in the project is told once, and goes on. 5. A command is told once. So it is with each gate.
func TestRealProjectOverItsBudget(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]string{"module": withModule, "hooks": noModule, "gateway": throughGateway} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tool := func(int) string { return "echo begun >> tools; sleep 0.2; echo ended >> tools" }
			m := newInside(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
				a := fakeapi.AgenticCommand(map[bool]int{true: 10, false: 1}[r.Prompts == 1 && r.LastText == "hello"], tool)(r)
				a.Usage = fakeapi.Usage{Input: 10_000}
				return a
			}})
			s, other := m.session("one", way), m.session("other", way)
			told := filepath.Join(m.dir, "told")
			m.settings("notify_command = \"cat >>" + told + "; echo >>" + told + "\"\n[budget.\"" + filepath.Dir(s.Dir) + "\"]\nday = \"$0.10\"\n")
			m.stopsOverItsBudget(s)
			calls := len(m.api.Answers())
			if tools := read(t, filepath.Join(s.Dir, "tools")); strings.ReplaceAll(tools, "begun\nended\n", "") != "" || calls != 3 {
				t.Errorf("%d calls, and tools that left %q; want three, and each tool whole", calls, tools)
			}
			m.stopsOverItsBudget(s)
			if n := len(m.api.Log()); n != calls {
				t.Errorf("the next session makes %d calls, want none", n-calls)
			}
			m.print(other, "--session-id", "11111111-2222-4333-8444-555555555555")
			m.personIsToldOnce(s)
			if list := notes(t, told); len(list) != 1 || list[0].Event != notify.OverBudget || list[0].Dir != filepath.Dir(s.Dir) || !list[0].Unattended {
				t.Errorf("notify_command is told %+v, want once of the budget", list)
			}
		})
	}
}

// stopsOverItsBudget runs -p, which ends with 75 and a line.
func (m *machine) stopsOverItsBudget(s realclaude.Session) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	r, err := realclaude.Print(ctx, s, "--permission-mode", "bypassPermissions", "hello")
	line := strings.TrimSpace(r.Stderr)
	if err != nil || r.Code != 75 || r.Stdout != "" || !strings.HasPrefix(line, "afteryou: the budget of "+filepath.Dir(s.Dir)+" is used up: $0.1") || strings.Contains(line, "\n") {
		m.t.Errorf("it ends with %d, %v, says %q and %q; want 75 and one line; our log:\n%s", r.Code, err, r.Stdout, r.Stderr, m.logged())
	}
}

// personIsToldOnce opens a session, whose prompts are answered.
func (m *machine) personIsToldOnce(s realclaude.Session) {
	m.t.Helper()
	term := m.open(s)
	m.ask(term, "first")
	m.sees(term, "is used up: $0.1") // for a moment, or for good
	m.sees(term, "● done")
	m.ask(term, "second")
	m.shows(term, "a second answer", func(screen string) bool { return strings.Count(screen, "● done") == 2 })
	if n := strings.Count(m.logged(), " is told that the budget of "); n != 1 {
		m.t.Errorf("it is told %d times, want once:\n%s", n, m.logged())
	}
}

// A session with -p waits for more than a minute and goes on: notify_command is told so, once, with the JSON. One that hangs or fails
// hurts nothing. None is taken from a project's settings.
func TestRealNotifyCommand(t *testing.T) {
	t.Parallel()
	const tells = `cat >>"$HOME/told"; echo >>"$HOME/told"; `
	for name, c := range map[string]struct{ way, command, log string }{
		"that hangs":           {withModule, tells + "sleep 1000", ""},
		"that fails, by hooks": {noModule, tells + "exit 7", "notify_command: exit status 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newInside(t, fakeapi.Config{Answer: rejectedOnce(fakeapi.RateLimited(62*time.Second), fakeapi.Agentic(2))})
			s := m.session("session", c.way)
			m.settings("notify_command = '" + c.command + "'\n")
			write(t, filepath.Join(s.Dir, ".claude", "settings.json"), `{"env":{"AFTERYOU_NOTIFY_COMMAND":"touch stolen"}}`)
			m.silently(s)
			list := toldNotes(t, filepath.Join(m.dir, "session", "told"), 1)
			for deadline := time.Now().Add(patience); !strings.Contains(m.logged(), c.log); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the log lacks %q:\n%s", c.log, m.logged())
				}
			}
			if len(list) != 1 || list[0].Event != notify.GoesOn || list[0].Waited < 60 || list[0].Dir != s.Dir || list[0].Session == "" ||
				!list[0].Unattended || !strings.HasPrefix(list[0].Text, "work goes on after 1m") {
				t.Errorf("notify_command is told %+v, want once that the session goes on", list)
			}
			if _, err := os.Stat(filepath.Join(s.Dir, "stolen")); err == nil {
				t.Error("a project's command was run")
			}
		})
	}
}
