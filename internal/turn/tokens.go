package turn

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Limits are what an answer's headers say (anthropic-ratelimit-requests-limit and the like). A zero one is not told.
type Limits struct{ Requests, Input, Output, Total Resource }

// Of is the one that the headers call so, or nil.
func (l *Limits) Of(name string) *Resource {
	switch name {
	case "requests":
		return &l.Requests
	case "input-tokens":
		return &l.Input
	case "output-tokens":
		return &l.Output
	case "tokens":
		return &l.Total
	}
	return nil
}

// Resource is one of them.
type Resource struct {
	Limit     float64 // per minute
	Remaining float64
}

// mostLimit bounds the limits that are believed, far beyond what is sold; the least is one a minute.
const mostLimit = 1e12

// believed are the limits without those that are none.
func (l Limits) believed() Limits {
	for _, r := range []*Resource{&l.Requests, &l.Input, &l.Output, &l.Total} {
		if !within(r.Limit, 1, mostLimit) || !within(r.Remaining, 0, mostLimit) {
			*r = Resource{}
		}
	}
	return l
}

// Tokens mirrors the server's buckets of tokens, as its headers tell of them.
type Tokens struct {
	Input  Bucket `json:"input,omitzero"`
	Output Bucket `json:"output,omitzero"`
	Total  Bucket `json:"total,omitzero"`
}

// Bucket mirrors one bucket of tokens. The zero Bucket limits nothing.
type Bucket struct {
	Rate  float64 `json:"rate,omitempty"` // tokens per second
	Level float64 `json:"level,omitempty"`
	// Top is the most that was ever seen in it. Nothing says how much it holds, and a bucket that is believed to hold
	// too much lets a flood through when it was left alone for a while.
	Top float64   `json:"top,omitempty"`
	At  time.Time `json:"at,omitzero"`
}

// Costs is what a call takes of the limits of tokens. Zero is not known.
type Costs struct {
	Input  float64 `json:"input,omitempty"` // without what came from the cache
	Output float64 `json:"output,omitempty"`
}

// learn is how much the latest first call makes up of what is expected of the next.
const learn = 0.1

// cost is what the next call of the key is expected to take: half what its last took and half what that was expected
// to; a first call what first calls took.
func (p *Pool) cost(k Key) Costs {
	i := slices.IndexFunc(p.Callers, func(c Caller) bool { return c.Key == k })
	if i < 0 {
		return p.Costs
	}
	c := p.Callers[i]
	mean := func(last, before, first float64) float64 {
		if last > 0 && before > 0 {
			return math.Round((last + before) / 2)
		}
		return cmp.Or(last, before, first)
	}
	return Costs{mean(c.Took.Input, c.Costs.Input, p.Costs.Input), mean(c.Took.Output, c.Costs.Output, p.Costs.Output)}
}

// Used says what the key's call that was answered at a time took; a zero is not known. Told twice it counts once.
func (p *Pool) Used(now time.Time, k Key, at time.Time, took Costs) {
	p.advance(now)
	if !took.valid() {
		took = Costs{}
	}
	c := p.caller(k)
	note := func(last, before, first *float64, is float64) {
		switch {
		case is <= 0:
			return
		case *last > 0 || *before > 0: // not the key's first
		case *first == 0:
			*first = is
		default:
			*first += learn * (is - *first)
		}
		*last = is
	}
	note(&c.Took.Input, &c.Costs.Input, &p.Costs.Input, took.Input)
	note(&c.Took.Output, &c.Costs.Output, &p.Costs.Output, took.Output)
	taken, known := &c.Taken, c.Taken != (Costs{})
	if g := p.grant(k); g != nil {
		taken, known = &g.Taken, true
	}
	if taken.Input > 0 && took.Input > 0 {
		p.Tokens.take(Costs{Input: took.Input - taken.Input})
		taken.Input = took.Input
	}
	if known && took.Output > 0 {
		p.Tokens.take(Costs{Output: took.Output - taken.Output})
		taken.Output = took.Output
	}
	if s := p.account().came(stamp(at), k); s != nil {
		s.Input, s.Output = cmp.Or(took.Input, s.Input), cmp.Or(took.Output, s.Output)
	}
}

