package turn

import (
	"slices"
	"time"

	"afteryou/internal/limit"
)

// Ask joins the end of the line, or of those of its rank. An event that stands there already keeps its place (and takes the
// new waiter), and one that has its turn gets no second; so whoever waits may ask again at will. A turn that the same key
// still has from another event, or from the same prompt when that was put to the model already, is given back first, with
// its announced try: that call was interrupted, and Esc fires no hook (seen on 2.1.330).
func (a *Account) Ask(now time.Time, c Call) {
	now = a.advance(now)
	a.class(c.Class).Pace.AtMost(c.AtMost)
	a.budgeted(now, c.Rules.Budget)
	for _, q := range a.of(c.Key) {
		switch {
		case q.Event != c.Event:
		case q.Phase == Waiting:
			q.Process, q.Waiter, q.Rules = c.Process, c.Waiter, c.Rules
			a.renew(now, c.Waiter.Host)
			return
		case q.Phase == Granted && !q.Put:
			return
		}
	}
	if a.takeOver(now, c) {
		return
	}
	a.giveBack(now, a.of(c.Key))
	c.Phase, c.Asked, c.Seen = Waiting, now, now
	a.Calls = append(a.Calls, &c)
}

// Adds says how many tokens a call in line adds to its conversation, which was asked for before that was known.
func (a *Account) Adds(k Key, event string, fresh float64) {
	if c := a.waiting(k); c != nil && c.Event == event {
		c.Fresh = fresh
	}
}

// Admit gives turns to the first in line of each class for as long as nothing holds them, and drops those in line whose
// waiter or session is not alive. It returns when to call again; a zero time says that only an event can change anything.
func (a *Account) Admit(now time.Time, alive func(Process) bool) (next time.Time) {
	now = a.advance(now)
	for _, class := range a.waitingClasses() {
		for {
			c, until := a.next(now, class)
			if c == nil {
				next = earliest(next, until)
				break
			}
			if lives(c.Process, alive) && lives(c.Waiter, alive) {
				a.admit(now, c)
			} else {
				a.remove(c)
			}
		}
	}
	return next
}

// waitingClasses are the classes of the calls in line, in its order.
func (a *Account) waitingClasses() (classes []string) {
	for _, c := range a.Calls {
		if c.Phase == Waiting && !slices.Contains(classes, c.Class) {
			classes = append(classes, c.Class)
		}
	}
	return classes
}

// next returns the next call of the class that may go now, or nil and when to look again. A call that is held for
// itself blocks nobody else, but one that is held by its budget blocks those behind it that have one.
func (a *Account) next(now time.Time, class string) (c *Call, until time.Time) {
	short := false
	for _, c := range a.order(class) {
		if short && c.Rules.Budget != (Budget{}) {
			continue
		}
		own := a.heldAlone(now, c)
		if !own.Until.After(now) {
			h := a.heldWithAll(now, c)
			if !h.Until.After(now) {
				return c, time.Time{}
			}
			c.Paced = c.Paced || h.Why != OneAtATime && (h.Why != Elsewhere || a.Class(class).Fleet.Waits)
			if h.Why == Elsewhere {
				a.class(class).Fleet.asked(now)
			}
			return nil, ceil(h.Until)
		}
		short = short || own.Why == OverBudget
		until = earliest(until, own.Until)
	}
	return nil, ceil(until)
}

// admit gives a call in line its turn. It is taken to be sent now.
func (a *Account) admit(now time.Time, c *Call) {
	a.passed(c)
	c.Phase, c.Granted, c.Seen, c.Retry, c.Woken = Granted, now, now, nil, c.Event == WakeEvent
	a.send(c, now)
	a.class(c.Class).Fleet.grant(now, c)
	c.Reserved = c.Expected
	a.class(c.Class).Tokens.Take(c.Reserved)
	a.books(now, c)
	a.saveCaches(now, c.Class)
}

// Withdraw takes back what the event asked for: the waiter gave up (Esc, SIGTERM). A turn that it was just given and did not
// use goes back, with what the call was to take from the limit.
func (a *Account) Withdraw(now time.Time, k Key, event string) {
	now = a.advance(now)
	for _, c := range a.of(k) {
		if c.Event == event && c.Phase == Waiting && c.made() { // what it lacked is remembered
			c.Retry = nil
			a.over(now, c)
		}
	}
	a.drop(func(c *Call) bool { return c.Key == k && c.Event == event && c.Phase == Waiting })
	if c := a.given(k, event); c != nil {
		a.release(c)
		a.unsend(c)
		a.over(now, c)
	}
}

// release gives the mirrored buckets back what they gave for the call.
func (a *Account) release(c *Call) {
	a.class(c.Class).Quota.Take(a.At, -c.Booked)
	c.Booked = 0
	a.class(c.Class).Tokens.Take(limit.Costs{Input: -c.Reserved.Input, Output: -c.Reserved.Output})
	c.Reserved = limit.Costs{}
}

// unsend gives the pace back what a call took that was not made, as far as is known.
func (a *Account) unsend(c *Call) {
	if c.Unseen {
		a.count(c, -1)
		c.Sent, c.Trial, c.Unseen = time.Time{}, false, false
		a.class(c.Class).Fleet.loose(-1)
		a.class(c.Class).Pace.Give(1)
	}
}
