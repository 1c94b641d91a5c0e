package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// How often the line is looked at; as in package hook, where one process waits for one turn. This one waits for many at
// once and has its own reports to tell, so that it is one loop for all calls, which takes the lock once for all that
// came together.
const (
	poll      = 10 * time.Millisecond // where the system does not tell that the state was replaced
	tendEvery = 250 * time.Millisecond
	stepIn    = time.Second // after each one ahead who should have acted and did not
)

// line is where the gateway's calls wait for their turns and tell what became of them.
//
// One goroutine does all that touches the state; close ends it.
type line struct {
	Config
	self turn.Process
	done chan struct{}

	mu        sync.Mutex
	todo      []change
	waiting   map[*place]bool // true: asked for already
	live      map[turn.Key]*place
	interrupt func() // ends the loop's sleep
	events    int
	closed    bool
	logged    string

	// Used by the loop alone.
	view  *lockfile.View
	watch *lockfile.Watch
	act   map[string]time.Time // by class: when there is something to do under the lock
	begun bool                 // the state was written once
}

// change is what is to be told of a place.
type change struct {
	of *place
	do func(now time.Time, p *turn.Pool)
}

var (
	errClosed = errors.New("the gateway is closed")
	errBroken = errors.New("the state can't be used")
)

func newLine(c Config) *line {
	l := &line{Config: c, self: lockfile.Self(), done: make(chan struct{}), waiting: make(map[*place]bool),
		live: make(map[turn.Key]*place), act: make(map[string]time.Time), interrupt: func() {}}
	guard.Go(l.run, l.log)
	return l
}

// close gives back every turn and ends the loop.
func (l *line) close() {
	l.mu.Lock()
	if !l.closed {
		for k, p := range l.live {
			l.todo = append(l.todo, change{p, func(now time.Time, pool *turn.Pool) {
				pool.Withdraw(k, p.event)
				pool.Ended(now, k)
			}})
		}
		l.closed = true
	}
	l.interrupt()
	l.mu.Unlock()
	<-l.done
}

// run does what is to be done until the line is closed.
func (l *line) run() {
	defer close(l.done)
	defer func() {
		if l.watch != nil {
			l.watch.Close()
		}
		if l.view != nil {
			l.view.Close()
		}
	}()
	for {
		l.mu.Lock()
		todo, closed := l.todo, l.closed
		l.todo = nil
		need := len(todo) > 0
		var waiting []*place
		for p, asked := range l.waiting {
			waiting = append(waiting, p)
			need = need || !asked
			l.waiting[p] = true
		}
		ctx, cancel := context.WithCancel(context.Background())
		l.interrupt = cancel
		l.mu.Unlock()

		// What panics, panics by the state or by what is told of it: it is as good as a state that can't be used.
		guard.Run(func() {
			if need || len(waiting) > 0 && l.due(waiting) {
				l.update(todo, waiting)
			}
			if closed {
				l.fail(waiting, errClosed)
			} else {
				l.sleep(ctx, l.grant(waiting))
			}
		}, func(text string) { l.unusable(text, todo, waiting) })
		cancel()
		if closed {
			return
		}
	}
}

// due says whether something must be done under the lock. It is tried on our own copy of the state first.
func (l *line) due(waiting []*place) bool {
	if l.view == nil {
		return true
	}
	now := time.Now()
	for _, p := range waiting {
		pool := l.pool(l.view.State, p.class)
		if pool.SetBack(now) {
			return true
		}
		if pool.Granted(p.key, p.event) {
			continue
		}
		if !pool.Waits(p.key) {
			return true // somebody dropped the ticket: ask again
		}
		if !now.Before(pool.Fades(p.key)) {
			return true
		}
		if now.Before(l.act[p.class]) {
			continue
		}
		had := len(pool.Queue) + len(pool.Grants) + len(pool.Retries)
		pool.Sweep(now, lockfile.Alive)
		if len(pool.Queue)+len(pool.Grants)+len(pool.Retries) != had {
			return true
		}
		queued := len(pool.Queue)
		next := pool.Admit(now, l.Rules)
		if len(pool.Queue) != queued {
			return true
		}
		l.plan(pool, p.class, waiting, now, next)
	}
	return false
}

