// Package limit holds what is believed of a server's rate limit: a pace, which is learned from rejections or told by headers, and
// mirrored buckets of tokens. They are values, and functions of values and of the time they are given.
//
// It knows neither calls nor sessions; package turn does.
package limit

import (
	"math"
	"slices"
	"time"
)

// The policy ceil learns one number per class of models, the pace in calls per second, and mirrors one token of the server's
// bucket, or a few. Until a 429 calls go as fast as others are accepted. The first 429 sets the pace; it grows by a fifth per
// call until it overshoots once. From then on a 429 cuts it by a tenth, or to what two moments of an empty bucket
// prove to be the most; it goes back near what was too much at once, then probes, slowly first. Nobody starts while
// a retry that Claude Code announced is due: left out, rejections double and sessions die.
//
// The numbers are the best of some hundreds of variants in simulation (sim_test.go), by the time to finish and the
// rejections per answer over small and large buckets, fast and slow calls, changing limits and unseen consumers. The
// optimum is flat: probing faster buys 0.2 % of the time for 0.4 rejections in a hundred answers.
const (
	mostTrial = 16               // before the first 429, never more calls on trial: at most so many are rejected at once
	cutBy     = 0.9              // what a 429 leaves of the pace
	cutMost   = 0.5              // and what it leaves at least, whatever the ceiling
	lowest    = 5.0 / 60         // calls per second, the lowest limit sold: a longer first wait tells of tokens, a window, an outage
	slowest   = 1.0 / 120        // calls per second, the pace never falls below
	fastest   = 1000.0           // and never rises above
	moments   = 2                // so many moments of an empty bucket are remembered
	spanMin   = time.Second      // two moments this far apart, at least,
	spanMax   = 30 * time.Second // and at most, prove how much the bucket gave
	longFirst = 2.5              // seconds: a first retry after this long bounds the pace by itself
	hotGrowth = 0.20             // what a confirmed call adds to the pace before its first cut
	backTo    = 0.96             // after a cut the pace goes back to this much of what was too much,
	backBy    = 0.3              // closing this much of the gap with a confirmed call,
	growth    = 0.0015           // and from there on probes: what a confirmed call adds,
	growthMax = 0.08             // up to this,
	doubling  = 3.5              // doubling every so many confirmed calls
	idle      = time.Minute      // nothing sent for so long: the pace is a memory
	fadeTo    = 0.95             // and goes on with this much of itself
	recalled  = 18               // probing as if so many calls had been confirmed: it may have been for other times
)

// mostTaken is how many accepted calls tell how many may be on trial.
const mostTaken = mostTrial * (mostTrial - 1) / 2

// Pace is what is believed about the server's bucket.
type Pace struct {
	Rate  float64   `json:"rate,omitempty"`  // calls per second; 0: no 429 yet
	Level float64   `json:"level,omitempty"` // of the one token that is mirrored: 1 is a call, never more
	At    time.Time `json:"at,omitzero"`     // when Level was right
	// Top is how many calls the server's bucket was proved to hold, of those that are mirrored; 0: one. What it holds beyond
	// Level's one is Spare.
	Top   float64 `json:"top,omitempty"`
	Spare float64 `json:"spare,omitempty"`
	// Window is how many calls may be on trial while Rate is unknown, less one; Taken how many were accepted, as far as that
	// tells of more.
	Window int  `json:"window,omitempty"`
	Taken  int  `json:"taken,omitempty"`
	Hot    bool `json:"hot,omitempty"` // since the first 429, until the first cut
	// Grown is how many calls that had to wait were confirmed since the last cut.
	// Near says that the last cut came after calls that told what is hardly too much.
	Near  bool      `json:"near,omitempty"`
	Grown int       `json:"grown,omitempty"`
	Cut   time.Time `json:"cut,omitzero"`    // calls sent before say nothing about Rate
	Peak  float64   `json:"peak,omitempty"`  // what was too much at the last cut
	Empty []Moment  `json:"empty,omitempty"` // the last at which the bucket was seen empty
	Sent  int       `json:"sent,omitempty"`  // calls that were sent and not rejected
	Since time.Time `json:"since,omitzero"`  // mostly half a minute to a minute before Used,
	Base  int       `json:"base,omitempty"`  // and Sent as it was then
	Used  time.Time `json:"used,omitzero"`   // last call
	Limit float64   `json:"limit,omitempty"` // calls per second, as the server's headers said
	// Named says that Limit is one that a message named: nothing tells when it changes.
	Named bool `json:"named,omitempty"`
	Fell  bool `json:"fell,omitempty"` // it was higher before
	// Spent says that they left no room for another call when they were last heard.
	Spent bool `json:"spent,omitempty"`
	// Doubts is how often a rejection contradicted the headers, Distrust how many more calls must be accepted before they
	// are believed again.
	Doubts   int `json:"doubts,omitempty"`
	Distrust int `json:"distrust,omitempty"`
	// Faded says that nothing was confirmed or refused since the pace became a memory.
	Faded  bool   `json:"faded,omitempty"`
	Proof  Proof  `json:"proof,omitzero"`
	Memory Memory `json:"memory,omitzero"`
}

