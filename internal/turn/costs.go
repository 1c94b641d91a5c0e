package turn

import (
	"cmp"
	"math"
	"time"

	"afteryou/internal/limit"
)

// learn is how much the latest first call makes up of what is expected of the next.
const learn = 0.1

// mostShare bounds how many times the size of its request a call takes.
const mostShare = 10

// expect is what a call is expected to take when it is sent: half what its key's last took and half what that was expected to;
// a key's first what first calls took, and while nobody knows that, what its request looks like. None takes more output
// than it asks for. It reports whether the key's own calls told.
func (a *Account) expect(c *Call) (cost limit.Costs, own bool) {
	first := a.Class(c.Class).First
	cost = limit.Costs{Input: cmp.Or(c.Size.Input*a.Class(c.Class).Share, first.Input, c.Size.Input), Output: first.Output}
	if last := a.last(c.Key); last != nil {
		cost, own = last.next(cost)
		if last != c && last.Took.Whole > 0 {
			cost = last.goesOn(a.At, c, cost, a.Class(c.Class).Adds)
		}
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
	cost = limit.Costs{Input: mean(last.Took.Input, last.Expected.Input, first.Input), Output: mean(last.Took.Output, last.Expected.Output, first.Output),
		Whole: cmp.Or(last.Took.Whole, last.Expected.Whole)}
	return cost, last.Own || last.Took != limit.Costs{}
}

// foresee notes what the call is expected to take, which is sent now, or was before it was told what the last took.
func (a *Account) foresee(c, last *Call) {
	c.Expected, c.Own = a.expect(c)
	if last != nil && last != c {
		c.Before = last.Took.Whole
	}
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
	if c.Took.Input == 0 && !c.Own && c.Size.Input > 0 && took.Input > 0 {
		l.Share = min(mostShare, max(took.Input/c.Size.Input, (1-learn)*l.Share))
	}
	note(&c.Took.Input, &l.First.Input, took.Input)
	note(&c.Took.Output, &l.First.Output, took.Output)
	if took.Whole > 0 {
		if c.Took.Whole, c.Took.Cached, c.Took.Hour = took.Whole, took.Cached, took.Hour; l.Adds == 0 {
			l.Adds = c.grew()
		} else if grew := c.grew(); grew > 0 {
			l.Adds += learn * (grew - l.Adds)
		}
	}
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
		if c.Took.Whole > 0 {
			last.Expected, last.Before = c.goesOn(last.Sent, last, last.Expected, l.Adds), c.Took.Whole
		}
	}
	a.came(at, k)
}
