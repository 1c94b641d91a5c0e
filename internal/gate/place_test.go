package gate

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// patience bounds the wait for what must happen some time, on any machine.
const patience = time.Minute

func newGate(t *testing.T, with ...func(*Config)) *Gate {
	t.Helper()
	store, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Name: "gate", Store: store, Rules: turn.Rules{Most: 1}, Pool: func() (string, string) { return "the limit", "a key" }}
	for _, f := range with {
		f(&c)
	}
	g := New(c)
	t.Cleanup(g.Close)
	return g
}

// settles waits until so many hold a turn and so many wait.
func (g *Gate) settles(t *testing.T, held, waiting int) {
	t.Helper()
	var h, w int
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		g.Look(func(_ time.Time, a *turn.Account) { h, w = len(a.Turns("opus")), len(a.Waiting()) })
		if h == held && w == waiting {
			return
		}
	}
	t.Fatalf("%d hold a turn and %d wait; want %d and %d", h, w, held, waiting)
}

func key(session string) turn.Call { return turn.Call{Key: turn.Key{Session: session, Class: "opus"}} }

// 1. One has the turn, another waits. 2. The other is given back while it waits. 3. It stands in line no more, and does not come back.
func TestWhatIsGivenBackWaitsNoMore(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	first, second := g.Join(key("a")), g.Join(key("b"))
	if err := first.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() { waited <- second.Wait(ctx) }()
	g.settles(t, 1, 1)
	second.Leave()
	g.settles(t, 1, 0)
	third := g.Join(key("c")) // who looks at the line again
	go third.Wait(ctx)
	g.settles(t, 1, 1)
	first.Leave()
	g.settles(t, 1, 0)
	cancel()
	if err := <-waited; err == nil {
		t.Error("it has the turn")
	}
	if err := second.Wait(t.Context()); err == nil {
		t.Error("it has the turn, after it was given back")
	}
	third.Leave()
	g.settles(t, 0, 0)
}

// 1. One has the turn, another waits. 2. The gate is closed. 3. Nobody has the turn, nobody waits.
func TestACloseGivesBackWhoWaits(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	first, second := g.Join(key("a")), g.Join(key("b"))
	if err := first.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	go func() { waited <- second.Wait(t.Context()) }()
	g.settles(t, 1, 1)
	g.Close()
	if err := <-waited; err != errClosed {
		t.Errorf("who waited is told %v, want %v", err, errClosed)
	}
	g.settles(t, 0, 0)
}