// Moment is how many calls had been sent at a time, and not been rejected.
type Moment struct {
	At   time.Time `json:"at"`
	Sent int       `json:"sent"`
}

// Blank reports that nothing is known.
func (p *Pace) Blank() bool { return p.Rate == 0 && p.Window == 0 && p.Used.IsZero() }

// Fade makes the pace a memory when nothing was sent for a while.
func (p *Pace) Fade(now time.Time) {
	if now.Sub(p.Used) > idle && p.Rate > 0 && !p.Faded {
		p.sleep()
	}
}

// Trials returns how many calls may be on trial while the pace is unknown: one, and one more for each that was accepted. Where a
// rejection is told at once, the next trials come soon: then one, two, three and so on, and the first that are too many are
// fewer; after so many that go one by one.
func (p *Pace) Trials(soon bool, single int) int {
	if soon {
		return min(mostTrial, 1+int(math.Sqrt(float64(8*max(0, p.Taken-single)+1))-1)/2)
	}
	return p.Window + 1
}

// Accepted says that a call was that was sent at a time. Only one that was held for the limit raises the pace: the others do not
// show that it was in use.
func (p *Pace) Accepted(now, sent time.Time, held bool) {
	p.Distrust = max(0, p.Distrust-1)
	p.bears()
	if p.Rate == 0 || p.Hot && !sent.After(p.Cut) {
		p.Taken = min(mostTaken, p.Taken+1)
	}
	switch {
	case p.Rate == 0:
		p.Window = min(mostTrial-1, p.Window+1)
	case held:
		p.grow(now)
	}
}

func (p *Pace) grow(now time.Time) {
	if p.Near && p.Grown >= nearFor {
		p.Near, p.Grown = false, recalled/2
	}
	p.Refill(now)
	if p.recalls(now) || p.keep() {
		return
	}
	was := p.Rate
	switch back := backTo * p.Peak; {
	case p.Hot:
		p.Grown++
		p.Rate *= 1 + hotGrowth
	case p.Rate < 0.999*back:
		p.Rate += (back - p.Rate) * backBy
	default:
		p.Grown++
		p.Rate *= p.step()
	}
	p.Rate = min(fastest, p.Rate)
	if p.Named {
		p.Rate = min(p.Rate, beyond*p.Limit)
	}
	if p.Limit > 0 && (!p.Named || p.Grown < p.pressing()) {
		p.Rate = min(p.Rate, max(p.Limit, was))
	}
}

// step is by what a confirmed call raises the pace.
func (p *Pace) step() float64 {
	slower := 1.0
	if p.Near {
		slower = nearBy
	}
	return 1 + min(growthMax, growth/slower*math.Pow(2, float64(p.Grown)/doubling/slower))
}

// Refused learns from a 429 of a call sent at a time; d: how many seconds Claude Code waits, or the server says, before the
// next try; fresh: it was the call's first try, let go since the last cut; before: how many had been sent then.
func (p *Pace) Refused(now, sent time.Time, d float64, fresh bool, before int) {
	p.Near = false
	switch {
	case p.Rate == 0:
		p.Rate = 1 / d
		if d < longFirst {
			p.Rate = max(1/d, float64(before-p.Base)/max(10, sent.Sub(p.Since).Seconds()))
		}
		p.Rate = min(fastest, max(lowest, p.Rate))
		p.Level, p.Spare, p.At = 0, 0, now
		p.Hot, p.Grown, p.Cut = true, 0, now
	case fresh && !p.recants(now, sent, d, before):
		was := p.Rate
		p.Rate *= cutBy
		for _, e := range p.Empty {
			if span := sent.Sub(e.At); !p.Named && spanMin <= span && span <= spanMax {
				p.Rate = min(p.Rate, float64(before-e.Sent+1)/span.Seconds())
			}
		}
		p.Peak = max(min(was, p.Rate/cutBy), cutMost*was)
		p.Rate = max(p.Rate, cutMost*was, slowest)
		p.Hot, p.Grown, p.Cut = false, 0, now
		fallthrough
	default:
		// The bucket lacked part of a token then, and no more of it than comes in until the next try: the server said
		// that there will be one, and d is not less than what it said.
		had := max(0, 1-p.Rate*d)
		p.Level, p.Spare = max(-1, min(1, p.Level+1, had+p.Rate*now.Sub(sent).Seconds())), 0
	}
	p.empty(sent, before)
	p.Faded, p.Memory.Told = false, now
}

// empty remembers a moment at which the bucket was seen empty.
func (p *Pace) empty(at time.Time, sent int) {
	p.fell(at, sent)
	p.Empty = append(p.Empty, Moment{at, sent})
	slices.SortFunc(p.Empty, func(a, b Moment) int { return a.At.Compare(b.At) })
	p.Empty = p.Empty[max(0, len(p.Empty)-moments):]
}

// longest is the longest wait that is worked out.
const longest = 366 * 24 * time.Hour

// seconds is s as a duration, and no more than a duration can be.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, longest.Seconds()) * float64(time.Second))
}
