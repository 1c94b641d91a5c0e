package turn

import (
	"slices"
	"time"
)

const (
	// lease is how long a turn outlives the last sign of life of whoever holds it. Claude Code's transcript grows
	// with every row of an answer; 2 minutes of silence in a call were never seen (2.1.330 aborts at 5).
	lease = 2 * time.Minute
	// quiet is how long a pool must send nothing for its pace to be forgotten.
	quiet = 10 * time.Minute
)

// Grant is a turn that was given: one call to the model, its retries by Claude Code included.
type Grant struct {
	Key
	Event    string    `json:"event,omitempty"`
	Process  Process   `json:"process,omitzero"`
	Waiter   Process   `json:"waiter,omitzero"`
	At       time.Time `json:"at,omitzero"`
	Seen     time.Time `json:"seen,omitzero"`      // last sign of life
	Rejected int       `json:"rejected,omitempty"` // as in Ticket
	Budget   Budget    `json:"budget,omitzero"`
	Print    bool      `json:"print,omitempty"`
	// Taken is what the mirrored buckets gave for it and may get back.
	Taken Costs `json:"taken,omitzero"`
	Woken bool  `json:"woken,omitempty"` // given to wake the session
	// Put says that the prompt it was given for was put to the model: the same event is another prompt from then on.
	Put bool `json:"put,omitempty"`
}

// Put says that a prompt of the key was put to the model, which its hooks have all let pass.
func (p *Pool) Put(k Key) {
	if g := p.grant(k); g != nil {
		g.Put = true
	}
}

// Succeeded says that the key's call was answered: the turn is given back, and the call counts as accepted.
func (p *Pool) Succeeded(now time.Time, k Key) {
	now = p.advance(now)
	if g := p.grant(k); g != nil {
		p.caller(k).Taken = g.Taken
	}
	p.drop(k)
	p.account().over(now, k)
	p.confirmKey(now, k)
	if p.CoolDown.Times > 0 && !p.CoolDown.Until.After(now) {
		p.CoolDown = CoolDown{}
	}
}

// Ended says that the key's call is over without an answer (StopFailure, SessionEnd, an interrupt): the turn is given
// back, Claude Code tries no more, and whether the server accepted the call nobody knows.
func (p *Pool) Ended(now time.Time, k Key) {
	now = p.advance(now)
	p.orphan(now, func(r Retry) bool { return r.Key == k })
	p.drop(k)
	p.account().over(now, k)
	p.Pace.abandon(k)
}

// drop takes the key's turn and announced retry away.
func (p *Pool) drop(k Key) {
	p.Grants = slices.DeleteFunc(p.Grants, func(g Grant) bool { return g.Key == k })
	p.Retries = slices.DeleteFunc(p.Retries, func(r Retry) bool { return r.Key == k })
}

// SeenAlive renews the key's lease: its transcript grew.
func (p *Pool) SeenAlive(now time.Time, k Key) {
	p.seen(p.advance(now), k)
}

func (p *Pool) seen(at time.Time, k Key) {
	if g := p.grant(k); g != nil && at.After(g.Seen) {
		g.Seen = at
	}
}

// Sweep clears away what nobody will come back for: tickets whose waiter or session is gone, or whose waiter can't be looked at
// and gave no sign of life for a lease; turns whose session is gone or whose lease lapsed; announced retries of sessions
// that are gone; and what was learned before the pool fell quiet. It is for whoever has the pool in hand anyway, before
// Admit.
func (p *Pool) Sweep(now time.Time, alive func(Process) bool) {
	now = p.advance(now)
	p.Queue = slices.DeleteFunc(p.Queue, func(t Ticket) bool {
		return !lives(t.Process, alive) || !lives(t.Waiter, alive) || p.elsewhere(t.Waiter) && now.Sub(t.Seen) > lease
	})
	p.orphan(now, func(r Retry) bool { return !lives(r.Process, alive) })
	for _, g := range slices.Clone(p.Grants) { // who did not wake up made no call
		if g.Event == WakeEvent && !p.lapse(g).After(now) {
			p.Withdraw(g.Key, g.Event)
		}
	}
	p.Grants = slices.DeleteFunc(p.Grants, func(g Grant) bool {
		return !lives(g.Process, alive) || !p.lapse(g).After(now)
	})
	p.Callers = slices.DeleteFunc(p.Callers, func(c Caller) bool {
		return now.Sub(c.Sent) > quiet && now.Sub(c.Rejected) > quiet
	})
	p.account().tidy(now)
	if p.CoolDown.Times > 0 && now.Sub(p.CoolDown.Until) > quiet {
		p.CoolDown = CoolDown{}
	}
	if left := p.Usage.Until.Sub(now); p.Usage != (Usage{}) && (left <= 0 || left > longest) {
		p.Usage = Usage{}
	}
}

// lapse is when the grant ends by itself: a lease after the last sign of life, and not while Claude Code waits for a
// retry it announced, unless that is a usage limit's. One to wake a session is soon taken over, or was in vain.
func (p *Pool) lapse(g Grant) time.Time {
	if g.Event == WakeEvent {
		return g.At.Add(wakeLease)
	}
	at := g.Seen
	for _, r := range p.Retries {
		if r.Key == g.Key && !r.long() && r.due().After(at) {
			at = r.due()
		}
	}
	return at.Add(lease)
}

// lapses is the first of the grants' ends: when Sweep may make room.
func (p *Pool) lapses(now time.Time) (first time.Time) {
	for _, g := range p.Grants {
		if at := p.lapse(g); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if !first.After(now) { // nobody swept: say so at once, but do not make the caller spin
		return now.Add(time.Second)
	}
	return first
}
