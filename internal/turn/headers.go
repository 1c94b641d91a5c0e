package turn

import (
	"time"

	"afteryou/internal/limit"
)

// Headers takes in what the answer to the key's call said.
func (a *Account) Headers(now time.Time, k Key, h limit.Headers) {
	now = a.advance(now)
	c := a.last(k)
	if c == nil {
		c = &Call{Key: k}
	}
	a.headers(now, c, happened(now, c.Sent), h)
}

// headers is Headers of a call that was sent at a time. What it took of the input itself the server has counted.
func (a *Account) headers(now time.Time, of *Call, sent time.Time, h limit.Headers) {
	since := sent.Add(-limit.Slop)
	var later, under limit.Costs // of other calls since; of answers that are not finished
	l := a.class(of.Class)
	before := l.Pace.Sent // calls that were sent before, as far as is known
	for _, c := range a.Calls {
		if c.Class != of.Class || c.Phase == Waiting {
			continue
		}
		if c.counted() && !c.Sent.Before(since) {
			before = min(before, c.Nth-1)
		}
		switch {
		case c.Phase == Granted:
			under.Output += c.Reserved.Output
			if c.Key != of.Key && !c.Granted.Before(since) {
				later.Input += c.Reserved.Input
			}
		case c.Key != of.Key && !c.Sent.Before(since):
			later.Input += c.took().Input
			later.Output += c.took().Output
		}
	}
	l.Tokens.Hear(now, h, later, under, now.Sub(since).Seconds())
	l.Pace.Told(now, h.Requests, l.Pace.Sent-before-1)
	if of.Phase == Granted {
		of.Reserved.Input = 0
	}
}
