package turn

import (
	"slices"
	"time"
)

// Ticket is a place in the queue.
type Ticket struct {
	Key
	// Event identifies the hook event that asks: delivered twice, it is one ticket.
	Event   string    `json:"event,omitempty"`
	Process Process   `json:"process,omitzero"` // Claude Code
	Waiter  Process   `json:"waiter,omitzero"`  // who waits for the turn: a hook, or the gateway
	Since   time.Time `json:"since,omitzero"`
	// Seen is the last sign of life of a waiter, for those that can't look at it. It is old on purpose.
	Seen time.Time `json:"seen,omitzero"`
	// Paced says that the policy made the call wait: only such calls tell that the pace could be higher.
	Paced bool `json:"paced,omitempty"`
	// Rejected is how often in a row the call came back to the line (gateway).
	Rejected int    `json:"rejected,omitempty"`
	Budget   Budget `json:"budget,omitzero"` // of the session's own rules
	// Print says that nobody sits before the session (-p).
	Print bool `json:"print,omitempty"`
	// Mute says that nothing tells when a call of the key is rejected, but that it is made again.
	Mute bool `json:"mute,omitempty"`
	// Class is that of the session's model, where the pool does not tell calls apart by it; empty: not known.
	Class string `json:"class,omitempty"`
}

// Ask joins the end of the queue. An event that stands there already keeps its place (and takes the new waiter), and
// one that holds a turn gets no second; so whoever waits may ask again at will. A turn that the same key still holds
// from another event, or from the same prompt when that was put to the model already, is given back first, with its
// announced retry: that call was interrupted, and Esc fires no hook (seen on 2.1.330).
func (p *Pool) Ask(now time.Time, t Ticket) {
	now = p.advance(now)
	p.budgeted(now, t.Budget)
	for i := range p.Queue {
		if q := &p.Queue[i]; q.Key == t.Key && q.Event == t.Event {
			q.Process, q.Waiter, q.Budget = t.Process, t.Waiter, t.Budget
			p.renew(now, t.Waiter.Host)
			return
		}
	}
	if g := p.grant(t.Key); g != nil && g.Event == t.Event && !g.Put || p.takeOver(now, t) {
		return
	}
	p.orphan(now, func(r Retry) bool { return r.Key == t.Key })
	p.drop(t.Key)
	p.account().over(now, t.Key)
	t.Since, t.Seen, t.Paced, t.Rejected = now, now, false, 0
	p.Queue = append(p.Queue, t)
}

// Admit gives turns to the first in line for as long as the rules, the budget, the cool-down and the pace allow it. It
// returns when to call again; a zero time says that only an event can change anything.
func (p *Pool) Admit(now time.Time, r Rules) (next time.Time) {
	now = p.advance(now)
	for _, other := range p.family() { // whose cool-downs hold here too
		if other.SetBack(now) {
			other.advance(now)
		}
	}
	for len(p.Queue) > 0 {
		first, open := p.first(now, r)
		if first < 0 {
			return open
		}
		if r.Most > 0 && len(p.Grants) >= r.Most {
			return p.lapses(now)
		}
		t := p.Queue[first]
		until, ok := p.cools(now, t)
		if !ok {
			until, ok = p.wait(now)
		}
		cost := p.cost(t.Key)
		if t.Rejected == 0 { // else the server said when it fits
			if at := p.Tokens.afford(now, cost); at.After(now) && !(ok && until.After(at)) {
				until, ok = at, true
			}
		}
		if ok {
			p.Queue[first].Paced = true
			return ceil(until)
		}
		p.Queue = slices.Delete(p.Queue, first, first+1)
		p.passed(t, r)
		p.Grants = append(p.Grants, Grant{Key: t.Key, Event: t.Event, Process: t.Process, Waiter: t.Waiter, At: now, Seen: now,
			Rejected: t.Rejected, Budget: t.Budget, Print: t.Print, Taken: cost, Woken: t.Event == WakeEvent})
		p.Tokens.take(cost)
		p.caller(t.Key).Mute = t.Mute
		p.send(Try{Key: t.Key, At: now, Paced: t.Paced, Exact: t.Waiter == t.Process}) // a gateway, which sends at once
	}
	return time.Time{}
}

