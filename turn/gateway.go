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

// Resource is what an answer's headers say of one limit (anthropic-ratelimit-requests-limit and the like).
type Resource struct {
	Limit     float64 // per minute
	Remaining float64
	Cost      float64 // of a call, on average
}

// Costs is what a call of the pool takes from the limits of tokens, on average.
type Costs struct {
	Input  float64 `json:"input,omitempty"` // without what came from the cache
	Output float64 `json:"output,omitempty"`
}

// learn is how much of the average the last call makes up.
const learn = 0.1

// Used says what a call took; a zero is not known.
func (c *Costs) Used(input, output float64) {
	mix := func(mean *float64, is float64) {
		switch {
		case is <= 0:
		case *mean == 0:
			*mean = is
		default:
			*mean += learn * (is - *mean)
		}
	}
	mix(&c.Input, input)
	mix(&c.Output, output)
}

// ClassPool is the id of the pool for one class of models of the pool with that id: each class has limits of its own.
func ClassPool(id, class string) string { return id + "/" + class }

// Accepted says that the server took the key's call: it answers, and the turn goes on.
func (p *Pool) Accepted(now time.Time, k Key) {
	p.confirmKey(p.advance(now), k)
}

// Rejected says that the gateway was answered 429 for the key's call and keeps it: the call goes back to the head of
// the line, and all wait what the server said, longer when the same call was rejected before.
func (p *Pool) Rejected(now time.Time, k Key, retryAfter time.Duration) {
	now = p.advance(now)
	sent := p.tried(p.caller(k), now)
	started := p.started(k, sent)
	times := 1
	if i := slices.IndexFunc(p.Grants, func(g Grant) bool { return g.Key == k }); i >= 0 {
		g := p.Grants[i]
		times += g.Rejected
		p.Grants = slices.Delete(p.Grants, i, i+1)
		p.Queue = slices.Insert(p.Queue, 0, Ticket{Key: k, Event: g.Event, Process: g.Process, Waiter: g.Waiter, Since: g.At, Rejected: times})
	}
	p.Pace.unsend(k, sent)
	c := p.caller(k)
	c.Rejected, c.Owed = now, 0
	wait := max(0, retryAfter)
	if wait <= usage {
		wait = max(wait, min(backOffMost, backOff<<min(times-1, 10)))
		p.Pace.refused(now, sent, wait.Seconds(), times == 1 && started.After(p.Pace.Cut))
	}
	p.limit(now, ceil(now.Add(wait)), "")
}

// Headers takes in what the answer to a call sent at sentAt said. Since then at most the limit's refill came into the
// bucket, and our own later calls went out of it: the level is put into that interval, never onto a number. Putting
// it onto Remaining floods a server whose burst is 1.
func (p *Pool) Headers(now, sentAt time.Time, h []Resource) {
	now = p.advance(now)
	c := &p.Pace
	sentAt = stamp(sentAt)
	if sentAt.After(now) {
		sentAt = now
	}
	limit, least, most := math.Inf(1), math.Inf(1), math.Inf(1)
	for _, r := range h {
		if r.Limit <= 0 || r.Cost <= 0 {
			continue
		}
		rate := r.Limit / 60 / r.Cost
		limit = min(limit, rate)
		least = min(least, r.Remaining/r.Cost)
		most = min(most, r.Remaining/r.Cost+rate*(now.Sub(sentAt)+slop).Seconds())
	}
	if math.IsInf(limit, 1) {
		return
	}
	limit = min(fastest, max(slowest, limit))
	switch {
	case c.Limit == 0:
		c.Rate, c.Hot, c.Grown = limit, false, 0
	case math.Abs(limit/c.Limit-1) > moved:
		c.Rate = min(fastest, max(slowest, c.Rate*limit/c.Limit))
		c.Peak *= limit / c.Limit
		c.Cut = now // what calls of before meet was another limit
	}
	c.Limit = limit
	c.Spent = least < 1
	own := float64(c.Log.count(sentAt.Add(-slop-time.Millisecond), now) - 1)
	c.Level = max(-1, min(1, max(c.Level, least-own), most-own))
}
