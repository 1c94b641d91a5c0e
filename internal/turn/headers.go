package turn

import (
	"slices"
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
	defer l.forfeits(l.Pace.Level + l.Pace.Spare)
	var calls []time.Time // those that may have come since, but for this one
	for _, c := range a.Calls {
		if c.Class != of.Class || c.Phase == Waiting {
			continue
		}
		if c != of && c.counted() && !c.Sent.Before(since) {
			calls = append(calls, c.Sent)
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
	slices.SortFunc(calls, time.Time.Compare)
	l.Pace.Told(now, h.Requests, calls)
	a.holds(now, of.Class)
	if of.Phase == Granted {
		of.Reserved.Input = 0
	}
}

// clustered is how long ago calls may have been sent to prove how many the server's bucket holds.
const clustered = 5 * time.Second

// holds finds how many calls the server's bucket holds at least: as many as were accepted together, less what came in
// meanwhile. What headers say proves less: nobody says when they were counted.
func (a *Account) holds(now time.Time, class string) {
	var sent []time.Time
	for _, c := range a.Calls {
		if c.Class == class && c.News == AtOnce && c.counted() && !c.Trial && now.Sub(c.Sent) < clustered {
			sent = append(sent, c.Sent)
		}
	}
	slices.SortFunc(sent, time.Time.Compare)
	p := &a.class(class).Pace
	for i, first := range sent {
		for n, last := range sent[i:min(len(sent), i+10)] {
			p.Holds(n+1, last.Sub(first))
		}
	}
}
