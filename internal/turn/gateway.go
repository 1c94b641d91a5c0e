package turn

import (
	"math"
	"slices"
	"time"
)

const (
	// distrusted is how many calls must be accepted after headers were contradicted for the first time.
	distrusted = 20
	// distrustMost is how many it is at most.
	distrustMost = 32 * distrusted
	// unsure is how much longer than the one after it a call may be under way to the server: two calls that were sent at the
	// right distance come too close to each other then. At a limit without burst it is lost with every call.
	unsure = 10 * time.Millisecond
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

// Rejection is a 429 or a 529 that the gateway was answered.
type Rejection struct {
	Sent   time.Time     // when the call was
	In     time.Duration // retry-after; 0: not said
	Limit  bool          // a limit was met (429); else the server is overloaded (529)
	Limits Limits        // what the headers say
}

// tokens reports that it may be tokens that were lacking: there was room for another request.
func (r Rejection) tokens() bool {
	l := r.Limits
	return r.Limit && (l.Requests.Limit == 0 || l.Requests.Remaining >= 1) && (l.Input.Limit > 0 || l.Output.Limit > 0 || l.Total.Limit > 0)
}

// contradicts reports that the headers said there was room: those of the answer, or, where it has none, those of the last
// one. A call that is rejected for the second time, when the server had said that it would fit, does not lack tokens where
// half a bucket is left.
func (r Rejection) contradicts(c *Pace, times int) bool {
	l := r.Limits
	switch {
	case !r.Limit || c.Distrust > 0:
		return false
	case l == (Limits{}):
		return c.Limit > 0 && !c.Named && !c.Spent
	case l.Requests.Limit == 0 || l.Requests.Remaining < 1:
		return false
	}
	return !r.tokens() || times > 1 && !slices.ContainsFunc([]Resource{l.Input, l.Output, l.Total}, func(t Resource) bool { return t.Remaining < t.Limit/2 })
}

// Rejected says that the gateway was answered 429 or 529 for the key's call and keeps it: the call goes back to the head of
// the line, and all wait what the server said, longer when the same call was rejected before. It reports whether that
// contradicts the headers, for the first time in this pool: they are not believed then until some calls were accepted, twice
// as many each time, and rejections tell the pace.
func (p *Pool) Rejected(now time.Time, k Key, r Rejection) (contradicted bool) {
	now, r.Limits = p.advance(now), r.Limits.believed()
	times := 1
	if g := p.grant(k); g != nil {
		times += g.Rejected
	}
	lies := r.contradicts(&p.Pace, times)
	if !lies {
		p.Headers(now, k, r.Sent, r.Limits)
	}
	sent := p.tried(p.caller(k), now)
	started := p.started(k, sent)
	if i := slices.IndexFunc(p.Grants, func(g Grant) bool { return g.Key == k }); i >= 0 {
		g := p.Grants[i]
		p.Tokens.take(Costs{-g.Taken.Input, -g.Taken.Output})
		p.Grants = slices.Delete(p.Grants, i, i+1)
		p.Queue = slices.Insert(p.Queue, 0, Ticket{Key: k, Event: g.Event, Process: g.Process, Waiter: g.Waiter, Since: g.At, Seen: now,
			Budget: g.Budget, Print: g.Print, Rejected: times})
	}
	p.Pace.unsend(k, sent)
	p.account().refused(now, k)
	c := p.caller(k)
	c.Rejected, c.Owed = now, 0
	wait := max(0, r.In)
	if wait <= usage {
		wait = max(wait, min(backOffMost, backOff<<min(times-1, 10)))
		switch {
		case lies:
			theirs := p.Pace.Rate
			p.Pace.distrust()
			p.Pace.refused(now, sent, wait.Seconds(), false) // it was the headers that let it go, not the pace
			if theirs > 0 {                                  // what a rejection tells is no reason to go faster
				p.Pace.Rate = min(p.Pace.Rate, theirs)
			}
		case r.tokens() && p.Pace.Distrust == 0:
			p.Pace.Level = min(1, p.Pace.Level+1)
			c.Costs.Input = max(c.Costs.Input, p.Tokens.lacked(wait))
		default:
			p.Pace.refused(now, sent, wait.Seconds(), times == 1 && started.After(p.Pace.Cut))
		}
	}
	p.limit(now, ceil(now.Add(wait)), "")
	return lies && p.Pace.Doubts == 1
}

// distrust ignores what headers say of requests until some calls were accepted.
func (c *Pace) distrust() {
	if c.Doubts == 0 {
		c.Rate = 0 // it was theirs
	}
	c.Distrust = min(distrustMost, distrusted<<min(c.Doubts, 10))
	c.Doubts++
	c.Limit = 0
}

// Headers takes in what the answer to the key's call said, which was sent at sentAt. What remains was counted at some moment
// between then and now, and rounded down: our later calls may be in it or not. So it proves that there is no less now than
// that less those calls, and nothing else: a late answer would make the next call wait, were it taken for the most as well.
// Nor is the level put onto it: that floods a server whose burst is 1.
func (p *Pool) Headers(now time.Time, k Key, sentAt time.Time, l Limits) {
	now, l = p.advance(now), l.believed()
	sentAt = stamp(sentAt)
	if sentAt.After(now) {
		sentAt = now
	}
	p.hear(now, sentAt, k, l)
	if l.Requests.Limit <= 0 || p.Pace.Distrust > 0 {
		return
	}
	c, left := &p.Pace, l.Requests.Remaining
	limit := min(fastest, max(slowest, l.Requests.Limit/60))
	switch {
	case c.Limit == 0 && (c.Doubts == 0 || c.Rate == 0):
		c.Rate, c.Hot, c.Grown, c.Cut = limit, false, 0, now
	case c.Limit == 0: // what rejections told before is worth more
	case math.Abs(limit/c.Limit-1) > moved:
		c.Rate = min(fastest, max(slowest, c.Rate*limit/c.Limit))
		c.Peak *= limit / c.Limit
		c.Cut = now // what calls of before meet was another limit
	}
	c.Limit = limit
	c.Named, c.Spent = false, left < 1
	own := float64(c.Log.count(sentAt.Add(-slop-time.Millisecond), now) - 1)
	c.Level = min(1, max(c.Level, left-own))
}
