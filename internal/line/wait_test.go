package line

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// stands puts a place into line, behind a crowd of n, and returns its line.
func stands(t *testing.T, n int, with func(*turn.Call)) (l *Line, p *Place, change func(f func(time.Time, *turn.Account))) {
	t.Helper()
	store := open(t)
	account, place := crowd(t, store, n)
	p = place(n + 1)
	with(&p.Call)
	l = New(store, nil)
	t.Cleanup(l.Close)
	if err := l.Change(t.Context(), func(now time.Time, s *turn.State) { l.Stand(now, s, []*Place{p}) }); err != nil {
		t.Fatal(err)
	}
	return l, p, func(f func(time.Time, *turn.Account)) {
		t.Helper()
		v, err := Change(t.Context(), store, nil, func(now time.Time, s *turn.State) { f(now, s.Open(account)) })
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
	}
}

// waits is what Wait says, and after how long.
func waits(t *testing.T, l *Line, p *Place) (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begin := time.Now()
	err := l.Wait(ctx, []*Place{p})
	return time.Since(begin), err
}

// Whoever is swept out of the line because its session is gone does not ask again.
func TestTheSweptWhoseSessionIsGoneStayAway(t *testing.T) {
	t.Parallel()
	session := exec.Command("sleep", "1000")
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	l, p, change := stands(t, 3, func(c *turn.Call) { c.Process = lockfile.Identify(session.Process.Pid) })
	session.Process.Kill()
	session.Wait()
	change(func(now time.Time, a *turn.Account) { a.Sweep(now, lockfile.Alive, true) })
	if _, err := waits(t, l, p); !errors.Is(err, ErrGone) {
		t.Errorf("Wait says %v, want that the session is gone", err)
	}
}

// 1. Two places of ours stand in line, the first of all among them. 2. Who has the turn dies. 3. Whichever of ours is looked at
// first, its turn is free.
func TestTheLeaderClearsAwayTheDeadFromAnyPlace(t *testing.T) {
	t.Parallel()
	store := open(t)
	account, place := crowd(t, store, 2)
	holder := exec.Command("sleep", "1000")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	l, places := New(store, nil), []*Place{place(2), place(1)}
	defer l.Close()
	stand := func() {
		t.Helper()
		if err := l.Change(t.Context(), func(now time.Time, s *turn.State) { l.Stand(now, s, places) }); err != nil {
			t.Fatal(err)
		}
	}
	v, err := Change(t.Context(), store, nil, func(_ time.Time, s *turn.State) {
		s.Open(account).Turns("")[0].Process = lockfile.Identify(holder.Process.Pid)
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	stand()
	holder.Process.Kill()
	holder.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !places[1].Granted {
		if err := l.Wait(ctx, places); err != nil {
			t.Fatal(err)
		}
		stand()
	}
}

// A place that waits to wake a session is the session's own once it asks.
func TestAPlaceThatIsTakenOverIsNoneAnyMore(t *testing.T) {
	t.Parallel()
	l, p, change := stands(t, 3, func(c *turn.Call) { c.Event = turn.WakeEvent })
	change(func(now time.Time, a *turn.Account) {
		prompt := p.Call
		prompt.Event = "prompt"
		a.Ask(now, prompt)
	})
	if took, err := waits(t, l, p); err != nil || took > 10*time.Second {
		t.Errorf("Wait says %v after %v, want that there is something to do", err, took)
	}
}

// A leader that is stopped looks at no transcripts. The next one does.
func TestTheNextLooksWhereTheLeaderDoesNot(t *testing.T) {
	t.Parallel()
	l, p, _ := stands(t, 1, func(*turn.Call) {})
	looks := 0
	l.Look = func(*turn.State, bool) bool { looks++; return true }
	if took, err := waits(t, l, p); err != nil || looks != 1 || took < stepIn || took > 10*time.Second {
		t.Errorf("Wait says %v after %v and %d looks, want one, after %v", err, took, looks, stepIn)
	}
}

// What can't be removed from what is owed keeps the leader from nothing, and does not keep it busy.
func TestWhatStaysOwedKeepsNobodyBusy(t *testing.T) {
	t.Parallel()
	l, p, _ := stands(t, 0, func(*turn.Call) {})
	if err := os.MkdirAll(filepath.Join(l.Store.Dir(), "owed", "0 x", "y"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	changes := 0
	for ; ctx.Err() == nil && l.Wait(ctx, []*Place{p}) == nil; changes++ {
		if err := l.Change(t.Context(), func(now time.Time, s *turn.State) { l.Stand(now, s, []*Place{p}) }); err != nil {
			t.Fatal(err)
		}
	}
	if most := int(time.Second/tendEvery) + 1; changes < 1 || changes > most {
		t.Errorf("%d changes in a second, want %d at most", changes, most)
	}
}
