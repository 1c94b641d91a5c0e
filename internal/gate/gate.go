// Package gate stands in line for the calls of one Claude Code of which it is told exactly when they are sent and how they are
// answered: those of a proxy (gateway), and those of the module inside (partner). What becomes of a call that was rejected it
// decides by its answer; whose turn it is, package turn does.
//
// It sends nothing itself, and keeps no word of what is said.
package gate

import (
	"cmp"
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

// Config says whose calls they are.
type Config struct {
	Name  string // of the gate, as the log has it
	Store *lockfile.Store
	Rules turn.Rules
	Print bool // nobody sits before the session (-p)
	// Pool names the limit that the calls share: a name to show, and the secret that its id is made from.
	Pool func() (name, secret string)
	// Process is the Claude Code that makes the calls; zero: this process answers for it.
	Process turn.Process
	// Register, if there is one, sees to the sessions with each change of the state.
	Register func(now time.Time, s *turn.State, account string)
	// Fleet makes what meets other machines on the limit.
	Fleet line.Fleets
}

// Gate is where calls wait for their turns and tell what became of them.
//
// One goroutine does all that touches the state; Close ends it.
type Gate struct {
	Config
	self turn.Process
	done chan struct{}

	mu        sync.Mutex
	pending   []change
	waiting   map[*Place]bool // true: asked for already
	live      map[turn.Key]*Place
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
	of *Place
	do func(now time.Time, s *turn.State, a *turn.Account)
}

var (
	errClosed = errors.New("the gate is closed")
	errBroken = errors.New("the state can't be used")
)

// New makes a gate. Whoever makes one closes it.
func New(c Config) *Gate {
	self := lockfile.Self()
	c.Process = cmp.Or(c.Process, self)
	g := &Gate{Config: c, self: self, done: make(chan struct{}), waiting: make(map[*Place]bool),
		live: make(map[turn.Key]*Place), interrupt: func() {}, line: line.New(c.Store, nil)}
	g.line.Fleet = c.Fleet.Of(c.Pool)
	guard.Go(g.run, g.Log)
	return g
}

// Close gives back every turn and ends the goroutine. Whoever waits goes without a turn.
func (g *Gate) Close() {
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

// Idle reports whether no call is there and all was told.
func (g *Gate) Idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.live)+len(g.waiting)+len(g.pending) == 0
}

// run does what is to be done until the gate is closed.
func (g *Gate) run() {
	defer close(g.done)
	defer g.line.Close()
	defer g.line.Fleet.Close()
	for closed := false; !closed; {
		ctx, cancel := context.WithCancel(context.Background())
		g.mu.Lock()
		todo := g.pending
		g.pending, g.interrupt, closed = nil, cancel, g.closed
		need := len(todo) > 0 || g.due
		var waiting []*Place
		for p, asked := range g.waiting {
			waiting = append(waiting, p)
			need = need || !asked
			g.waiting[p] = true
		}
		g.mu.Unlock()

		written := false
		// What panics, panics by the state or by what is told of it: it is as good as a state that can't be used.
		fine := guard.Run(func() {
			stand := waiting
			if closed {
				stand = nil // else who is given back now would ask again
			}
			if written = !need || g.update(todo, stand); written && !closed {
				rest := g.grant(waiting)
				g.line.Meet(ctx, func(s *turn.State) *turn.Account { _, a := g.Account(s); return a })
				g.sleep(ctx, rest)
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

// Account is what the calls are paid from, with its id.
func (g *Gate) Account(s *turn.State) (id string, a *turn.Account) {
	name, secret := g.Config.Pool()
	id = s.AccountID(secret)
	a = s.Open(id)
	a.Name = name
	return id, a
}

// Look shows f a copy of the account, if there is one to be read; else nobody waits.
func (g *Gate) Look(f func(now time.Time, a *turn.Account)) {
	v, err := g.Store.View()
	if err != nil {
		return
	}
	defer v.Close()
	guard.Run(func() {
		_, a := g.Account(v.State)
		f(time.Now(), a)
	}, g.Log)
}

// update tells what is to be told, asks for those who wait and lets go who may, in one change of the state. What can't be told
// is kept, and it returns false.
func (g *Gate) update(todo []change, waiting []*Place) (written bool) {
	alive := func(turn.Process) bool { return true }
	if !g.begun {
		if v, err := g.Store.View(); err == nil {
			alive = line.Census(v.State)
			v.Close()
		}
	}
	g.due = false
	err := g.line.Change(context.Background(), func(now time.Time, s *turn.State) {
		if !g.begun {
			s.Forget(now, alive)
		}
		id, account := g.Account(s)
		if g.Register != nil {
			g.Register(now, s, id)
		}
		for _, c := range todo {
			s.Called(now, c.of.Call.Session)
			c.do(now, s, account)
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
func (g *Gate) keep(todo ...change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = append(todo, g.pending...)
	g.pending = g.pending[max(0, len(g.pending)-mostPending):]
}

// owe hands over what is left to be given back: to whoever changes the state next.
func (g *Gate) owe(pending []change) {
	owed := make(map[*Place]bool)
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
func (g *Gate) unusable(why string, waiting []*Place) {
	g.Log(why + "; calls go without turns")
	g.fail(waiting, errBroken)
}

// Log writes what is wrong, once until it is something else.
func (g *Gate) Log(text string) {
	g.mu.Lock()
	news := text != g.logged
	g.logged = text
	g.mu.Unlock()
	if news {
		g.Store.Log("%s: %s", g.Name, text)
	}
}

// fail lets the calls go without a turn.
func (g *Gate) fail(waiting []*Place, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range waiting {
		g.lets(p, err)
	}
}

// lets ends a wait, if there is still one. g.mu must be held.
func (g *Gate) lets(p *Place, err error) {
	if _, ok := g.waiting[p]; ok {
		delete(g.waiting, p)
		p.goes <- err
	}
}

// grant lets go who has the turn and returns the others that still wait.
func (g *Gate) grant(waiting []*Place) (rest []*Place) {
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
func (g *Gate) sleep(ctx context.Context, waiting []*Place) {
	if len(waiting) == 0 {
		<-ctx.Done()
		return
	}
	g.due = g.line.Wait(ctx, standing(waiting)) == nil && len(g.grant(waiting)) == len(waiting)
}

func standing(waiting []*Place) (list []*line.Place) {
	for _, p := range waiting {
		list = append(list, &p.Place)
	}
	return list
}
