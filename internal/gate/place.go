package gate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/turn"
)

// Place is one call to the model. Its methods return at once, except Wait; what they tell is told in their order.
type Place struct {
	line.Place
	Death    turn.Death // by which limit it died
	TooLarge TooLarge   // why it never fits
	gate     *Gate
	goes     chan error // holds one
	sent     bool
	gone     atomic.Bool
	account  string // gate's goroutine; empty: nothing of it was told yet
}

// Join makes a place for a call, of which the caller gives the key, what it knows of its size and rank, and, where another process
// joins too, its event. It gets a name of its own: the session's, the agent's, and a number where they have several calls at
// once. Whoever joins leaves.
func (g *Gate) Join(c turn.Call) *Place {
	c.Session = cmp.Or(c.Session, g.self.String())
	g.mu.Lock()
	defer g.mu.Unlock()
	agent := c.Agent
	for n := 2; g.live[c.Key] != nil; n++ {
		c.Agent = agent + "#" + strconv.Itoa(n)
	}
	g.events++
	c.Event = cmp.Or(c.Event, fmt.Sprintf("%s-%d-%d", g.Name, g.self.PID, g.events))
	c.Process, c.Waiter, c.Rules, c.Print, c.News = g.Process, g.self, g.Rules, g.Print, cmp.Or(c.News, turn.AtOnce)
	p := &Place{gate: g, goes: make(chan error, 1)}
	p.Call = c
	p.Account = func(s *turn.State) (a *turn.Account) {
		p.account, a = g.Account(s)
		return a
	}
	g.live[c.Key] = p
	return p
}

