package limit

import (
	"math"
	"slices"
	"time"
)

// Where a gate learns of rejections at once, and nobody says the limit, what became of the last calls proves between which bounds
// it lies. Limits are sold in round numbers: the largest between the bounds is the pace until a rejection disproves it.
const (
	slip       = 30 * time.Millisecond // two calls may be so much nearer, at the server, than we know: each is under way for 1 to 30 ms
	loose      = 1.6                   // bounds further apart tell no more than a rejection does,
	within     = 0.6                   // where between bounds without a round number the pace is
	shy        = 0.985                 // how much of the limit it is, where the bucket holds one: two that come 30 ms nearer are one rejection
	outcomes   = 32                    // so many are remembered
	settledFor = 100                   // calls, or two minutes', until a pace that is proved is tried again; then twice as many each time,
	settledMax = 600.0                 // up to ten minutes',
	fallenFor  = 6                     // but so few after a fall: the limit may soon be what it was
	fell       = 0.75                  // a fall is to less than this much of the pace that was proved before
	oddities   = 3                     // so many outcomes in a row that leave no limit possible show that it changed,
	oddKept    = 3                     // and so many of them are of the new one; fewer may be told in the wrong order
)

// Proof is what calls prove of the limit, in calls per second.
type Proof struct {
	// Seen is what became of the last calls, in the order in which they were sent.
	Seen  []Outcome `json:"seen,omitempty"`
	Least float64   `json:"least,omitempty"`
	Most  float64   `json:"most,omitempty"`
	// Odd is how many outcomes in a row left nothing between Least and Most.
	Odd int `json:"odd,omitempty"`
	// Kept is the pace that was proved last, For for how many calls it was to be kept, Sure for how many more it is; 0: it is
	// another.
	Kept float64 `json:"kept,omitempty"`
	For  int     `json:"for,omitempty"`
	Sure int     `json:"sure,omitempty"`
}

// Outcome is what became of a call that was sent at a time.
type Outcome struct {
	At       time.Time `json:"at"`
	Sent     int       `json:"sent,omitempty"` // how many calls of those that were sent before it were not rejected
	Rejected bool      `json:"rejected,omitempty"`
	In       float64   `json:"in,omitempty"`      // seconds, what its rejection told it to wait; 0: it did not say
	Guessed  bool      `json:"guessed,omitempty"` // nobody knows when it was sent
}

// weigh returns -1 if a limit, in calls per second, gives less than was seen, 1 if it gives more, 0 if it may be the server's. top is
// how many calls the server's bucket holds at least; one says that it holds one.
func (f *Proof) weigh(rate, top float64, one bool) int {
	least, most := 0.0, math.Inf(1) // between which the bucket's level is
	slop := rate * slip.Seconds()
	for i, o := range f.Seen {
		if i > 0 {
			before := f.Seen[i-1]
			came, taken := rate*o.At.Sub(before.At).Seconds(), float64(o.Sent-before.Sent)
			most += came - taken
			others := taken // nothing is told of them yet: they may have come last
			if !before.Rejected {
				least, others = max(0, least-1), taken-1
			}
			if least += came; o.Rejected {
				least -= slop
			}
			least = max(0, min(top, least)-others)
		}
		if one {
			most = min(most, 1)
		}
		switch {
		case !o.Rejected && most < 1-slop && !o.Guessed:
			return -1
		case !o.Rejected:
			continue
		case least >= 1, o.In > 1 && rate*(o.In-1) > 1-least: // servers say a second at least, and round up
			return 1
		case o.In > 0 && rate*o.In < 1-most-slop:
			return -1
		}
		most = min(most, 1)
	}
	return 0
}

// settled reports that the pace is the one that calls prove.
func (p *Pace) settled() bool { return p.Proof.Sure > 0 && p.Limit == 0 && p.Doubts == 0 }

// one reports that the server's bucket holds one call, as far as is known: each that is accepted leaves it empty.
func (p *Pace) one() bool { return p.Taken <= 1 }

// Bore takes in that the nth call was accepted, that was sent at a time. guessed: nobody knows when that was.
func (p *Pace) Bore(sent time.Time, nth int, guessed bool) {
	if p.Limit > 0 {
		return
	}
	if p.Hot && !sent.After(p.Cut) {
		p.heldAtOnce()
	}
	p.see(Outcome{At: sent, Sent: nth - 1, Guessed: guessed})
	if p.settled() && p.Rate < p.Proof.Least*p.part() {
		p.Rate = max(p.Rate, p.proved())
	}
}