// cools says until when a cool-down holds the ticket, if one does: the pool's, and what is known of the same limit by
// those whose calls are told apart by class, or are not.
func (p *Pool) cools(now time.Time, t Ticket) (until time.Time, ok bool) {
	until, ok = p.CoolDown.holds(now)
	later := func(at time.Time, holds bool) {
		if holds && (!ok || at.After(until)) {
			until, ok = at, true
		}
	}
	if p.base != nil {
		later(p.base.CoolDown.holds(now))
		later(p.base.announced(now))
	}
	for _, c := range p.classes {
		if t.Class == "" || t.Class == c.class {
			later(c.CoolDown.holds(now))
		}
	}
	return until, ok
}

// first is who goes first in line of those whom gap and budget let go, and who are not to be woken after another, else
// when there is one. Who waits for a gap of his own or to be woken holds nobody else back; who waits for the budget holds
// those back who would take it away.
func (p *Pool) first(now time.Time, r Rules) (i int, open time.Time) {
	short, waking := false, p.waking()
	for _, i := range p.order(r) {
		t := p.Queue[i]
		until := p.gap(t, r)
		if t.Event == WakeEvent {
			until = latest(until, waking)
		}
		if !until.After(now) && t.Budget != (Budget{}) {
			if short {
				continue
			}
			until, short = p.spent(now, t)
		}
		if !until.After(now) {
			return i, time.Time{}
		}
		if open.IsZero() || until.Before(open) {
			open = until
		}
	}
	return -1, ceil(open)
}

// gap is until when the gap holds the ticket.
func (p *Pool) gap(t Ticket, r Rules) time.Time {
	var last time.Time
	for _, c := range p.Callers {
		if c.Session == t.Session && c.Sent.After(last) {
			last = c.Sent
		}
	}
	if r.Gap <= 0 || last.IsZero() {
		return time.Time{}
	}
	return last.Add(r.Gap)
}

// Granted reports whether the event holds the turn it asked for.
func (p *Pool) Granted(k Key, event string) bool {
	return slices.ContainsFunc(p.Grants, func(g Grant) bool { return g.Key == k && g.Event == event })
}

// Line returns the queue in the order in which turns will be given by the rules, as far as it is known: who waits for a gap
// of his own, or to be woken, is passed by those behind.
func (p *Pool) Line(r Rules) []Ticket {
	if !r.Interactive {
		return p.Queue
	}
	var line []Ticket
	for rest := (Pool{Queue: slices.Clone(p.Queue), Ahead: p.Ahead}); len(rest.Queue) > 0; {
		i := rest.order(r)[0]
		line = append(line, rest.Queue[i])
		rest.Queue = slices.Delete(rest.Queue, i, i+1)
		rest.passed(line[len(line)-1], r)
	}
	return line
}

// Waits reports whether the key stands in the line.
func (p *Pool) Waits(k Key) bool {
	return slices.ContainsFunc(p.Queue, func(t Ticket) bool { return t.Key == k })
}

// Place is where the key stands in the line; 1 is the first.
func (p *Pool) Place(k Key, r Rules) (place int, ok bool) {
	i := slices.IndexFunc(p.Line(r), func(t Ticket) bool { return t.Key == k })
	return i + 1, i >= 0
}

// Withdraw takes back what the event asked for: the waiter gave up (Esc, SIGTERM). A turn that it was just given and
// did not use goes back, and with it what the call was to take from the pace.
func (p *Pool) Withdraw(k Key, event string) {
	p.Queue = slices.DeleteFunc(p.Queue, func(t Ticket) bool { return t.Key == k && t.Event == event })
	i := slices.IndexFunc(p.Grants, func(g Grant) bool { return g.Key == k && g.Event == event })
	if i < 0 {
		return
	}
	p.Tokens.take(Costs{-p.Grants[i].Taken.Input, -p.Grants[i].Taken.Output})
	p.Grants = slices.Delete(p.Grants, i, i+1)
	p.unuse(k)
}

// unuse gives the pace back what a call took that was not made.
func (p *Pool) unuse(k Key) {
	if c := p.caller(k); c.Owed > 0 {
		p.account().never(k)
		p.Pace.unsend(k, c.Sent)
		p.Pace.Level = min(1, p.Pace.Level+1)
		c.Owed--
	}
}
