package turn

import (
	"cmp"
	"math"
	"time"

	"afteryou/internal/limit"
)

// learn is how much the latest first call makes up of what is expected of the next.
const learn = 0.1

// expect is what a call is expected to take when it is sent: half what its key's last took and half what that was expected to;
// a key's first what first calls took, and while nobody knows that, what its request looks like. None takes more output
// than it asks for. It reports whether the key's own calls told.
func (a *Account) expect(c *Call) (cost limit.Costs, own bool) {
	first := a.Class(c.Class).First
	cost = limit.Costs{Input: cmp.Or(first.Input, c.Size.Input), Output: first.Output}
	if last := a.last(c.Key); last != nil {
		cost, own = last.next(cost)
	}
	if most := c.Size.Output; most > 0 {
		cost.Output = min(cost.Output, most)
	}
	return cost, own
}

// next is what the key's call after this one is expected to take.
func (last *Call) next(first limit.Costs) (cost limit.Costs, own bool) {
	mean := func(took, expected, first float64) float64 {
		if !last.Own {
			return cmp.Or(took, first)
		}
		if took > 0 && expected > 0 {
			return math.Round((took + expected) / 2)
		}
		return cmp.Or(took, expected, first)
	}
	cost = limit.Costs{Input: mean(last.Took.Input, last.Expected.Input, first.Input), Output: mean(last.Took.Output, last.Expected.Output, first.Output)}
	return cost, last.Own || last.Took != limit.Costs{}
}

// Used says what the key's call that was answered at a time took; a zero is not known. Told twice it counts once.
func (a *Account) Used(now time.Time, k Key, at time.Time, took limit.Costs) {
	now = a.advance(now)
	at = happened(now, at)
	last, l := a.last(k), a.class(k.Class)
	c := cmp.Or(a.sentBy(k, at), last)
	if c == nil || !took.Valid() {
		return
	}
	note := func(last, first *float64, is float64) {
		switch {
		case is <= 0:
			return
		case *last > 0 || c.Own: // not the key's first
		case *first == 0:
			*first = is
		default:
			*first += learn * (is - *first)
		}
		*last = is
	}
	note(&c.Took.Input, &l.First.Input, took.Input)
	note(&c.Took.Output, &l.First.Output, took.Output)
	if c.Reserved.Input > 0 && took.Input > 0 {
		l.Tokens.Take(limit.Costs{Input: took.Input - c.Reserved.Input})
		c.Reserved.Input = took.Input
	}
	if (c.Reserved != limit.Costs{} || c.Phase == Granted) && took.Output > 0 {
		l.Tokens.Take(limit.Costs{Output: took.Output - c.Reserved.Output})
		c.Reserved.Output = took.Output
	}
	if c != last && last.Took == (limit.Costs{}) && !last.Sent.IsZero() { // it went before this was told
		last.Expected, last.Own = c.next(l.First)
	}
	a.came(at, k)
}
