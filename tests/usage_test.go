package tests

import (
	"context"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// stoppedTogether opens three sessions of a subscription that are stopped by one usage limit, lets the person do what is
// given at each, and waits until each has gone on, once.
func stoppedTogether(m *machine, resets func() time.Time, person func(context.Context, *terminal.Terminal) error, args ...string) {
	m.t.Helper()
	var terminals []*terminal.Terminal
	for _, name := range []string{"one", "two", "three"} {
		terminals = append(terminals, m.open(m.session(name), args...))
	}
	var wg sync.WaitGroup
	for _, terminal := range terminals {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(m.t.Context(), 3*patience)
			defer cancel()
			err := terminal.Type("hello")
			if err == nil {
				err = person(ctx, terminal)
			}
			if err == nil {
				err = terminal.WaitFor(ctx, "● done")
			}
			if err != nil {
				m.t.Errorf("%v; our log:\n%s", err, m.logged())
			}
		})
	}
	wg.Wait()
	m.quietFor(5 * time.Second)
	stopped, answered := make(map[string]int), make(map[string]int)
	for _, r := range m.api.Log() {
		if r.Status == 429 {
			stopped[r.Session]++
			continue
		}
		answered[r.Session]++
		m.t.Logf("%s goes on %.1f s after the reset", r.Session[:4], r.Arrived.Sub(resets()).Seconds())
	}
	if len(stopped) != 3 || len(answered) != 3 {
		m.t.Errorf("%d sessions were stopped and %d answered, want 3", len(stopped), len(answered))
	}
	for id, n := range answered {
		if n != 1 {
			m.t.Errorf("session %s was answered %d times, want once", id, n)
		}
	}
}

// usageLimited stops so many sessions by one usage limit, which lasts as long as given from when the last of them has
// called, then answers as then does.
func usageLimited(sessions int, d time.Duration, then fakeapi.AnswerFunc) (answer fakeapi.AnswerFunc, resets func() time.Time) {
	var mu sync.Mutex
	var until time.Time
	called := make(map[string]bool)
	all := make(chan struct{})
	answer = func(r fakeapi.Request) fakeapi.Answer {
		mu.Lock()
		if called[r.Session] = true; len(called) == sessions && until.IsZero() {
			until = r.Arrived.Add(d).Truncate(time.Second).Add(time.Second) // whole seconds, as the header says it
			close(all)
		}
		mu.Unlock()
		<-all
		if r.Arrived.Before(until) {
			return fakeapi.UsageLimited(until, time.Now())
		}
		return then(r)
	}
	resets = func() time.Time {
		<-all
		return until
	}
	return answer, resets
}

// Three sessions are stopped by one usage limit. After the reset Claude Code goes on by itself: each session once, and
// what it left stopped after 3 minutes is woken.
func TestRealSessionsGoOnAfterAUsageLimit(t *testing.T) {
	t.Parallel()
	answer, resets := usageLimited(3, 30*time.Second, fakeapi.Agentic(1))
	m := newMachine(t, fakeapi.Config{Answer: answer}, append([]string{realclaude.Login}, withoutNetWaits...)...)
	stoppedTogether(m, resets, func(context.Context, *terminal.Terminal) error { return nil })
}

// The same where it does not go on by itself. It opens a menu then, which the person closes. 3 minutes after the reset one
// session is woken, then, once its call was taken, the next.
func TestRealSessionsAreWokenOneByOneAfterAUsageLimit(t *testing.T) {
	t.Parallel()
	answer, resets := usageLimited(3, 30*time.Second, fakeapi.Agentic(1))
	m := newMachine(t, fakeapi.Config{Answer: answer}, append([]string{realclaude.Login}, withoutNetWaits...)...)
	closesMenu := func(ctx context.Context, terminal *terminal.Terminal) error {
		if err := terminal.WaitFor(ctx, "What do you want to do?"); err != nil {
			return err
		}
		return terminal.Send([]byte("\x1b"))
	}
	stoppedTogether(m, resets, closesMenu, "--settings", `{"autoContinueAtUsageLimit":false}`)
	var last fakeapi.Request
	for _, r := range m.api.Answers() {
		if early := resets().Add(3 * time.Minute).Sub(r.Arrived); early > 0 {
			t.Errorf("woken %v before its time", early)
		}
		// Once the other's call is answered, or a second after it was let go, and one may take longer to arrive than the next.
		if after := r.Arrived.Sub(last.Arrived); after < time.Second/2 && r.Arrived.Before(last.Ended) {
			t.Errorf("woken %v after another one", after)
		}
		last = r
	}
	for _, name := range []string{"one", "two", "three"} {
		if n := m.woken(name); n != 1 {
			t.Errorf("session %s is woken %d times, want once; our log:\n%s", name, n, m.logged())
		}
	}
}
