package limit

import "time"

const (
	unsaid  = 0.7  // calls per second after the first rejection, where nobody says how long to wait
	fuller  = 0.5  // by so much fuller the bucket is, on average, when a pace that is hardly too high empties it
	telling = 3    // so many calls between two rejections tell what is hardly too much:
	nearBy  = 3.0  // near it the pace grows so much more slowly,
	nearFor = 17   // for so many calls, for then the limit may be another
	proving = 4    // so many calls at a pace prove something of it
	kept    = 0.95 // and so much of what they prove is kept
)

// Met learns from a 429 that is told at once, of a call that was sent at a time, where nobody says how long to wait. fresh and
// before are as for Refused. What is left then is what two moments tell between which calls were accepted: at both the bucket
// held less than one. late: Claude Code sends it again, later than it could be.
func (p *Pace) Met(now, sent time.Time, fresh, late bool, before int) {
	switch {
	case p.Rate == 0:
		p.Rate = min(fastest, max(unsaid, float64(before-p.Base)/max(10, sent.Sub(p.Since).Seconds())))
		p.Hot, p.Grown, p.Cut = true, 0, now
		p.put(0)
		p.At = now
		sent, before = now, p.Sent // others on trial were sent with it
	case fresh && !p.recants(now, sent, 0, before):
		was := p.Rate
		p.Rate = max(p.less(sent, late, before), cutMost*was, slowest)
		p.Peak, p.Hot, p.Grown, p.Cut = p.Rate, false, 0, now
		fallthrough
	default:
		p.Level, p.Spare = min(1, fuller+p.Rate*now.Sub(sent).Seconds()), 0
	}
	p.empty(sent, before)
	p.Faded, p.Memory.Told = false, now
}

// Waited says how long Claude Code waited after the first rejection until its next try: as long as the server said, a second at
// least, and up to a quarter longer.
func (p *Pace) Waited(d time.Duration) {
	switch {
	case !p.Hot || p.Rate != unsaid:
	case d <= 1500*time.Millisecond:
		p.Rate = 1
	default:
		p.Rate = max(lowest, min(p.Rate, 1.1/d.Seconds())) // the quarter is an eighth on average
		p.Peak, p.Hot, p.Grown = p.Rate, false, recalled/2
	}
}

// less returns to what a rejection cuts the pace. Calls since the last tell together what came in, and what the server bore; but
// where some were late and the bucket holds one, it came to nothing meanwhile, and only the last call tells: the one before it
// was not too fast.
func (p *Pace) less(sent time.Time, late bool, before int) float64 {
	if late && p.Taken <= 1 {
		n := len(p.Empty)
		if p.Hot || n == 0 || before-p.Empty[n-1].Sent < proving {
			p.Near = false
			return p.Rate * cutBy
		}
		step := p.step()
		p.Near = true
		return p.Rate * max(cutBy, kept/step/step)
	}
	rate, bore := p.Rate*cutBy, 0.0
	p.Near = false
	for i, e := range p.Empty {
		calls := float64(before - e.Sent)
		if span := sent.Sub(e.At); spanMin <= span && span <= spanMax {
			rate = min(rate, (calls+fuller)/span.Seconds())
			p.Near = p.Near || calls >= telling
		}
		if i == len(p.Empty)-1 && !p.Hot && calls >= proving {
			bore = kept * p.Peak * (1 - float64(p.Taken-1)/calls)
		}
	}
	return max(rate, bore)
}