func (t *Tokens) take(c Costs) {
	t.Input.put(t.Input.Level - c.Input)
	t.Output.put(t.Output.Level - c.Output)
	t.Total.put(t.Total.Level - c.Input - c.Output)
}

// mostDebt bounds what a bucket may lack and what a call waits for, in seconds of the bucket's refill: what would make calls
// wait longer was wrong.
const mostDebt = 3600

// put sets the level, within its bounds.
func (b *Bucket) put(level float64) { b.Level = min(plenty, max(level, b.deepest())) }

// deepest is the least level there may be.
func (b *Bucket) deepest() float64 { return -mostDebt * b.Rate }

// afford is when the buckets have what a call is expected to take. One that takes more than a bucket ever had goes when
// it is full, as at the server; none waits for more than comes in within an hour.
func (t *Tokens) afford(now time.Time, c Costs) time.Time {
	until := now
	for _, one := range []struct {
		b    *Bucket
		need float64
	}{{&t.Input, c.Input}, {&t.Output, c.Output}, {&t.Total, c.Input + c.Output}} {
		one.b.refill(now)
		if lack := min(one.need, one.b.Top, mostDebt*one.b.Rate) - one.b.Level; one.b.Rate > 0 && lack > 1e-6 {
			if at := now.Add(seconds(lack / one.b.Rate)); at.After(until) {
				until = at
			}
		}
	}
	return until
}

// lacked is what a call takes of the input, at most, that was rejected for want of tokens and told to wait so long.
func (t *Tokens) lacked(wait time.Duration) float64 {
	for _, b := range []*Bucket{&t.Input, &t.Total} {
		if b.Rate > 0 {
			return min(mostLimit, max(0, b.Level)+b.Rate*wait.Seconds())
		}
	}
	return 0
}

func (b *Bucket) refill(now time.Time) {
	if b.Rate > 0 && now.After(b.At) {
		b.Level = min(max(b.Level, b.Top), b.Level+b.Rate*now.Sub(b.At).Seconds())
	}
	b.At = now
}

// hear takes in what the answer to the key's call said, which was sent at sentAt. What came in since then, and what our
// later calls took, bounds the level from both sides: it is put between, never onto a number. What the call itself took
// of the input the server has counted.
func (p *Pool) hear(now, sentAt time.Time, k Key, l Limits) {
	var later, under Costs // of other calls since; of answers that are not finished
	for _, g := range p.Grants {
		under.Output += g.Taken.Output
		if g.Key != k && !g.At.Before(sentAt.Add(-slop)) {
			later.Input += g.Taken.Input
		}
	}
	for _, c := range p.Callers {
		if c.Key != k && !c.Sent.Before(sentAt.Add(-slop)) && !p.Holds(c.Key) {
			later.Input += cmp.Or(c.Took.Input, c.Costs.Input)
			later.Output += cmp.Or(c.Took.Output, c.Costs.Output)
		}
	}
	since := (now.Sub(sentAt) + slop).Seconds()
	p.Tokens.Input.hear(now, l.Input, later.Input, 0, since)
	p.Tokens.Output.hear(now, l.Output, later.Output, under.Output, since)
	if l.Input.Limit > 0 || l.Output.Limit > 0 {
		l.Total = Resource{} // their sum, and no limit of its own
	}
	p.Tokens.Total.hear(now, l.Total, later.Input+later.Output, under.Output, since)
	if g := p.grant(k); g != nil {
		g.Taken.Input = 0
	}
}

func (b *Bucket) hear(now time.Time, r Resource, later, under, since float64) {
	b.refill(now)
	if r.Limit <= 0 {
		return
	}
	rate := r.Limit / 60
	round := 0.0
	if math.Mod(r.Remaining, 1000) == 0 {
		round = 500 // the API tells of thousands
	}
	least, most := r.Remaining-round-later-under, r.Remaining+round+rate*since-under
	if b.Rate == 0 {
		b.Level = least
	}
	b.Rate = rate
	b.Top = max(b.Top, r.Remaining)
	b.put(max(least, min(most, b.Level)))
}
