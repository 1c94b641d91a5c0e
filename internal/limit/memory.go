package limit

import "time"

// A pace outlives the work that it was learned in: when nothing is sent for a minute it is a memory, and the next work begins
// with it. It is believed until a rejection or a header says otherwise. After a while of calls that had to wait a higher pace is
// tried, for nobody tells that a limit was raised.
const (
	// Lasts is for how long after its last call a pace is remembered.
	Lasts = 30 * 24 * time.Hour
	// stale is how old a memory must be for the limit to be another by now.
	stale = time.Hour
	// keepStale is for how long calls must have had to wait until more than a stale memory is tried,
	keepStale = 35 * time.Second
	// keepFresh is the same for one that is not stale, or that was tried and found right.
	keepFresh = 5 * time.Minute
	// tries bounds for how long a higher pace may be tried and still be taken back.
	tries = 30 * time.Second
	// slipped is what a rejection leaves of a remembered pace that it does not disprove.
	slipped = 0.985
	// near is how much of a remembered pace a limit must be to be the same.
	near = 0.92
	// sure is how much of what a bucket was seen to hold is taken for what it holds: some of those calls may have been rejected later.
	sure = 0.9
)

// Memory is how a pace that was remembered is taken up again.
type Memory struct {
	// Told is when the pace was last told, or last let a call through that had to wait for it.
	Told time.Time `json:"told,omitzero"`
	// Woke is the first call after the pause, and how many were sent before it; zero once one was rejected.
	Woke Moment `json:"woke,omitzero"`
	// Bore is how many calls were accepted after the last pause before the first rejection, and in what time: the bucket holds as
	// many, less what came in meanwhile.
	Bore Borne `json:"bore,omitzero"`
	// Deep is how much is left of what the bucket held at the end of the pause.
	Deep float64 `json:"deep,omitempty"`
	// Keep is until when it is not raised; zero: it is no memory any more.
	Keep time.Time `json:"keep,omitzero"`
	// Was is the pace as it was remembered, while a higher one is tried since Tried; 0: none is.
	Was   float64 `json:"was,omitempty"`
	Tried Moment  `json:"tried,omitzero"`
}

// Borne is how many calls were accepted in what time.
type Borne struct {
	Calls int           `json:"calls"`
	In    time.Duration `json:"in"`
}

// Source is who told a pace.
type Source string

const (
	ByHeaders    Source = "headers"
	ByMessage    Source = "message"
	ByRejections Source = "rejections"
)

// Source returns who told the pace; empty: nothing is known.
func (p *Pace) Source() Source {
	switch {
	case p.Rate == 0:
		return ""
	case p.Limit == 0:
		return ByRejections
	case p.Named:
		return ByMessage
	}
	return ByHeaders
}

// Rejected returns when the last rejection since the last pause found the bucket empty; zero: there was none.
func (p *Pace) Rejected() (at time.Time) {
	if n := len(p.Empty); n > 0 {
		at = p.Empty[n-1].At
	}
	return at
}

// tells reports that headers tell the pace: each answer sets it right.
func (p *Pace) tells() bool { return p.Source() == ByHeaders }

// wake notes that a call is sent at a time, perhaps the first after a pause, in which the bucket filled.
func (p *Pace) wake(at time.Time) {
	m := &p.Memory
	m.Deep = max(0, m.Deep-1)
	if !m.Woke.At.IsZero() || !p.Faded && !p.Used.IsZero() {
		return
	}
	m.Woke = Moment{at, p.Sent}
	if depth := sure * p.depth(); depth > mostMirrored && !p.tells() {
		m.Deep = max(0, min(depth, p.Rate*at.Sub(p.Used).Seconds())-1)
		p.Top = mostMirrored
		p.Left(min(p.Top, m.Deep))
	}
	if p.Faded && p.tells() && p.Top > 1 { // what a bucket with room gains it keeps: this once makes up for calls that come sooner than others
		p.Give(-p.Rate * onTheWay.Seconds())
	}
}

// depth is how many calls the bucket holds, as far as what was borne after a pause tells.
func (p *Pace) depth() float64 {
	return max(1, p.Top, float64(p.Memory.Bore.Calls)-p.Rate*p.Memory.Bore.In.Seconds())
}

// fell notes what was borne until the first call after a pause was rejected, that was sent at a time.
func (p *Pace) fell(sent time.Time, before int) {
	m := &p.Memory
	if m.Deep = 0; len(p.Empty) > 0 || m.Woke.At.IsZero() {
		return
	}
	calls := before - m.Woke.Sent
	if m.Bore == (Borne{}) { // at first some are on trial
		calls = min(calls, p.Taken)
	}
	m.Bore = Borne{max(0, calls), max(0, sent.Sub(m.Woke.At))}
}

// bears lets calls go by what the bucket still holds: two for each that is accepted, so that few are rejected if others emptied it.
func (p *Pace) bears() {
	if n := min(2, p.Memory.Deep); p.Rate > 0 && n >= 1 {
		p.Give(n)
	}
}

