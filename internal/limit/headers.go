package limit

import (
	"math"
	"time"
)

const (
	// distrusted is how many calls must be accepted after headers were contradicted for the first time.
	distrusted = 20
	// distrustMost is how many it is at most.
	distrustMost = 32 * distrusted
	// Slop is how much earlier or later than we a server may count a call.
	Slop = 100 * time.Millisecond
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

// MostLimit bounds the limits that are believed, far beyond what is sold; the least is one a minute.
const MostLimit = 1e12

// Headers are what an answer's headers say (anthropic-ratelimit-requests-limit and the like), or what the message of a 429 names.
// A zero one is not told.
type Headers struct{ Requests, Input, Output, Total Resource }

// Resource is one of them.
type Resource struct {
	Limit     float64 // per minute
	Remaining float64
}

// Set notes what is said of a resource, named as the headers name it. What can't be is not believed.
func (h *Headers) Set(name string, limit, remaining float64) {
	r := map[string]*Resource{"requests": &h.Requests, "input-tokens": &h.Input, "output-tokens": &h.Output, "tokens": &h.Total}[name]
	if r != nil && Within(limit, 1, MostLimit) && Within(remaining, 0, MostLimit) {
		*r = Resource{limit, remaining}
	}
}

// Tokens are the limits of tokens, as [Tokens.Each] lists them.
func (h *Headers) Tokens() [3]*Resource { return [...]*Resource{&h.Input, &h.Output, &h.Total} }

// Told takes in what headers say of requests. So much remained, rounded down, at some moment since our call was sent; later:
// when those of our calls were sent that may have come after that moment, in order. What is left now is no less than what
// remained, and what came in since the moment, less the calls since, whichever moment that was. It proves nothing else: a late
// answer would make the next call wait, were it taken for the most as well. Nor is the level put onto it: that floods a server
// whose burst is 1.
func (p *Pace) Told(now time.Time, r Resource, later []time.Time) {
	if r.Limit <= 0 || p.Distrust > 0 {
		return
	}
	limit := min(fastest, max(slowest, r.Limit/60))
	switch {
	case p.Limit == 0 && (p.Doubts == 0 || p.Rate == 0):
		p.Rate, p.Hot, p.Grown, p.Cut = limit, false, 0, now
	case p.Limit == 0: // what rejections told before is worth more
	case math.Abs(limit/p.Limit-1) > changed:
		p.Rate = min(fastest, max(slowest, p.Rate*limit/p.Limit))
		p.Peak *= limit / p.Limit
		p.Give(min(0, limit-p.Limit) * now.Sub(p.Used).Seconds()) // what came in since the last call was less
		p.Cut = now                                               // what calls of before meet was another limit
		p.Top, p.Spare = 0, 0
	}
	p.Limit, p.Memory.Told = limit, now
	p.Named, p.Spent = false, r.Remaining < 1
	p.Top = max(p.Top, min(mostMirrored, math.Floor(r.Remaining))) // whenever that was counted, the bucket held as many
	least := r.Remaining
	for i, sent := range later {
		least = min(least, r.Remaining+limit*max(0, now.Sub(sent)-Slop).Seconds()-float64(len(later)-i))
	}
	p.Left(least)
}

// Contradicted ignores what headers say of requests until some calls were accepted: they let a call go that was rejected.
func (p *Pace) Contradicted(now, sent time.Time, wait float64, before int) {
	theirs := p.Rate
	if p.Doubts == 0 {
		p.Rate = 0 // it was theirs
	}
	p.Distrust = min(distrustMost, distrusted<<min(p.Doubts, 10))
	p.Doubts++
	p.Limit, p.Top = 0, 0
	p.Refused(now, sent, wait, false, before) // it was the headers that let it go, not the pace
	if theirs > 0 {                           // what a rejection tells is no reason to go faster
		p.Rate = min(p.Rate, theirs)
	}
}

// Name goes on at the limit that was named, where another was known.
func (p *Pace) Name(now time.Time, was float64) {
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
	p.Named, p.Spent, p.Memory.Told = true, false, now
}

// pressing is how many calls in a row must be accepted at the limit that was named before the pace may exceed it.
func (p *Pace) pressing() int {
	if p.Fell {
		return pressingFallen
	}
	return pressingNamed
}
