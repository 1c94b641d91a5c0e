package tests

import (
	"context"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
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
func oldTyped(t *testing.T) (*machine, *terminal.Terminal) {
	t.Helper()
	answer := limitedFor(20*time.Second, atOnce, fakeapi.Agentic(1))
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
	m.sees(terminal, "● done") // the prompt that is typed says "done" too
	m.typedTo("one")
}

// typedTo wants the session to have been typed to once, and to be left alone then.
func (m *machine) typedTo(name string) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(m.logged(), " typed ") && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(3 * time.Second) // time enough for a second one
	if n := m.woken(name); n != 1 {
		m.t.Errorf("%d prompts in the transcript, want one", n)
	}
	if n := strings.Count(m.logged(), " typed "); n != 1 {
		m.t.Errorf("typed %d times, want once; our log:\n%s", n, m.logged())
	}
}

// hooksOff is a session of the pinned version with its hooks off, whose turn a limit has ended.
func hooksOff(t *testing.T, answer fakeapi.AnswerFunc, args ...string) (*machine, *terminal.Terminal) {
	t.Helper()
	m := newMachine(t, fakeapi.Config{Answer: answer}, withoutNetWaits...)
	terminal := m.open(m.session("one"), args...)
	m.ask(terminal, "hello")
	m.sees(terminal, "Request rejected (429)")
	return m, terminal
}

// noHooks are ways to switch them off.
var noHooks = map[string][]string{
	"disableAllHooks": {"--settings", `{"disableAllHooks":true}`},
	"bare":            {"--bare"},
}

// Hooks that are off can't wake a session of today either: a prompt is typed, once.
func TestRealSessionWithItsHooksOffIsTypedTo(t *testing.T) {
	t.Parallel()
	for name, args := range noHooks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, terminal := hooksOff(t, deadly(limitedFor(20*time.Second, atOnce, fakeapi.Agentic(1))), args...)
			m.sees(terminal, "● done")
			m.typedTo("one")
		})
	}
}

// The person does something meanwhile: nothing is typed, and what the person did stays as it is.
func TestRealSessionWithItsHooksOffIsLeftToThePerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, keys, shows string
	}{
		{"a draft", "a draft of mine", "❯ a draft of mine"},
		{"a menu", "/model\r", "Select model"},
		{"a prompt", "never mind\r", "❯ never mind"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, terminal := hooksOff(t, fakeapi.Script(fakeapi.Agentic(1), fakeapi.RateLimited(75*time.Second)), noHooks["disableAllHooks"]...)
			text, enter := strings.CutSuffix(tt.keys, "\r")
			if enter {
				m.ask(terminal, text)
			} else if err := terminal.Send([]byte(text)); err != nil {
				t.Fatal(err)
			}
			shows := func(screen string) bool {
				return strings.Contains(strings.ReplaceAll(screen, "\u00a0", " "), tt.shows)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := terminal.WaitUntil(ctx, tt.shows, shows); err != nil {
				t.Fatal(err)
			}
			time.Sleep(35 * time.Second) // it would be typed to after 30
			if log := m.logged(); strings.Contains(log, " typed ") || m.woken("one") != 0 {
				t.Errorf("it is typed to; our log:\n%s", log)
			}
			if screen := terminal.Screen(); !shows(screen) {
				t.Errorf("the screen is\n%s\nwant %q", screen, tt.shows)
			}
			for _, r := range m.api.Log() {
				if strings.Contains(r.LastText, "draft") || strings.Contains(r.LastText, "API limit") {
					t.Errorf("%q was sent", r.LastText)
				}
			}
		})
	}
}
