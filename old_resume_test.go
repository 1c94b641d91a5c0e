package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// version makes the machine's Claude Code another one.
func (m *machine) version(v string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 10*time.Minute)
	defer cancel()
	var err error
	if m.claude, err = realclaude.Install(ctx, v); err != nil {
		m.t.Fatal(err)
	}
}

// old makes it one that can't wait by itself.
func (m *machine) old() { m.t.Helper(); m.version("2.0.76") }

// deadly makes an old version give up at the first rejection.
func deadly(then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	return func(r fakeapi.Request) fakeapi.Answer {
		a := then(r)
		if a.Status == 429 {
			a.Header.Set("X-Should-Retry", "false")
		}
		return a
	}
}

// prompted answers as then does what a prompt leads to, and the calls by which an old version warms up with nothing.
func prompted(then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	return func(r fakeapi.Request) fakeapi.Answer {
		if r.LastText == "Warmup" || r.Tools == 0 {
			return fakeapi.Say("ok")
		}
		return then(r)
	}
}

// 1. An old version runs a tool with -p, and its next call is rejected for good. 2. The run goes on in the same
// conversation, and ends with the answer alone. The tool ran once.
func TestRealOldPrintGoesOnOverALimit(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "stream-json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			task := fakeapi.AgenticCommand(2, func(int) string { return "echo ran >> count" })
			answer := limitedFor(20*time.Second, func(r fakeapi.Request) bool { return r.Results == 1 }, task)
			m := newMachine(t, fakeapi.Config{Answer: prompted(deadly(answer))}, "AFTERYOU_GATEWAY=off")
			m.old()
			s := m.session("one")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := realclaude.Print(ctx, s, "--permission-mode", "bypassPermissions", "--output-format", format, "--verbose", "hello")
			if err != nil {
				t.Fatal(err)
			}
			if r.Code != 0 || r.Stderr != "" {
				t.Errorf("the session ends with %d and says %q", r.Code, r.Stderr)
			}
			if format == "text" && r.Stdout != "done\n" {
				t.Errorf("standard output is %q, want the answer alone", r.Stdout)
			}
			if format == "stream-json" {
				checkStream(t, r.Stdout)
			}
			if ran, err := os.ReadFile(filepath.Join(s.Dir, "count")); strings.Count(string(ran), "ran") != 1 {
				t.Errorf("the tool ran %q, %v; want once", ran, err)
			}
		})
	}
}

// checkStream wants one stream: one beginning, one end, which is a success, and JSON in each line.
func checkStream(t *testing.T, stdout string) {
	t.Helper()
	begun, ended := 0, 0
	for line := range strings.Lines(stdout) {
		var row struct {
			Type, Subtype, Result string
			IsError               bool `json:"is_error"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Errorf("the line %q: %v", line, err)
		}
		if ended > 0 {
			t.Errorf("behind the end comes %s", line)
		}
		switch {
		case row.Type == "system" && row.Subtype == "init":
			begun++
		case row.Type == "result":
			ended++
			if row.IsError || row.Result != "done" {
				t.Errorf("the stream ends with %s", line)
			}
		}
	}
	if begun != 1 || ended != 1 {
		t.Errorf("the stream begins %d times and ends %d times, want once:\n%s", begun, ended, stdout)
	}
}

func TestRealOldPrintGivesUpAtMaxWait(t *testing.T) {
	t.Parallel()
	answer := limitedFor(time.Minute, func(fakeapi.Request) bool { return true }, fakeapi.Agentic(1))
	m := newMachine(t, fakeapi.Config{Answer: prompted(deadly(answer))}, "AFTERYOU_GATEWAY=off", "AFTERYOU_MAX_WAIT=5s")
	m.old()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := realclaude.Print(ctx, m.session("one"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 75 || r.Stdout != "" || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, "max_wait") {
		t.Errorf("the session ends with %d, says %q and %q; want 75, nothing and one line on max_wait", r.Code, r.Stdout, r.Stderr)
	}
}

// The same with a menu open: nothing is typed into it.
func TestRealOldMenuIsNotTypedTo(t *testing.T) {
	t.Parallel()
	const menu = "Select model"
	m, terminal := oldTyped(t)
	m.ask(terminal, "/model")
	m.sees(terminal, menu)
	before := terminal.Screen()
	for deadline := time.Now().Add(patience); !strings.Contains(m.logged(), "stays stopped"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nobody decides about the session; our log:\n%s", m.logged())
		}
	}
	m.quietFor(32 * time.Second)
	if after := terminal.Screen(); after != before {
		t.Errorf("the screen changed from\n%s\nto\n%s", before, after)
	}
}

// oldTyped is an old version that a limit has stopped, with its hooks off.
func oldTyped(t *testing.T) (*machine, *realclaude.Terminal) {
	t.Helper()
	answer := limitedFor(20*time.Second, func(fakeapi.Request) bool { return true }, fakeapi.Agentic(1))
	m := newMachine(t, fakeapi.Config{Answer: prompted(deadly(answer))}, "AFTERYOU_GATEWAY=off")
	m.old()
	terminal := m.open(m.session("one"), "--settings", `{"disableAllHooks":true}`)
	m.ask(terminal, "hello")
	m.sees(terminal, "API Error")
	return m, terminal
}

// An old version, whose hooks are off, stops at a limit: a prompt is typed, once.
func TestRealOldSessionIsTypedTo(t *testing.T) {
	t.Parallel()
	m, terminal := oldTyped(t)
	m.sees(terminal, "done")
	time.Sleep(3 * time.Second) // time enough for a second one
	if n := m.woken("one"); n != 1 {
		t.Errorf("%d prompts in the transcript, want one", n)
	}
	if n := strings.Count(m.logged(), " typed "); n != 1 {
		t.Errorf("typed %d times, want once; our log:\n%s", n, m.logged())
	}
}
