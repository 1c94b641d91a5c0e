package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/turn"
)

// place is one call to the model. Its methods return at once, except wait; what they tell is told in their order.
type place struct {
	line.Place
	gate    *gate
	goes    chan error // holds one
	sent    bool
	gone    atomic.Bool
	account string // gate's goroutine; empty: nothing of it was told yet
}

// join gives a call its name: the session's, the agent's, and a number where they have several calls at once.
func (g *gate) join(session, agent, class string) *place {
	if session == "" {
		session = g.self.String()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	k := turn.Key{Session: session, Agent: agent, Class: class}
	for n := 2; g.live[k] != nil; n++ {
		k.Agent = agent + "#" + strconv.Itoa(n)
	}
	g.events++
	p := &place{gate: g, goes: make(chan error, 1)}
	p.Call = turn.Call{Key: k, Event: fmt.Sprintf("gateway-%d-%d", g.self.PID, g.events), Process: g.self, Waiter: g.self,
		Rules: g.Rules, Print: g.Print, News: turn.AtOnce}
	p.Account = func(s *turn.State) (a *turn.Account) {
		p.account, a = g.account(s)
		return a
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
	var until time.Time
	guard.Run(func() {
		_, a := p.gate.account(v.State)
		until = a.CoolsUntil(now, p.Call.Class)
	}, p.gate.log)
	return max(0, until.Sub(now))
}

// tell hands over what is to be told of the place.
func (p *place) tell(do func(now time.Time, a *turn.Account)) {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.pending = append(g.pending, change{of: p, do: do})
	g.interrupt()
}

// heard tells when the call was sent and what the headers of the answer say.
func (p *place) heard(sent time.Time, l limit.Headers) func(now time.Time, a *turn.Account) {
	p.sent = true
	return func(now time.Time, a *turn.Account) {
		a.Sent(now, p.Call.Key, sent)
		a.Headers(now, p.Call.Key, l)
	}
}

// accepted: the server answers the call.
func (p *place) accepted(sent time.Time, l limit.Headers) {
	heard := p.heard(sent, l)
	p.tell(func(now time.Time, a *turn.Account) {
		heard(now, a)
		a.Accepted(now, p.Call.Key)
	})
}

// rejected: the call goes back to the head of the line, and all wait what the server said.
func (p *place) rejected(retryAfter time.Duration, status int, sent time.Time, l limit.Headers) {
	p.sent = false // what comes next is another try
	p.tell(func(now time.Time, a *turn.Account) {
		a.Sent(now, p.Call.Key, sent)
		if a.Rejected(now, p.Call.Key, turn.Rejection{In: retryAfter, Limit: status == http.StatusTooManyRequests, Headers: l}) {
			said := fmt.Sprintf("say that %g of %g requests a minute remain", l.Requests.Remaining, l.Requests.Limit)
			if l == (limit.Headers{}) {
				said = "of the last answer said that there was room"
			}
			p.gate.log("a call was rejected though the headers " + said + "; rejections count from here on")
		}
	})
}

// limited: the call was rejected, and Claude Code is told so.
func (p *place) limited(until time.Time, why string, sent time.Time, l limit.Headers) {
	heard := p.heard(sent, l)
	p.tell(func(now time.Time, a *turn.Account) {
		heard(now, a)
		a.Died(now, p.Call.Key, turn.Death{At: now, Limit: why, Lifts: !until.IsZero(), Reset: until})
	})
}

// used: the answer says what it took so far.
func (p *place) used(u *usage) {
	took := limit.Costs{Input: u.input, Output: u.output}
	p.tell(func(now time.Time, a *turn.Account) { a.Used(now, p.Call.Key, now, took) })
}

// alive: the answer grows.
func (p *place) alive() {
	p.tell(func(now time.Time, a *turn.Account) { a.SeenAlive(now, p.Call.Key) })
}

// answered: the call was answered, to its end or to that of who asked.
func (p *place) answered() {
	p.tell(func(now time.Time, a *turn.Account) { a.Succeeded(now, p.Call.Key) })
}

// leave gives back what the place has left, and its name: whoever comes next by that is told of later.
func (p *place) leave() {
	p.giveBack()
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if p.gate.live[p.Call.Key] == p {
		delete(p.gate.live, p.Call.Key)
	}
}

// giveBack gives back what the place has left: the turn, or the place in line.
func (p *place) giveBack() {
	if p.gone.Swap(true) {
		return
	}
	do := p.free
	if p.sent {
		do = func(now time.Time, a *turn.Account) { a.Ended(now, p.Call.Key) }
	}
	p.tell(do)
}

// free gives back the place in line and the turn, used or not.
func (p *place) free(now time.Time, a *turn.Account) {
	a.Withdraw(now, p.Call.Key, p.Call.Event)
	a.Ended(now, p.Call.Key)
}