// plan notes when there is something to do for the class: at next, and every now and then, the later the further back
// in the line its first call stands.
func (l *line) plan(pool *turn.Pool, class string, waiting []*place, now, next time.Time) {
	ours := make(map[turn.Key]bool, len(waiting))
	for _, p := range waiting {
		ours[p.key] = ours[p.key] || p.class == class
	}
	first := slices.IndexFunc(pool.Line(l.Rules), func(t turn.Ticket) bool { return ours[t.Key] })
	lag := time.Duration(max(first, 0)) * stepIn
	at := now.Add(tendEvery + lag)
	// By the monotonic clock: should the wall clock be put back, next is asked for anew soon.
	if due := now.Add(next.Sub(now) + lag); !next.IsZero() && due.Before(at) {
		at = due
	}
	l.act[class] = at
}

// pool is the pool of a class of models.
func (l *line) pool(s *turn.State, class string) *turn.Pool {
	name, secret := l.Config.Pool()
	p := s.Pool(turn.ClassPool(s.PoolID(secret), class))
	p.Name = name + ", " + class
	return p
}

// update tells what is to be told, asks for those who wait and lets go who may, in one change of the state.
func (l *line) update(todo []change, waiting []*place) {
	v, err := l.Store.Update(context.Background(), func(s *turn.State) error {
		now := time.Now()
		alive := remember(lockfile.Alive)
		if !l.begun {
			s.Forget(now, alive)
		}
		pools := make(map[string]*turn.Pool)
		of := func(p *place) *turn.Pool {
			if pools[p.class] == nil {
				pools[p.class] = l.pool(s, p.class)
				pools[p.class].Sweep(now, alive)
			}
			return pools[p.class]
		}
		for _, c := range todo {
			s.Called(now, c.of.key.Session)
			c.do(now, of(c.of))
		}
		for _, p := range waiting {
			of(p).Ask(now, turn.Ticket{Key: p.key, Event: p.event, Process: l.self, Waiter: l.self, Budget: l.Rules.Budget, Print: l.Print})
		}
		for class, pool := range pools {
			l.plan(pool, class, waiting, now, pool.Admit(now, l.Rules))
		}
		return nil
	})
	var corrupt *lockfile.CorruptError
	if errors.As(err, &corrupt) {
		l.Store.Log("%v", corrupt)
		err = nil
	}
	if l.view != nil {
		l.view.Close()
	}
	l.view = v
	if err == nil {
		l.begun = true
		return
	}
	l.unusable(err.Error(), todo, waiting)
}

// unusable lets all calls go without turns. The next one that comes tries again.
func (l *line) unusable(why string, todo []change, waiting []*place) {
	if l.view != nil {
		l.view.Close()
		l.view = nil // may be half changed
	}
	l.log(why + "; calls go without turns")
	l.mu.Lock()
	for _, c := range todo {
		c.of.broken = true
	}
	l.mu.Unlock()
	l.fail(waiting, errBroken)
}

// log writes what is wrong, once until it is something else.
func (l *line) log(text string) {
	l.mu.Lock()
	news := text != l.logged
	l.logged = text
	l.mu.Unlock()
	if news {
		l.Store.Log("gateway: %s", text)
	}
}

// fail lets the calls go without a turn.
func (l *line) fail(waiting []*place, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range waiting {
		if _, ok := l.waiting[p]; ok {
			delete(l.waiting, p)
			p.granted <- err
		}
	}
}

// grant lets go who has the turn and returns the others.
func (l *line) grant(waiting []*place) (rest []*place) {
	if l.view == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range waiting {
		if _, ok := l.waiting[p]; !ok {
			continue
		}
		if l.pool(l.view.State, p.class).Granted(p.key, p.event) {
			delete(l.waiting, p)
			p.granted <- nil
			continue
		}
		rest = append(rest, p)
	}
	return rest
}

// sleep blocks until there may be something to do. Where nobody waits only a call can bring something.
func (l *line) sleep(ctx context.Context, waiting []*place) {
	if len(waiting) == 0 {
		<-ctx.Done()
		return
	}
	until := time.Now().Add(time.Minute)
	for _, p := range waiting {
		if at := l.act[p.class]; at.Before(until) {
			until = at
		}
	}
	if l.watch == nil {
		l.watch = l.Store.Watch()
	}
	if !l.watch.Wait(ctx, l.view, until, poll) {
		return
	}
	v, _ := l.Store.View() // none: the next change under the lock sets it right, or tells what is wrong
	l.view.Close()
	l.view = v
	clear(l.act) // places and times are others now
}

// remember asks alive only once about each process.
func remember(alive func(turn.Process) bool) func(turn.Process) bool {
	known := make(map[turn.Process]bool)
	return func(p turn.Process) bool {
		is, ok := known[p]
		if !ok {
			is = alive(p)
			known[p] = is
		}
		return is
	}
}
