package turn

import (
	"math"
	"slices"
	"time"
)

const (
	// pressing is how many calls in a row must be accepted at the headers' limit before the pace may exceed it: headers
	// can be wrong, or stand for one of two limits.
	pressing = 20
	// slop is how much earlier or later than we a server may count a call.
	slop = 100 * time.Millisecond
	// moved is by how much the headers' limit must change to mean something.
	moved = 0.01
	// A call that comes back again and again waits as Claude Code would make it wait (2.1.330): 0.5 s doubling to 32 s.
	backOff     = 500 * time.Millisecond
	backOffMost = 32 * time.Second
)

// Accepted says that the server took the key's call: it answers, and the turn goes on.
func (p *Pool) Accepted(now time.Time, k Key) {
	now = p.advance(now)
	p.account().came(now, k)
	p.confirmKey(now, k)
}

// Rejected says that the gateway was answered 429 for the key's call and keeps it: the call goes back to the head of
// the line, and all wait what the server said, longer when the same call was rejected before. tokens: it was tokens that
// were lacking, which says nothing about the pace.
func (p *Pool) Rejected(now time.Time, k Key, retryAfter time.Duration, tokens bool) {
	now = p.advance(now)
	sent := p.tried(p.caller(k), now)
	started := p.started(k, sent)
	times := 1
	if i := slices.IndexFunc(p.Grants, func(g Grant) bool { return g.Key == k }); i >= 0 {
		g := p.Grants[i]
		times += g.Rejected
		p.Tokens.take(Costs{-g.Taken.Input, -g.Taken.Output})
		p.Grants = slices.Delete(p.Grants, i, i+1)
		p.Queue = slices.Insert(p.Queue, 0, Ticket{Key: k, Event: g.Event, Process: g.Process, Waiter: g.Waiter, Since: g.At, Seen: now,
			Budget: g.Budget, Print: g.Print, Rejected: times})
	}
	p.Pace.unsend(k, sent)
	p.account().refused(now, k)
	c := p.caller(k)
	c.Rejected, c.Owed = now, 0
	wait := max(0, retryAfter)
	if wait <= usage {
		wait = max(wait, min(backOffMost, backOff<<min(times-1, 10)))
		if tokens {
			p.Pace.Level = min(1, p.Pace.Level+1)
			c.Costs.Input = max(c.Costs.Input, p.Tokens.lacked(wait))
		} else {
			p.Pace.refused(now, sent, wait.Seconds(), times == 1 && started.After(p.Pace.Cut))
		}
	}
	p.limit(now, ceil(now.Add(wait)), "")
}

// Headers takes in what the answer to the key's call said, which was sent at sentAt. Since then at most the limit's
// refill came into the bucket, and our own later calls went out of it: the level is put into that interval, never onto a
// number. Putting it onto Remaining floods a server whose burst is 1.
func (p *Pool) Headers(now time.Time, k Key, sentAt time.Time, l Limits) {
	now = p.advance(now)
	sentAt = stamp(sentAt)
	if sentAt.After(now) {
		sentAt = now
	}
	p.hear(now, sentAt, k, l)
	if l.Requests.Limit <= 0 {
		return
	}
	c, left := &p.Pace, l.Requests.Remaining
	limit := min(fastest, max(slowest, l.Requests.Limit/60))
	switch {
	case c.Limit == 0:
		c.Rate, c.Hot, c.Grown = limit, false, 0
	case math.Abs(limit/c.Limit-1) > moved:
		c.Rate = min(fastest, max(slowest, c.Rate*limit/c.Limit))
		c.Peak *= limit / c.Limit
		c.Cut = now // what calls of before meet was another limit
	}
	c.Limit = limit
	c.Named, c.Spent = false, left < 1
	own := float64(c.Log.count(sentAt.Add(-slop-time.Millisecond), now) - 1)
	c.Level = max(-1, min(1, max(c.Level, left-own), left+limit*(now.Sub(sentAt)+slop).Seconds()-own))
}
