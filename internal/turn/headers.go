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

// named takes in the limit that the message of a 429 names, and reports whether it is one of tokens: that says nothing
// about the pace. What remained is known too: less than the call takes, by what comes in until its next try.
//
// A limit of tokens is of no use where nobody knows what calls take.
func (a *Account) named(now time.Time, c *Call, sent time.Time, r Retry) (tokens bool) {
	h, wait := r.Named, r.said().Seconds()
	if r.long() {
		return false
	}
	l := a.class(c.Class)
	if h.Input.Limit > 0 && c.Own && c.Expected.Input > 0 {
		c.Expected.Input = max(c.Expected.Input, min(limit.MostLimit, h.Input.Limit/60*wait))
	}
	for i, b := range l.Tokens.Each() {
		switch r, need := h.Tokens()[i], c.Expected.Each()[i]; {
		case need == 0:
			*r = limit.Resource{}
		case r.Limit > 0:
			r.Remaining = max(1, need-r.Limit/60*wait) // 0 would be taken for rounded
			b.Top = max(b.Top, need)                   // which it will get
			tokens = true
		}
	}
	if h == (limit.Headers{}) {
		return false
	}
	was := l.Pace.Limit
	a.headers(now, c, sent, h)
	if h.Requests.Limit > 0 {
		l.Pace.Name(now, was)
	}
	if tokens && r.Attempt < large { // it has its turn, and takes them with its next try
		l.Tokens.Take(c.Expected)
		if c.Phase == Granted {
			c.Reserved = c.Expected
		}
	}
	return tokens
}
