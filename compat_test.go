//go:build compat

package main

import (
	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// These wait for minutes on what Claude Code does in its own time, and want a machine to themselves: make compat.

// Sessions of a subscription are stopped by one usage limit. Claude Code goes on by itself after the reset, or is woken:
// each session once.
func TestRealSessionsGoOnAfterAUsageLimit(t *testing.T) {
	t.Parallel()
	resets := time.Now().Add(30 * time.Second)
	limited := func(r fakeapi.Request) fakeapi.Answer { return fakeapi.UsageLimited(resets, r.Arrived) }
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Until(resets, limited, fakeapi.Agentic(1))}, append([]string{realclaude.Login}, withoutNetWaits...)...)
	var wg sync.WaitGroup
	for _, name := range []string{"one", "two", "three"} {
		terminal := m.open(m.session(name))
		m.ask(terminal, "hello")
		m.sees(terminal, "limit")
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
			defer cancel()
			if err := terminal.WaitFor(ctx, "● done"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m.quietFor(5 * time.Second)
	answered := make(map[string]int)
	for _, r := range m.api.Answers() {
		answered[r.Session]++
		t.Logf("%s goes on %.1f s after the reset", r.Session[:4], r.Arrived.Sub(resets).Seconds())
	}
	for id, n := range answered {
		if n != 1 {
			t.Errorf("session %s was answered %d times, want once", id, n)
		}
	}
	if len(answered) != 3 {
		t.Errorf("%d sessions were answered, want 3", len(answered))
	}
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