// sleep makes a memory of what was learned. What was seen at moments of before proves nothing of what comes after the pause.
func (p *Pace) sleep() {
	switch {
	case p.tells():
		p.Rate = p.Limit
	case p.Limit == 0 && !p.settled():
		p.Rate = max(slowest, p.Rate*fadeTo)
	}
	p.Faded, p.Hot, p.Grown, p.Peak = true, false, recalled, 0
	p.Empty, p.Proof.Seen = nil, nil
	p.Memory = Memory{Told: p.Memory.Told, Bore: p.Memory.Bore}
}

// recalls reports whether a call that had to wait changes a remembered pace in no other way: it is kept for a while, then a higher
// one is tried, by steps that tell soon whether the limit was raised by much.
func (p *Pace) recalls(now time.Time) bool {
	m := &p.Memory
	if p.Faded && m.Deep >= 1 { // that it had to wait tells nothing of the pace
		return true
	}
	age := now.Sub(m.Told)
	m.Told = now
	switch {
	case p.tells():
		p.Faded, m.Keep = false, time.Time{}
		return false
	case p.Faded:
		p.Faded, m.Keep = false, now.Add(keepStale)
		if age < stale {
			m.Keep = now.Add(keepFresh)
		}
		return true
	case m.Keep.IsZero():
		return false
	case now.Before(m.Keep):
		return true
	case m.Was == 0:
		m.Was, m.Tried = p.Rate, Moment{now, p.Sent}
	case now.Sub(m.Tried.At) > tries: // it is higher
		m.Keep, m.Was = time.Time{}, 0
		return false
	}
	p.Rate = min(fastest, p.Rate*(1+hotGrowth))
	return true
}

// recants reports whether a rejection is of a remembered pace, or of a higher one that was tried, and the pace is set by what that
// proves. d is as for Refused; 0: nobody says.
func (p *Pace) recants(now, sent time.Time, d float64, before int) bool {
	m := p.Memory
	p.Memory.Keep, p.Memory.Was = time.Time{}, 0
	switch {
	case p.tells(): // it is what they say; only one that is rejected again soon is too much
		if sent.Sub(p.Rejected()) < idle {
			return false
		}
		p.Rate = max(slowest, p.Rate*slipped)
	case m.Was > 0:
		if float64(before-m.Tried.Sent) > m.Was*sent.Sub(m.Tried.At).Seconds()+max(1, p.Top) {
			return false // more was borne than the limit of before gives
		}
		p.Rate, p.Memory.Keep, p.Memory.Woke = m.Was, now.Add(keepFresh), Moment{}
	case (p.Faded || !m.Keep.IsZero()) && sent.Sub(m.Woke.At) < idle:
		p.disproved(now, sent, d, float64(before-m.Woke.Sent))
		p.fell(sent, before)
		p.Memory.Woke = Moment{} // what is proved from here on does not begin with a full bucket
	default:
		return false
	}
	p.Hot, p.Grown, p.Near, p.Cut = false, 0, false, now
	return true
}

// disproved sets the pace by a rejection soon after a pause: since the first call after it the bucket, which was full then, gave the
// calls that were accepted, less what it held, and the rest of one comes in until d.
func (p *Pace) disproved(now, sent time.Time, d, calls float64) {
	was, span, held := p.Rate, sent.Sub(p.Memory.Woke.At).Seconds(), p.depth()
	smaller := calls+1 <= held
	if smaller { // it holds less than it did, and what it gives will be less too; the last may have been rejected beside this one
		held, p.Memory.Bore = max(1, calls-1), Borne{}
		if p.Top, p.Taken = min(mostMirrored, held), int(held); held < 2 {
			p.Top = 0
		}
	}
	least, most := (calls+1-held)/(span+d), fastest
	switch {
	case d == 0:
		least = max(0, calls+1-held-fuller) / max(span, slip.Seconds())
		most = least
	case span+d > 1:
		most = (calls + 1 - held) / (span + d - 1)
	}
	if close := slipped * min(was, most); close >= near*was && !smaller { // it came a moment too early, or others had a part of it
		p.Rate, p.Memory.Keep = max(slowest, close), now.Add(keepFresh)
		return
	}
	least = max(least, cutMost*was, slowest)
	p.Rate, p.Peak, p.Proof, p.Memory.Keep = least, 0, Proof{}, now.Add(keepStale)
	for sold := rounded(60*min(most, was)) / 60; sold >= least*0.999; sold = rounded(60*sold-1) / 60 {
		p.Rate = sold // the lowest that is sold
	}
}

// kept reports that the pace is a memory that is neither raised nor taken from what calls prove.
func (p *Pace) kept(now time.Time) bool { return p.Memory.Keep.After(now) }

// rested reports that nothing was sent for as long as the bucket needs to fill at a limit that headers tell, since a call that was
// accepted.
func (p *Pace) rested(now time.Time) bool {
	n := len(p.Empty)
	return p.tells() && p.Sent > p.Empty[n-1].Sent && now.Sub(p.Used).Seconds() > p.Top/p.Rate
}
