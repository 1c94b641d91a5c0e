package tests

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// shows waits until the screen is as it should be.
func (m *machine) shows(term *terminal.Terminal, what string, ok func(screen string) bool) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience/3)
	defer cancel()
	if err := term.WaitUntil(ctx, what, ok); err != nil {
		m.t.Fatal(err)
	}
}

// 1. A session has the only turn; a person's prompt waits for it: the spinner says so, and nothing else does. 2. Esc: the prompt is
// back in the box, nothing was sent, and the line is left. 3. Sent again, it waits; once the turn is free it is answered, once.
func TestRealModuleOnATerminal(t *testing.T) {
	t.Parallel()
	arrived, answer := make(chan struct{}), make(chan struct{})
	m := newInside(t, fakeapi.Config{Answer: firstWaits(arrived, answer, fakeapi.Agentic(1))}, "AFTERYOU_TURNS=strict")
	dir := moduleDir(t)
	first := m.started(m.inside("first", dir))
	<-arrived
	term := m.open(m.inside("person", dir))
	m.ask(term, "hello")
	m.sees(term, "afteryou: turn 1 of 1")
	m.stands(1, 1)
	if screen := term.Screen(); strings.Count(screen, "afteryou") != 1 {
		t.Errorf("it says more of us than the spinner:\n%s", screen)
	}
	if err := term.Send([]byte("\x1b")); err != nil {
		t.Fatal(err)
	}
	m.shows(term, "the prompt in the input box", func(screen string) bool {
		return strings.HasSuffix(boxOf(screen), "hello") && !strings.Contains(screen, "afteryou")
	})
	pressed := time.Now()
	m.stands(1, 0)
	if took := time.Since(pressed); took > 2*time.Second {
		t.Errorf("it stands in line for %v after Esc", took)
	}
	if n := len(m.api.Log()); n != 1 {
		t.Errorf("%d calls, want that of the other session alone", n)
	}
	m.shows(term, "the prompt to go", func(screen string) bool {
		term.Send([]byte("\r")) // it may come too early
		return strings.Contains(screen, "afteryou: turn 1 of 1")
	})
	close(answer)
	m.sees(term, "● done")
	if err := first.Wait(); err != nil {
		t.Errorf("the other session ends with %v", err)
	}
	m.shows(term, "an end of the turn", func(screen string) bool {
		return !strings.Contains(screen, "afteryou") && !strings.Contains(screen, "esc to interrupt")
	})
	answered := 0
	for _, r := range m.api.Log() {
		if r.Kind == fakeapi.Main {
			answered++
		}
	}
	if answered != 2 {
		t.Errorf("%d requests of the conversations, want 2: %+v", answered, m.api.Log())
	}
	m.counts()
}

// A limit of some seconds on a terminal: the spinner counts them down, and nothing is left of it on the screen.
func TestRealModuleCountsALimitDown(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: rejectedOnce(fakeapi.RateLimited(12*time.Second), toolOnce())})
	term := m.open(m.inside("person", moduleDir(t)), "--permission-mode", "bypassPermissions")
	m.ask(term, "hello")
	var seen []string // a busy machine shows not every second
	m.shows(term, "a limit that is counted down", func(screen string) bool {
		if left := regexp.MustCompile(`limit (\d+) s`).FindString(screen); left != "" && !slices.Contains(seen, left) {
			seen = append(seen, left)
		}
		return len(seen) > 1
	})
	m.sees(term, "● done")
	m.shows(term, "an end of the turn", func(screen string) bool { return !strings.Contains(screen, "afteryou") })
	if screen := term.Text(); strings.Contains(screen, "429") || strings.Contains(screen, "etrying") {
		t.Errorf("the limit is on the screen:\n%s", screen)
	}
	m.unaware("person")
	ranOnce(t, filepath.Join(m.dir, "person", "work", "proof"))
	m.counts()
}

