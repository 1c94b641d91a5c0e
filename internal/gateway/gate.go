package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

const (
	// retry is how soon it is tried again to tell the state what it could not be told.
	retry = time.Second
	// mostPending bounds for how many things that is. The oldest go first: the lease of their turns is over.
	mostPending = 10_000
)

// gate is where the gateway's calls wait for their turns and tell what became of them.
//
// One goroutine does all that touches the state; close ends it.
type gate struct {
	Config
	self turn.Process
	done chan struct{}

	mu        sync.Mutex
	pending   []change
	waiting   map[*place]bool // true: asked for already
	live      map[turn.Key]*place
	interrupt func() // ends the goroutine's sleep
	events    int
	closed    bool
	logged    string

	// Used by the goroutine alone.
	line  *line.Line
	begun bool // the state was written once
	due   bool // those who wait must be looked at under the lock
}

// change is what is to be told of a place.
type change struct {
	of *place
	do func(now time.Time, a *turn.Account)
}

var (
	errClosed = errors.New("the gateway is closed")
	errBroken = errors.New("the state can't be used")
)

func newGate(c Config) *gate {
	g := &gate{Config: c, self: lockfile.Self(), done: make(chan struct{}), waiting: make(map[*place]bool),
		live: make(map[turn.Key]*place), interrupt: func() {}, line: line.New(c.Store, nil)}
	guard.Go(g.run, g.log)
	return g
}

// close gives back every turn and ends the goroutine.
func (g *gate) close() {
	g.mu.Lock()
	if !g.closed {
		for _, p := range g.live {
			g.pending = append(g.pending, change{of: p, do: p.free})
		}
		g.closed = true
	}
	g.interrupt()
	g.mu.Unlock()
	<-g.done
}

// run does what is to be done until the gate is closed.
func (g *gate) run() {
	defer close(g.done)
	defer g.line.Close()
	for closed := false; !closed; {
		ctx, cancel := context.WithCancel(context.Background())
		g.mu.Lock()
		todo := g.pending
		g.pending, g.interrupt, closed = nil, cancel, g.closed
		need := len(todo) > 0 || g.due
		var waiting []*place
		for p, asked := range g.waiting {
			waiting = append(waiting, p)
			need = need || !asked
			g.waiting[p] = true
		}
		g.mu.Unlock()

		written := false
		// What panics, panics by the state or by what is told of it: it is as good as a state that can't be used.
		fine := guard.Run(func() {
			if written = !need || g.update(todo, waiting); written && !closed {
				g.sleep(ctx, g.grant(waiting))
			}
		}, func(text string) {
			g.unusable(text, waiting)
			if !written { // what there was to tell made it panic, perhaps
				g.owe(slices.DeleteFunc(todo, func(c change) bool { return !closed && !c.of.gone.Load() }))
				g.due = g.Store.Owes()
			}
		})
		switch {
		case closed:
			g.fail(waiting, errClosed)
			g.owe(g.pending)
		case !fine || !written:
			select {
			case <-ctx.Done():
			case <-time.After(retry):
			}
		}
		cancel()
	}
}

// account is what the calls are paid from, with its id.
func (g *gate) account(s *turn.State) (id string, a *turn.Account) {
	name, secret := g.Config.Pool()
	id = s.AccountID(secret)
	a = s.Open(id)
	a.Name = name
	return id, a
}

// update tells what is to be told, asks for those who wait and lets go who may, in one change of the state. What can't be told
// is kept, and it returns false.
func (g *gate) update(todo []change, waiting []*place) (written bool) {
	alive := func(turn.Process) bool { return true }
	if v, err := g.Store.View(); !g.begun && err == nil {
		alive = line.Census(v.State)
		v.Close()
	}
	g.due = false
	err := g.line.Change(context.Background(), func(now time.Time, s *turn.State) {
		if !g.begun {
			s.Forget(now, alive)
		}
		_, account := g.account(s)
		for _, c := range todo {
			s.Called(now, c.of.Call.Session)
			c.do(now, account)
		}
		g.line.Stand(now, s, standing(waiting), account)
	})
	if err == nil {
		g.begun = true
		return true
	}
	g.keep(todo...)
	g.unusable(err.Error(), waiting)
	return false
}

// keep puts what was not told before what came since.
func (g *gate) keep(todo ...change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = append(todo, g.pending...)
	g.pending = g.pending[max(0, len(g.pending)-mostPending):]
}

// owe hands over what is left to be given back: to whoever changes the state next.
func (g *gate) owe(pending []change) {
	owed := make(map[*place]bool)
	for _, c := range pending {
		if id := c.of.account; id != "" && !owed[c.of] { // else it never had a place
			owed[c.of] = true
			for _, how := range []line.How{line.Withdrawn, line.Ended} {
				line.Owe(g.Store, line.GiveBack{Account: id, Key: c.of.Call.Key, Event: c.of.Call.Event, How: how}) // or its lease ends it
			}
		}
	}
}

// unusable lets all calls go without turns. The next one that comes tries again.
func (g *gate) unusable(why string, waiting []*place) {
	g.log(why + "; calls go without turns")
	g.fail(waiting, errBroken)
}

// log writes what is wrong, once until it is something else.
func (g *gate) log(text string) {
	g.mu.Lock()
	news := text != g.logged
	g.logged = text
	g.mu.Unlock()
	if news {
		g.Store.Log("gateway: %s", text)
	}
}

// fail lets the calls go without a turn.
func (g *gate) fail(waiting []*place, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range waiting {
		g.lets(p, err)
	}
}

// lets ends a wait, if there is still one. g.mu must be held.
func (g *gate) lets(p *place, err error) {
	if _, ok := g.waiting[p]; ok {
		delete(g.waiting, p)
		p.goes <- err
	}
}

// grant lets go who has the turn and returns the others that still wait.
func (g *gate) grant(waiting []*place) (rest []*place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range waiting {
		if p.Granted {
			g.lets(p, nil)
		} else if _, ok := g.waiting[p]; ok {
			rest = append(rest, p)
		}
	}
	return rest
}

// sleep blocks until there may be something to do. Where nobody waits only a call can bring something.
func (g *gate) sleep(ctx context.Context, waiting []*place) {
	if len(waiting) == 0 {
		<-ctx.Done()
		return
	}
	g.due = g.line.Wait(ctx, standing(waiting)) == nil && len(g.grant(waiting)) == len(waiting)
}

func standing(waiting []*place) (list []*line.Place) {
	for _, p := range waiting {
		list = append(list, &p.Place)
	}
	return list
}