// Wait blocks until the call has the turn. An error says that it has none: ctx ended, the call was given back before, it is too
// large for its limit, or the state can't be used.
func (p *Place) Wait(ctx context.Context) error {
	g := p.gate
	if p.seemsTooLarge() {
		return errTooLarge
	}
	g.mu.Lock()
	if g.closed || p.gone.Load() {
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

// Cooling is how long nobody may start.
func (p *Place) Cooling() (left time.Duration) {
	p.gate.Look(func(now time.Time, a *turn.Account) { left = max(0, a.CoolsUntil(now, p.Call.Class).Sub(now)) })
	return left
}

// KeptBack returns until when the call is kept back for people; zero: it is not.
func (p *Place) KeptBack() (until time.Time) {
	p.gate.Look(func(now time.Time, a *turn.Account) { until = a.KeptBack(now, &p.Call) })
	return until
}

// Held says for a person where the call stands in line, and how long a limit holds all.
func (p *Place) Held() (text string) {
	p.gate.Look(func(now time.Time, a *turn.Account) {
		line := a.Line(p.Call.Class)
		text = "sending"
		if i := slices.IndexFunc(line, func(c *turn.Call) bool { return c.Key == p.Call.Key }); i >= 0 {
			text = fmt.Sprintf("turn %d of %d", i+1, len(line))
		}
		until := a.CoolsUntil(now, p.Call.Class)
		if h, held := a.Held(now, p.Call.Key); held && len(line) > 0 && line[0].Key == p.Call.Key {
			until = turn.Latest(until, h.Until)
		}
		if !until.IsZero() {
			text += ", limit " + Left(until.Sub(now))
		}
	})
	return text
}

// Left is how long something lasts, for a person.
func Left(d time.Duration) string {
	if d >= 10*time.Minute {
		return "until " + time.Now().Add(d).Format("Mon 15:04")
	}
	return fmt.Sprintf("%d s", int(math.Ceil(max(0, d.Seconds()))))
}

// tell hands over what is to be told of the place.
func (p *Place) tell(do func(now time.Time, s *turn.State, a *turn.Account)) {
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
func (p *Place) heard(sent time.Time, s said) func(now time.Time, a *turn.Account) {
	p.sent = true
	return func(now time.Time, a *turn.Account) {
		a.Sent(now, p.Call.Key, sent)
		a.Headers(now, p.Call.Key, s.limits)
		a.Windowed(now, sent, s.windows)
		s.of(a)
	}
}

// of notes whose the account is.
func (s said) of(a *turn.Account) { a.Organization = cmp.Or(s.organization, a.Organization) }

// accepted: the server answers the call.
func (p *Place) accepted(sent time.Time, s said) {
	heard := p.heard(sent, s)
	p.tell(func(now time.Time, _ *turn.State, a *turn.Account) {
		heard(now, a)
		a.Accepted(now, p.Call.Key)
	})
}

// rejected: the call goes back to the head of the line, and all wait what the server said.
func (p *Place) rejected(r turn.Rejection, sent time.Time, s said) {
	p.sent = false // what comes next is another try
	p.tell(func(now time.Time, _ *turn.State, a *turn.Account) {
		a.Sent(now, p.Call.Key, sent)
		a.Windowed(now, sent, s.windows)
		s.of(a)
		if a.Rejected(now, p.Call.Key, r) {
			said := fmt.Sprintf("say that %g of %g requests a minute remain", r.Headers.Requests.Remaining, r.Headers.Requests.Limit)
			if r.Headers == (limit.Headers{}) {
				said = "of the last answer said that there was room"
			}
			p.gate.Log("a call was rejected though the headers " + said + "; rejections count from here on")
		}
	})
}

// died: the call was rejected, and Claude Code is told so.
func (p *Place) died(sent time.Time, s said) {
	heard, d := p.heard(sent, s), p.Death
	p.tell(func(now time.Time, _ *turn.State, a *turn.Account) {
		heard(now, a)
		a.Died(now, p.Call.Key, d)
	})
}

// Died says that the turn of the call died, as somebody else tells.
func (p *Place) Died(d turn.Death) {
	p.Death = d
	p.tell(func(now time.Time, _ *turn.State, a *turn.Account) { a.Died(now, p.Call.Key, d) })
}

// Marked says that the call was rejected, and that Claude Code makes it again by itself.
func (p *Place) Marked() {
	at := time.Now()
	p.tell(func(now time.Time, _ *turn.State, a *turn.Account) { a.Marked(now, p.Call.Key, at) })
}

// Used says what the call took so far.
func (p *Place) Used(took limit.Costs) {
	p.tell(func(now time.Time, _ *turn.State, a *turn.Account) { a.Used(now, p.Call.Key, now, took) })
}

// Adds says how many tokens the call adds to its conversation, which waits.
func (p *Place) Adds(fresh float64) {
	p.tell(func(_ time.Time, _ *turn.State, a *turn.Account) { a.Adds(p.Call.Key, p.Call.Event, fresh) })
}

// Grows says that its answer grows.
func (p *Place) Grows() {
	p.tell(func(now time.Time, _ *turn.State, a *turn.Account) { a.SeenAlive(now, p.Call.Key) })
}

// Answered says that the call was answered, to its end or to that of who asked.
func (p *Place) Answered() {
	p.tell(func(now time.Time, s *turn.State, a *turn.Account) {
		if one := s.Sessions[p.Call.Session]; one != nil && p.Call.Agent == "" {
			one.GoesOn(now, a, p.Call.Key)
		}
		a.Succeeded(now, p.Call.Key)
	})
}

// Leave gives back what the place has left, and its name: whoever comes next by that is told of later.
func (p *Place) Leave() {
	p.GiveBack()
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if p.gate.live[p.Call.Key] == p {
		delete(p.gate.live, p.Call.Key)
	}
}

// Detach leaves what the place has to another process, which joins with the same key and event: the turn stays.
func (p *Place) Detach() {
	p.gone.Store(true)
	p.Leave()
}

// GiveBack gives back what the place has left, the turn or the place in line, and keeps its name: what is told of it from now on
// is of no other call. Who waits for it stands in line no more, but waits until its ctx ends.
func (p *Place) GiveBack() {
	if p.gone.Swap(true) {
		return
	}
	p.gate.mu.Lock()
	delete(p.gate.waiting, p) // or it would ask for its turn again, after that
	p.gate.mu.Unlock()
	do := p.free
	if p.sent {
		do = func(now time.Time, _ *turn.State, a *turn.Account) { a.Ended(now, p.Call.Key) }
	}
	p.tell(do)
}

// free gives back the place in line and the turn, used or not.
func (p *Place) free(now time.Time, _ *turn.State, a *turn.Account) {
	a.Withdraw(now, p.Call.Key, p.Call.Event)
	a.Ended(now, p.Call.Key)
}