// see takes in what became of a call, and what it proves.
func (p *Pace) see(o Outcome) {
	f := &p.Proof
	f.Seen = slices.DeleteFunc(f.Seen, func(other Outcome) bool { return other.At.Equal(o.At) }) // it was taken for accepted
	f.Seen = append(f.Seen, o)
	slices.SortFunc(f.Seen, func(a, b Outcome) int { return a.At.Compare(b.At) })
	f.Seen = f.Seen[max(0, len(f.Seen)-outcomes):]
	weigh := func(rate float64) int { return f.weigh(rate, max(1, p.Top), p.one()) }
	f.Least = largest(func(rate float64) bool { return weigh(rate) < 0 })
	f.Most = largest(func(rate float64) bool { return weigh(rate) <= 0 })
	if f.Least < f.Most {
		f.Odd = 0
		return
	}
	f.Least, f.Most = 0, fastest
	if f.Odd++; f.Odd == oddities {
		p.Top, p.Spare, p.Fell = 0, 0, f.Kept > 0
		f.Odd, f.Seen = 0, f.Seen[max(0, len(f.Seen)-oddKept):]
	}
}

// largest returns the largest pace of which something holds that holds of all smaller ones.
func largest(holds func(rate float64) bool) float64 {
	least, most := slowest, fastest
	if holds(most) {
		return most
	}
	for most > 1.002*least {
		if mid := math.Sqrt(least * most); holds(mid) {
			least = mid
		} else {
			most = mid
		}
	}
	return least
}

// heldAtOnce learns how many calls the bucket holds: as many as were accepted before the first rejection, less what came in meanwhile.
func (p *Pace) heldAtOnce() {
	const round = 1e-3
	if p.Top = min(mostMirrored, math.Ceil(float64(p.Taken)-p.Rate*p.Cut.Sub(p.Since).Seconds()-round)); p.Top < 2 {
		p.Top = 0
	}
}

// Settle goes on at the pace that calls prove, when one was rejected that the pace has learned of; was: the pace before it.
func (p *Pace) Settle(now time.Time, rejected Outcome, was float64) {
	if p.Limit > 0 || p.Doubts > 0 {
		return
	}
	if was == 0 {
		p.heldAtOnce()
	}
	rejected.Rejected = true
	f, settled := &p.Proof, p.settled()
	p.see(rejected)
	if p.kept(now) {
		return
	}
	if f.Odd > 0 && settled { // the call was late, as far as can be seen
		p.Rate = was
		return
	}
	f.Sure = 0
	rate := p.proved()
	if rate == 0 {
		return
	}
	switch {
	case math.Abs(rate-f.Kept) < 0.02*rate: // it was tried, and is what it was
		f.For = int(max(fallenFor, min(2*float64(f.For), settledMax*rate)))
	case p.Fell || rate < fell*f.Kept:
		p.Fell, f.For = rate <= f.Kept, fallenFor
	default:
		f.For = int(max(settledFor, 120*rate))
	}
	p.Rate = max(rate, cutMost*was, slowest)
	p.Peak, p.Hot, p.Grown, p.Near, p.Cut = 0, false, 0, false, now
	f.Kept, f.Sure = rate, f.For
}

// part is how much of the limit the pace is.
func (p *Pace) part() float64 {
	if p.one() {
		return shy
	}
	return 1
}

// proved returns the pace that the bounds leave; 0: they are too far apart.
func (p *Pace) proved() float64 {
	f := p.Proof
	if f.Least == 0 || f.Most > loose*f.Least {
		return 0
	}
	if sold := rounded(60*f.Most) / 60; sold >= f.Least {
		return p.part() * sold
	}
	return p.part() * (f.Least + within*(f.Most-f.Least))
}

// keep goes on at the pace that is proved, and reports whether it does. After so many calls the limit may be higher.
func (p *Pace) keep() bool {
	f := &p.Proof
	if !p.settled() {
		return false
	}
	if f.Sure--; f.Sure == 0 {
		p.Grown, f.Most, f.Seen = recalled/2, fastest, nil
		if p.Fell {
			p.Grown = recalled
		}
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
