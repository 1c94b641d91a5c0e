package limit

import (
	"cmp"
	"math"
	"time"
)

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
	Whole  float64 `json:"whole,omitempty"`  // input with what came from the cache
	Cached float64 `json:"cached,omitempty"` // how much of Whole the cache has from then on
	Hour   bool    `json:"hour,omitempty"`   // the cache keeps it for an hour, not for 5 minutes
}

// Refill lets the buckets fill until now.
func (t *Tokens) Refill(now time.Time) {
	for _, b := range t.Each() {
		*b = b.at(now)
	}
}

// Take takes what a call costs; a negative cost gives back.
func (t *Tokens) Take(c Costs) {
	for i, b := range t.Each() {
		b.put(b.Level - c.Each()[i])
	}
}

// Each lists the buckets: of the input, the output, and both.
func (t *Tokens) Each() [3]*Bucket { return [...]*Bucket{&t.Input, &t.Output, &t.Total} }

// Each lists what a call takes of each bucket.
func (c Costs) Each() [3]float64 { return [...]float64{c.Input, c.Output, c.Input + c.Output} }

// mostDebt bounds what a bucket may lack and what a call waits for, in seconds of the bucket's refill: what would make calls
// wait longer was wrong.
const mostDebt = 3600

// put sets the level, within its bounds.
func (b *Bucket) put(level float64) { b.Level = min(plenty, max(level, b.deepest())) }

// deepest is the least level there may be.
func (b *Bucket) deepest() float64 { return -mostDebt * b.Rate }

// Afford returns when the buckets have what a call is expected to take. One that takes more than a bucket ever had goes when
// it is full, as at the server; none waits for more than comes in within an hour.
func (t Tokens) Afford(now time.Time, c Costs) time.Time {
	until := now
	for i, b := range t.Each() {
		b := b.at(now)
		if lack := min(c.Each()[i], b.Top, mostDebt*b.Rate) - b.Level; b.Rate > 0 && lack > 1e-6 {
			if at := now.Add(seconds(lack / b.Rate)); at.After(until) {
				until = at
			}
		}
	}
	return until
}

// Most is how much input comes in within a minute, at most; 0: as far as is known there is no limit.
func (t Tokens) Most() float64 { return 60 * cmp.Or(t.Input.Rate, t.Total.Rate) }

// Lacked returns what a call takes of the input, at most, that was rejected for want of tokens and told to wait so long.
func (t Tokens) Lacked(wait time.Duration) float64 {
	for _, b := range []Bucket{t.Input, t.Total} {
		if b.Rate > 0 {
			return min(MostLimit, max(0, b.Level)+b.Rate*wait.Seconds())
		}
	}
	return 0
}

// at is the bucket as it is then.
func (b Bucket) at(now time.Time) Bucket {
	if b.Rate > 0 && now.After(b.At) {
		b.Level = min(max(b.Level, b.Top), b.Level+b.Rate*now.Sub(b.At).Seconds())
		b.At = now
	}
	return b
}

// Hear takes in what headers say remained at some moment of the last so many seconds. What came in since and what other calls took
// (later), which answers that are not finished may go on to take (under), bounds the level from both sides: it is put between,
// never onto a number.
func (t *Tokens) Hear(now time.Time, h Headers, later, under Costs, since float64) {
	if h.Input.Limit > 0 || h.Output.Limit > 0 {
		h.Total = Resource{} // their sum, and no limit of its own
	}
	for i, b := range t.Each() {
		b.hear(now, *h.Tokens()[i], later.Each()[i], under.Each()[i], since)
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
		b.Level, b.At = least, now
	}
	b.Rate = rate
	b.Top = max(b.Top, r.Remaining)
	b.put(max(least, min(most, b.Level)))
}
