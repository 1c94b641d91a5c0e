package limit

import (
	"math"
	"time"
)

// Where a gate learns of rejections at once, and nobody says the limit, what was accepted and rejected proves between which bounds
// it lies. Limits are sold in round numbers: where the bounds hold one or two, the larger is the pace until it is disproved.
const (
	slip       = 20 * time.Millisecond // between two calls as we know them and as the server sees them: they are under way for 1 to 30 ms
	lost       = 1.01                  // what else a full bucket may have lost
	loose      = 1.25                  // bounds further apart tell no more than a rejection does,
	looseOne   = 2.0                   // where the bucket holds one call, whose bounds are of two calls each,
	tight      = 1.08                  // and without a round number between them they must be as near as two of those
	within     = 0.6                   // where between them the pace is then
	shy        = 0.985                 // of it, where the bucket holds one call: two that come 30 ms nearer are one rejection
	mostRound  = 2                     // round numbers between the bounds
	settledFor = 60                    // calls in a row without a rejection, or a minute's, until the pace is tried again
)

// Proof is what calls prove of the limit, in calls per second.
type Proof struct {
	First Moment  `json:"first,omitzero"` // the first at which the bucket was seen empty: so much was borne since
	From  Moment  `json:"from,omitzero"`  // a call that was accepted, since when the bucket was not full
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
	// Sure is for how many more calls the pace that they prove is kept; 0: it is another.
	Sure int `json:"sure,omitempty"`
}

// least is what calls since a moment at which the bucket held less than one prove that it gave, when the last was accepted.
func (m Moment) least(since Moment) float64 {
	span := m.At.Sub(since.At)
	if span < spanMin {
		return 0
	}
	return max(0, float64(m.Sent-since.Sent-1)) / (span + slip).Seconds()
}

// most is what it gave at most, when the next was rejected.
func (m Moment) most(since Moment) float64 {
	span := m.At.Sub(since.At)
	if span < spanMin {
		return fastest
	}
	return float64(m.Sent-since.Sent+1) * lost / (span - slip).Seconds()
}

// settled reports that the pace is the one that calls prove.
func (p *Pace) settled() bool { return p.Proof.Sure > 0 && p.Limit == 0 && p.Doubts == 0 }

// one reports that the server's bucket holds one call, as far as is known: each that is accepted leaves it empty.
func (p *Pace) one() bool { return p.Taken <= 1 }

// Bore takes in that the nth call was accepted, that was sent at a time. held: it had to wait for the limit, else the bucket may
// have been full; guessed: nobody knows when it was sent.
func (p *Pace) Bore(sent time.Time, nth int, held, guessed bool) {
	if p.Limit > 0 {
		return
	}
	if p.Hot && !sent.After(p.Cut) {
		p.heldAtOnce()
	}
	m, f := Moment{sent, nth}, &p.Proof
	switch n := len(p.Empty); {
	case guessed && p.one():
		f.From = Moment{}
	case p.one():
		if !f.From.At.IsZero() && nth == f.From.Sent+1 {
			f.Least = max(f.Least, 1/(sent.Sub(f.From.At)+slip).Seconds())
		}
		f.From = m
	default:
		if !guessed && (f.From.At.IsZero() || !held || p.Rate == 0) {
			f.From = m
		}
		if n > 0 && !f.First.At.IsZero() {
			f.Least = max(f.Least, m.least(f.First), m.least(p.Empty[n-1]))
		}
	}
}

// heldAtOnce learns how many calls the bucket holds: as many as were accepted before the first rejection, less what came in meanwhile.
func (p *Pace) heldAtOnce() {
	const round = 1e-3
	if p.Top = min(mostMirrored, math.Ceil(float64(p.Taken)-p.Rate*p.Cut.Sub(p.Since).Seconds()-round)); p.Top < 2 {
		p.Top = 0
	}
}

// Settle takes in what a rejection proves that the pace has learned of; was: the pace before it. fresh: it was let go since the
// last cut, so that the pace is judged by it.
func (p *Pace) Settle(now time.Time, fresh bool, was float64) {
	n, f := len(p.Empty), &p.Proof
	if n == 0 || p.Limit > 0 || p.Doubts > 0 {
		return
	}
	last := p.Empty[n-1]
	if was == 0 {
		p.heldAtOnce()
	}
	if f.First.At.IsZero() {
		*f = Proof{First: last, Most: fastest, From: f.From}
	}
	most := fastest
	if !f.From.At.IsZero() && f.From.At.Before(last.At) {
		most = last.most(f.From)
	}
	if n > 1 && !p.one() && !f.From.At.IsZero() && p.Empty[n-2].At.After(f.From.At) {
		most = min(most, last.most(p.Empty[n-2]))
	}
	if f.Most = min(f.Most, most); f.Least > f.Most { // it is another limit than it was
		*f = Proof{First: p.Empty[max(0, n-2)], Most: most, Sure: f.Sure}
	}
	if !fresh || p.kept(now) {
		return
	}
	if p.settled() && p.one() {
		f.Most = min(f.Most, 0.995*was/shy) // disproved
	}
	f.Sure = 0
	if rate := p.proved(); rate > 0 {
		p.Rate = max(rate, cutMost*was, slowest)
		p.Peak, p.Hot, p.Grown, p.Near, p.Cut = 0, false, 0, false, now
		f.Sure = int(min(settledFor, max(nearFor, 60*p.Rate)))
	}
}

// proved is the pace that the bounds leave; 0: too many.
func (p *Pace) proved() float64 {
	f, apart, part := p.Proof, loose, 1.0
	if p.one() {
		apart, part = looseOne, shy
	}
	if f.Least == 0 || f.Most > apart*f.Least {
		return 0
	}
	largest := rounded(60 * f.Most)
	n := 0
	for r := largest; r > 0 && r >= 60*f.Least; r = rounded(r - 1) {
		n++
	}
	switch {
	case n > mostRound, n == 0 && f.Most > tight*f.Least:
		return 0
	case n == 0:
		return part * (f.Least + within*(f.Most-f.Least))
	}
	return part * largest / 60
}

// keep goes on at the pace that is proved, and reports whether it does. After so many calls the limit may be higher.
func (p *Pace) keep() bool {
	f := &p.Proof
	if !p.settled() {
		return false
	}
	if f.Sure--; f.Sure == 0 {
		p.Grown, f.Most, f.From = recalled/2, fastest, Moment{}
	}
	return true
}

// rounded is the largest limit that is sold, in calls a minute, and not more than a number.
func rounded(x float64) float64 {
	step := 100.0
	switch {
	case x < 100:
		step = 5
	case x < 500:
		step = 10
	case x < 1000:
		step = 50
	}
	return math.Floor(x/step+1e-9) * step
}
