package turn

import (
	"cmp"
	"math"
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

// expect is what a call is expected to take when it is sent: half what its key's last took and half what that was expected to;
// a key's first what first calls took. It reports whether the key's own calls told.
func (a *Account) expect(c *Call) (cost Costs, own bool) {
	first := a.Class(c.Class).First
	last := a.last(c.Key)
	if last == nil {
		return first, false
	}
	mean := func(took, expected, first float64) float64 {
		if took > 0 && expected > 0 && last.Own {
			return math.Round((took + expected) / 2)
		}
		return cmp.Or(took, expected, first)
	}
	cost = Costs{mean(last.Took.Input, last.Expected.Input, first.Input), mean(last.Took.Output, last.Expected.Output, first.Output)}
	return cost, last.Own || last.Took != Costs{}
}

// Used says what the key's call that was answered at a time took; a zero is not known. Told twice it counts once.
func (a *Account) Used(now time.Time, k Key, at time.Time, took Costs) {
	now = a.advance(now)
	c := a.last(k)
	if c == nil || !took.valid() {
		return
	}
	l := a.class(k.Class)
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
	note(&c.Took.Input, &l.First.Input, took.Input)
	note(&c.Took.Output, &l.First.Output, took.Output)
	if c.Reserved.Input > 0 && took.Input > 0 {
		l.Tokens.take(Costs{Input: took.Input - c.Reserved.Input})
		c.Reserved.Input = took.Input
	}
	if (c.Reserved != Costs{} || c.Phase == Granted) && took.Output > 0 {
		l.Tokens.take(Costs{Output: took.Output - c.Reserved.Output})
		c.Reserved.Output = took.Output
	}
	a.came(happened(now, at), k)
}

func (t *Tokens) take(c Costs) {
	for i, b := range t.each() {
		b.put(b.Level - c.each()[i])
	}
}

// each lists the limits of tokens, and what is of each: the input, the output, and both.
func (l *Limits) each() []*Resource { return []*Resource{&l.Input, &l.Output, &l.Total} }
func (t *Tokens) each() [3]*Bucket  { return [...]*Bucket{&t.Input, &t.Output, &t.Total} }
func (c Costs) each() [3]float64    { return [...]float64{c.Input, c.Output, c.Input + c.Output} }

// mostDebt bounds what a bucket may lack and what a call waits for, in seconds of the bucket's refill: what would make calls
// wait longer was wrong.
const mostDebt = 3600

// put sets the level, within its bounds.
func (b *Bucket) put(level float64) { b.Level = min(plenty, max(level, b.deepest())) }

// deepest is the least level there may be.
func (b *Bucket) deepest() float64 { return -mostDebt * b.Rate }

// afford is when the buckets have what a call is expected to take. One that takes more than a bucket ever had goes when
// it is full, as at the server; none waits for more than comes in within an hour.
func (t Tokens) afford(now time.Time, c Costs) time.Time {
	until := now
	for i, b := range t.each() {
		b := b.at(now)
		if lack := min(c.each()[i], b.Top, mostDebt*b.Rate) - b.Level; b.Rate > 0 && lack > 1e-6 {
			until = latest(until, now.Add(seconds(lack/b.Rate)))
		}
	}
	return until
}

// lacked is what a call takes of the input, at most, that was rejected for want of tokens and told to wait so long.
func (t Tokens) lacked(wait time.Duration) float64 {
	for _, b := range []Bucket{t.Input, t.Total} {
		if b.Rate > 0 {
			return min(mostLimit, max(0, b.Level)+b.Rate*wait.Seconds())
		}
	}
	return 0
}

// at is the bucket as it is then.
func (b Bucket) at(now time.Time) Bucket {
	if b.Rate > 0 && now.After(b.At) {
		b.Level = min(max(b.Level, b.Top), b.Level+b.Rate*now.Sub(b.At).Seconds())
	}
	b.At = now
	return b
}

// hear takes in what the answer to the key's call said, which was sent at sentAt. What came in since then, and what our
// later calls took, bounds the level from both sides: it is put between, never onto a number. What the call itself took
// of the input the server has counted.
func (a *Account) hear(now, sentAt time.Time, k Key, l Limits) {
	var later, under Costs // of other calls since; of answers that are not finished
	for _, c := range a.Calls {
		switch {
		case c.Class != k.Class || c.Phase == Waiting:
		case c.Phase == Granted:
			under.Output += c.Reserved.Output
			if c.Key != k && !c.Granted.Before(sentAt.Add(-slop)) {
				later.Input += c.Reserved.Input
			}
		case c.Key != k && !c.Sent.Before(sentAt.Add(-slop)):
			later.Input += c.took().Input
			later.Output += c.took().Output
		}
	}
	since := (now.Sub(sentAt) + slop).Seconds()
	if l.Input.Limit > 0 || l.Output.Limit > 0 {
		l.Total = Resource{} // their sum, and no limit of its own
	}
	for i, b := range a.class(k.Class).Tokens.each() {
		b.hear(now, *l.each()[i], later.each()[i], under.each()[i], since)
	}
	if c := a.turn(k); c != nil {
		c.Reserved.Input = 0
	}
}

func (b *Bucket) hear(now time.Time, r Resource, later, under, since float64) {
	*b = b.at(now)
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