// Esc while the request is under way, at whatever moment: its turn is free at once.
func TestRealModuleEscFreesTheTurn(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]fakeapi.Cut{"before a word of the answer": fakeapi.Silent, "amid the answer": fakeapi.Hang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newInside(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
				if r.Kind != fakeapi.Main {
					return fakeapi.Say("done")
				}
				return fakeapi.Answer{Text: "some words of an answer", Cut: cut}
			}}, "AFTERYOU_TURNS=strict")
			term := m.open(m.inside("person", moduleDir(t)))
			m.ask(term, "hello")
			m.until("the request", func(log []fakeapi.Request) bool { return asked(log) == 1 })
			m.stands(1, 0)
			if cut == fakeapi.Hang {
				m.until("the head of the answer", func(log []fakeapi.Request) bool { return log[len(log)-1].Status == 200 })
			}
			if err := term.Send([]byte("\x1b")); err != nil {
				t.Fatal(err)
			}
			pressed := time.Now()
			m.stands(0, 0)
			if took := time.Since(pressed); took > 5*time.Second { // Claude Code takes its time to see a key; a lease would last for minutes
				t.Errorf("the turn is taken for %v after Esc", took)
			}
		})
	}
}

// Claude Code stops what it asked for a suggestion once the person types: that turn is free at once too.
func TestRealModuleFreesAStoppedSuggestion(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
		if r.Kind == fakeapi.Suggest {
			return fakeapi.Answer{Cut: fakeapi.Silent}
		}
		return fakeapi.Answer{Text: "done " + r.LastText, Usage: fakeapi.Usage{Input: 10, CacheRead: 20000, Output: 20}} // else there is none
	}}, "AFTERYOU_TURNS=strict", "CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION=true")
	s := m.inside("person", moduleDir(t))
	write(t, filepath.Join(m.dir, "person", ".claude", "settings.json"), `{"promptSuggestionEnabled":true}`)
	term := m.open(s)
	suggests := func(log []fakeapi.Request) bool {
		return slices.ContainsFunc(log, func(r fakeapi.Request) bool { return r.Kind == fakeapi.Suggest })
	}
	for _, prompt := range []string{"one", "two"} {
		m.ask(term, prompt)
		m.sees(term, "● done "+prompt)
	}
	m.until("a suggestion", suggests)
	m.stands(1, 0)
	if err := term.Send([]byte("more")); err != nil {
		t.Fatal(err)
	}
	typed := time.Now()
	m.stands(0, 0)
	if took := time.Since(typed); took > 2*time.Second {
		t.Errorf("the turn is taken for %v", took)
	}
}

// asked counts the requests of a conversation.
func asked(log []fakeapi.Request) (n int) {
	for _, r := range log {
		if r.Kind == fakeapi.Main {
			n++
		}
	}
	return n
}

// After /clear it is another session of the same process: the state knows that one alone, and its turns are taken and given back.
func TestRealModuleOverAClear(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: fakeapi.Agentic(1)}, "AFTERYOU_TURNS=strict")
	term := m.open(m.inside("person", moduleDir(t)))
	for i, prompt := range []string{"hello", "/clear", "again"} {
		m.ask(term, prompt)
		if prompt == "/clear" {
			m.shows(term, "an empty screen", func(screen string) bool { return !strings.Contains(screen, "● done") })
			continue
		}
		m.sees(term, "● done")
		m.until("the requests", func(log []fakeapi.Request) bool { return asked(log) == i/2+1 })
	}
	m.counts()
	paths, err := realclaude.Transcripts(filepath.Join(m.dir, "person"))
	if err != nil || len(paths) < 1 {
		t.Fatal(paths, err)
	}
	if s := m.state().Sessions; len(s) != 1 {
		t.Errorf("the state knows the sessions %v, want the one after /clear", s)
	}
	if m.partner(); t.Failed() {
		t.Error("it has not one partner")
	}
}
