package turn

import (
	"math"
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
	// changed is by how much the headers' limit must change to mean something.
	changed = 0.01
	// onTheWay is how long a call takes from its turn to the server, as a rule: the mirrored token takes it for lost, and
	// a server that holds more than one call at once does not. 20 to 30 ms were seen (2.1.330).
	onTheWay = 30 * time.Millisecond
	// pressingNamed is how many calls in a row must be accepted at a limit that a message named before the pace may exceed
	// it: such a limit is nearly always right, and hardly ever changes. Headers tell when theirs does.
	pressingNamed = 60
	// pressingFallen is the same for one that was higher before: it may soon be again; pressingFell is for the first time.
	pressingFallen = 20
	pressingFell   = 5
	// beyond bounds the pace to so many times the limit, until a message names one anew.
	beyond = 4
)

// Headers takes in what the answer to the key's call said, which was sent at sentAt. What remains was counted at some moment
// between then and now, and rounded down: our later calls may be in it or not. So it proves that there is no less now than
// that less those calls, and nothing else: a late answer would make the next call wait, were it taken for the most as well.
// Nor is the level put onto it: that floods a server whose burst is 1.
func (a *Account) Headers(now time.Time, k Key, sentAt time.Time, l Limits) {
	now, l = a.advance(now), l.believed()
	sentAt = happened(now, sentAt)
	a.hear(now, sentAt, k, l)
	p, left := &a.class(k.Class).Pace, l.Requests.Remaining
	if l.Requests.Limit <= 0 || p.Distrust > 0 {
		return
	}
	limit := min(fastest, max(slowest, l.Requests.Limit/60))
	switch {
	case p.Limit == 0 && (p.Doubts == 0 || p.Rate == 0):
		p.Rate, p.Hot, p.Grown, p.Cut = limit, false, 0, now
	case p.Limit == 0: // what rejections told before is worth more
	case math.Abs(limit/p.Limit-1) > changed:
		p.Rate = min(fastest, max(slowest, p.Rate*limit/p.Limit))
		p.Peak *= limit / p.Limit
		p.Cut = now // what calls of before meet was another limit
	}
	p.Limit = limit
	p.Named, p.Spent = false, left < 1
	own := float64(a.sentTimes(k.Class).count(sentAt.Add(-slop-time.Millisecond), now) - 1)
	p.Level = min(1, max(p.Level, left-own))
}

// contradicted ignores what headers say of requests until some calls were accepted: they let a call go that was rejected.
func (p *Pace) contradicted(now, sent time.Time, wait float64, log Log) {
	theirs := p.Rate
	if p.Doubts == 0 {
		p.Rate = 0 // it was theirs
	}
	p.Distrust = min(distrustMost, distrusted<<min(p.Doubts, 10))
	p.Doubts++
	p.Limit = 0
	p.refused(now, sent, wait, false, log) // it was the headers that let it go, not the pace
	if theirs > 0 {                        // what a rejection tells is no reason to go faster
		p.Rate = min(p.Rate, theirs)
	}
}

// named takes in the limit that the message of a 429 names, and reports whether it is one of tokens: that says nothing
// about the pace. What remained is known too: less than the call takes, by what comes in until its next try.
//
// A limit of tokens is of no use where nobody knows what calls take.
func (a *Account) named(now time.Time, c *Call, sent time.Time, r Retry) (tokens bool) {
	l, wait := r.Named.believed(), r.said().Seconds()
	if r.long() {
		return false
	}
	class := a.class(c.Class)
	if l.Input.Limit > 0 && c.Own && c.Expected.Input > 0 {
		c.Expected.Input = max(c.Expected.Input, min(mostLimit, l.Input.Limit/60*wait))
	}
	for i, b := range class.Tokens.each() {
		switch r, need := l.each()[i], c.Expected.each()[i]; {
		case need == 0:
			*r = Resource{}
		case r.Limit > 0:
			r.Remaining = max(1, need-r.Limit/60*wait) // 0 would be taken for rounded
			b.Top = max(b.Top, need)                   // which it will get
			tokens = true
		}
	}
	if l == (Limits{}) {
		return false
	}
	was := class.Pace.Limit
	a.Headers(now, c.Key, sent, l)
	if l.Requests.Limit > 0 {
		class.Pace.named(now, was)
	}
	if tokens && r.Attempt < large { // it has its turn, and takes them with its next try
		class.Tokens.take(c.Expected)
		if c.Phase == Granted {
			c.Reserved = c.Expected
		}
	}
	return tokens
}

// named goes on at the limit that was named, where another was known.
func (p *Pace) named(now time.Time, was float64) {
	most := p.Limit / (1 - min(0.5, p.Limit*onTheWay.Seconds()))
	if p.Rate > most || p.Limit != was {
		p.Rate, p.Hot, p.Grown, p.Cut = most, false, 0, now
	}
	switch {
	case p.Limit < was:
		p.Fell, p.Grown = true, pressingFallen-pressingFell
	case p.Limit > was:
		p.Fell = false
	}
	p.Named, p.Spent = true, false
}

// pressing is how many calls in a row must be accepted at the limit that was named before the pace may exceed it.
func (p *Pace) pressing() int {
	if p.Fell {
		return pressingFallen
	}
	return pressingNamed
}
