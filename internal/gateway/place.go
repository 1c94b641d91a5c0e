package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/turn"
)

// place is one call to the model. Its methods return at once, except wait; what they tell is told in their order.
type place struct {
	line    *line
	key     turn.Key
	event   string
	class   string
	granted chan error // holds one
	sent    bool
	gone    bool
	broken  bool // line.mu: what was to be told could not be
}

// join gives a call its name: the session's, the agent's, and a number where they have several calls at once.
func (l *line) join(session, agent, class string) *place {
	if session == "" {
		session = l.self.String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := turn.Key{Session: session, Agent: agent}
	for n := 2; l.live[k] != nil; n++ {
		k.Agent = agent + "#" + strconv.Itoa(n)
	}
	l.events++
	p := &place{line: l, key: k, class: class, granted: make(chan error, 1),
		event: fmt.Sprintf("gateway-%d-%d", l.self.PID, l.events)}
	l.live[k] = p
	return p
}

// wait blocks until the call has the turn. An error says that it has none: ctx ended, or the state can't be used.
func (p *place) wait(ctx context.Context) error {
	l := p.line
	l.mu.Lock()
	switch {
	case l.closed:
		l.mu.Unlock()
		return errClosed
	case p.broken:
		l.mu.Unlock()
		return errBroken
	}
	l.waiting[p] = false
	l.interrupt()
	l.mu.Unlock()
	select {
	case err := <-p.granted:
		return err
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.waiting, p)
		l.mu.Unlock()
		return ctx.Err()
	}
}

// cooling is how long nobody may start.
func (p *place) cooling() time.Duration {
	v, err := p.line.Store.View()
	if err != nil {
		return 0 // then nobody waits
	}
	defer v.Close()
	now := time.Now()
	until := now
	guard.Run(func() {
		if at, ok := p.line.pool(v.State, p.class).Cooling(now); ok {
			until = at
		}
	}, p.line.log)
	return until.Sub(now)
}

// tell hands over what is to be told of the place.
func (p *place) tell(do func(now time.Time, pool *turn.Pool)) {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.todo = append(l.todo, change{p, do})
	l.interrupt()
}

// heard tells when the call was sent and what the headers of the answer say.
func (p *place) heard(sent time.Time, l turn.Limits) func(now time.Time, pool *turn.Pool) {
	p.sent = true
	return func(now time.Time, pool *turn.Pool) {
		pool.Sent(now, p.key, sent)
		pool.Headers(now, p.key, sent, l)
	}
}

// accepted: the server answers the call.
func (p *place) accepted(sent time.Time, l turn.Limits) {
	heard := p.heard(sent, l)
	p.tell(func(now time.Time, pool *turn.Pool) {
		heard(now, pool)
		pool.Accepted(now, p.key)
	})
}

// rejected: the call goes back to the head of the line, and all wait what the server said.
func (p *place) rejected(retryAfter time.Duration, status int, sent time.Time, l turn.Limits) {
	p.sent = false // what comes next is another try
	p.tell(func(now time.Time, pool *turn.Pool) {
		pool.Sent(now, p.key, sent)
		if pool.Rejected(now, p.key, turn.Rejection{Sent: sent, In: retryAfter, Limit: status == http.StatusTooManyRequests, Limits: l}) {
			said := fmt.Sprintf("say that %g of %g requests a minute remain", l.Requests.Remaining, l.Requests.Limit)
			if l == (turn.Limits{}) {
				said = "of the last answer said that there was room"
			}
			p.line.log("a call was rejected though the headers " + said + "; rejections count from here on")
		}
	})
}

// limited: the call was rejected, and Claude Code is told so.
func (p *place) limited(until time.Time, why string, sent time.Time, l turn.Limits) {
	heard := p.heard(sent, l)
	p.tell(func(now time.Time, pool *turn.Pool) {
		heard(now, pool)
		pool.Ended(now, p.key)
		if !until.IsZero() {
			pool.Limited(now, until, why)
		}
	})
}

// used: the answer says what it took so far.
func (p *place) used(u *usage) {
	took := turn.Costs{Input: u.input, Output: u.output}
	p.tell(func(now time.Time, pool *turn.Pool) { pool.Used(now, p.key, now, took) })
}

// alive: the answer grows.
func (p *place) alive() {
	p.tell(func(now time.Time, pool *turn.Pool) { pool.SeenAlive(now, p.key) })
}

// answered: the call was answered, to its end or to that of who asked.
func (p *place) answered() {
	p.tell(func(now time.Time, pool *turn.Pool) { pool.Succeeded(now, p.key) })
}

// leave gives back what the place has left: the turn, or the place in line.
func (p *place) leave() {
	if p.gone {
		return
	}
	p.gone = true
	sent := p.sent
	p.tell(func(now time.Time, pool *turn.Pool) {
		if !sent {
			pool.Withdraw(p.key, p.event)
		}
		pool.Ended(now, p.key)
		p.line.mu.Lock()
		delete(p.line.live, p.key)
		p.line.mu.Unlock()
	})
}
