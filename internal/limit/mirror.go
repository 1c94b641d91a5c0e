package limit

import (
	"math"
	"time"
)

// mostMirrored bounds how many calls go at once at a known limit after a pause: so many are rejected where others used it.
const mostMirrored = 3

// Refill lets what is mirrored grow until now.
func (p *Pace) Refill(now time.Time) {
	if now.After(p.At) {
		if p.Rate > 0 {
			p.Give(p.Rate * now.Sub(p.At).Seconds())
		}
		if n := len(p.Empty); n > 0 && now.Sub(p.Empty[n-1].At) < idle && !p.settled() && !p.rested(now) {
			p.Spare = 0 // it may be an outage, or others: no more than one is tried
		}
		p.At = now
	}
}

// Give adds to what is mirrored, or takes from it, within its bounds.
func (p *Pace) Give(calls float64) { p.put(p.Level + p.Spare + calls) }

// Left says that no less than that is left.
func (p *Pace) Left(calls float64) { p.put(max(p.Level+p.Spare, calls)) }

func (p *Pace) put(level float64) {
	p.Level = max(-1, min(1, level))
	p.Spare = max(0, min(level, p.Top)-1)
}

// Holds says that so many calls were accepted that were sent within a time: the server's bucket holds as many, less what came
// in meanwhile.
func (p *Pace) Holds(calls int, within time.Duration) {
	if p.Limit > 0 {
		p.Top = max(p.Top, min(mostMirrored, math.Ceil(float64(calls)-p.Limit*(within+Slop).Seconds())))
	}
}

// Spend takes the token of a call that was sent at a time, and may be under way so much longer than another. A bucket that was
// full gained nothing until the call came: that is lost, with every call where the bucket holds one. What a bucket with room
// gains meanwhile it keeps.
func (p *Pace) Spend(at time.Time, longer time.Duration) {
	p.Refill(at)
	if p.Rate > 0 {
		if p.Level+p.Spare >= max(1, p.Top)-1e-6 {
			p.Give(-p.Rate * longer.Seconds())
		}
		p.Give(-1)
	}
	p.wake(at)
	switch since := at.Sub(p.Since); {
	case since > 2*time.Minute:
		p.Since, p.Base = at, p.Sent
	case since > time.Minute: // as if they had come evenly
		p.Since, p.Base = p.Since.Add(since/2), p.Base+(p.Sent-p.Base)/2
	}
	if at.After(p.Used) {
		p.Used = at
	}
}

// Whole returns when the mirrored token is whole and a call may go; zero: it is.
func (p *Pace) Whole() time.Time {
	if p.Rate == 0 || p.Level >= 1-1e-6 { // so little short that a clock of milliseconds cannot tell
		return time.Time{}
	}
	return p.At.Add(seconds((1 - p.Level) / p.Rate))
}
