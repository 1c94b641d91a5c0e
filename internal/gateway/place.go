package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/line"
	"afteryou/internal/turn"
)

// place is one call to the model. Its methods return at once, except wait; what they tell is told in their order.
type place struct {
	line.Place
	gate   *gate
	class  string
	goes   chan error // holds one
	sent   bool
	gone   atomic.Bool
	poolID string // gate's goroutine; empty: nothing of it was told yet
}

// join gives a call its name: the session's, the agent's, and a number where they have several calls at once.
func (g *gate) join(session, agent, class string) *place {
	if session == "" {
		session = g.self.String()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	k := turn.Key{Session: session, Agent: agent}
	for n := 2; g.live[k] != nil; n++ {
		k.Agent = agent + "#" + strconv.Itoa(n)
	}
	g.events++
	p := &place{gate: g, class: class, goes: make(chan error, 1)}
	p.Ticket = turn.Ticket{Key: k, Event: fmt.Sprintf("gateway-%d-%d", g.self.PID, g.events), Process: g.self, Waiter: g.self,
		Budget: g.Rules.Budget, Print: g.Print}
	p.Pool = func(s *turn.State) (pool *turn.Pool) {
		p.poolID, pool = g.pool(s, class)
		return pool
	}
	g.live[k] = p
	return p
}

// wait blocks until the call has the turn. An error says that it has none: ctx ended, or the state can't be used.
func (p *place) wait(ctx context.Context) error {
	g := p.gate
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return errClosed
	}
	g.waiting[p] = false
	g.interrupt()
	g.mu.Unlock()
	select {
	case err := <-p.goes:
		return err
	case <-ctx.Done():
		g.mu.Lock()
		delete(g.waiting, p)
		g.mu.Unlock()
		return ctx.Err()
	}
}

// cooling is how long nobody may start.
func (p *place) cooling() time.Duration {
	v, err := p.gate.Store.View()
	if err != nil {
		return 0 // then nobody waits
	}
	defer v.Close()
	now := time.Now()
	until := now
	guard.Run(func() {
		_, pool := p.gate.pool(v.State, p.class)
		if at, ok := pool.Cooling(now); ok {
			until = at
		}
	}, p.gate.log)
	return until.Sub(now)
}

// tell hands over what is to be told of the place.
func (p *place) tell(do func(now time.Time, pool *turn.Pool)) {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.untold = append(g.untold, change{of: p, do: do})
	g.interrupt()
}

// heard tells when the call was sent and what the headers of the answer say.
func (p *place) heard(sent time.Time, l turn.Limits) func(now time.Time, pool *turn.Pool) {
	p.sent = true
	return func(now time.Time, pool *turn.Pool) {
		pool.Sent(now, p.Ticket.Key, sent)
		pool.Headers(now, p.Ticket.Key, sent, l)
	}
}

// accepted: the server answers the call.
func (p *place) accepted(sent time.Time, l turn.Limits) {
	heard := p.heard(sent, l)
	p.tell(func(now time.Time, pool *turn.Pool) {
		heard(now, pool)
		pool.Accepted(now, p.Ticket.Key)
	})
}

// rejected: the call goes back to the head of the line, and all wait what the server said.
func (p *place) rejected(retryAfter time.Duration, status int, sent time.Time, l turn.Limits) {
	p.sent = false // what comes next is another try
	p.tell(func(now time.Time, pool *turn.Pool) {
		pool.Sent(now, p.Ticket.Key, sent)
		if pool.Rejected(now, p.Ticket.Key, turn.Rejection{Sent: sent, In: retryAfter, Limit: status == http.StatusTooManyRequests, Limits: l}) {
			said := fmt.Sprintf("say that %g of %g requests a minute remain", l.Requests.Remaining, l.Requests.Limit)
			if l == (turn.Limits{}) {
				said = "of the last answer said that there was room"
			}
			p.gate.log("a call was rejected though the headers " + said + "; rejections count from here on")
		}
	})
}

// limited: the call was rejected, and Claude Code is told so.
func (p *place) limited(until time.Time, why string, sent time.Time, l turn.Limits) {
	heard := p.heard(sent, l)
	p.tell(func(now time.Time, pool *turn.Pool) {
		heard(now, pool)
		pool.Ended(now, p.Ticket.Key)
		if !until.IsZero() {
			pool.Limited(now, until, why)
		}
	})
}

// used: the answer says what it took so far.
func (p *place) used(u *usage) {
	took := turn.Costs{Input: u.input, Output: u.output}
	p.tell(func(now time.Time, pool *turn.Pool) { pool.Used(now, p.Ticket.Key, now, took) })
}

// alive: the answer grows.
func (p *place) alive() {
	p.tell(func(now time.Time, pool *turn.Pool) { pool.SeenAlive(now, p.Ticket.Key) })
}

// answered: the call was answered, to its end or to that of who asked.
func (p *place) answered() {
	p.tell(func(now time.Time, pool *turn.Pool) { pool.Succeeded(now, p.Ticket.Key) })
}

// leave gives back what the place has left: the turn, or the place in line.
func (p *place) leave() {
	if p.gone.Swap(true) {
		return
	}
	do := p.free
	if p.sent {
		do = func(now time.Time, pool *turn.Pool) { pool.Ended(now, p.Ticket.Key) }
	}
	p.tell(do)
	p.gate.mu.Lock()
	delete(p.gate.live, p.Ticket.Key) // whoever comes next by that name is told of later
	p.gate.mu.Unlock()
}

// free gives back the place in line and the turn, used or not.
func (p *place) free(now time.Time, pool *turn.Pool) {
	pool.Withdraw(p.Ticket.Key, p.Ticket.Event)
	pool.Ended(now, p.Ticket.Key)
}
