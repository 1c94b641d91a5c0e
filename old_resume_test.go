package main

import (
	"context"
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
