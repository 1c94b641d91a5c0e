package turn

import "time"

const (
	// usage is what no rate limit makes anyone wait: a longer wait is a usage limit's, hours or days, which Claude Code
	// shows and waits for by itself.
	usage = 10 * time.Minute
	// blind is the first cool-down when the API did not say how long; it doubles, and after mostBlind of them in a row
	// waiting is not what helps.
	blind     = 30 * time.Second
	mostBlind = 5
)

// CoolDown is a time during which nobody starts a call.
type CoolDown struct {
	Until time.Time `json:"until,omitzero"`
	Why   string    `json:"why,omitempty"`
	// Times counts the limits in a row that came without a time.
	Times int `json:"times,omitempty"`
	// Blind says that Until is a guess, for no time was given.
	Blind bool `json:"blind,omitempty"`
	// Asked says that somebody asked the API how long this one lasts, or is doing so as Asker.
	Asked bool    `json:"asked,omitempty"`
	Asker Process `json:"asker,omitzero"`
}

// Unasked reports that nobody knows how long the cool-down lasts, and nobody asks.
func (c CoolDown) Unasked(now time.Time, alive func(Process) bool) bool {
	return c.Blind && c.Until.After(now) && (!c.Asked || c.Asker.PID != 0 && !alive(c.Asker))
}

// GaveUp reports that limits without a time came so often in a row that nobody waits for them any more.
func (c CoolDown) GaveUp() bool { return c.Times > mostBlind }

func (c CoolDown) holds(now time.Time) (until time.Time, ok bool) {
	return c.Until, c.Until.After(now)
}

// Usage is a usage limit: known and shown, and nobody is held back for it.
type Usage struct {
	Until time.Time `json:"until,omitzero"`
	Why   string    `json:"why,omitempty"`
}

// Limited says that a call died of a limit that ends at until: the whole pool cools down. A zero until says that no
// time was given: 30 s then, doubling while it repeats, and after 5 times no more. Several calls that die during one
// cool-down are one limit.
func (p *Pool) Limited(now time.Time, until time.Time, why string) {
	now = p.advance(now)
	if !until.IsZero() {
		p.limit(now, stamp(until), why)
		return
	}
	if _, cooling := p.CoolDown.holds(now); cooling || p.CoolDown.GaveUp() {
		return
	}
	p.CoolDown = CoolDown{Until: now, Why: why, Times: p.CoolDown.Times + 1, Blind: true}
	if !p.CoolDown.GaveUp() {
		p.CoolDown.Until = now.Add(blind << (p.CoolDown.Times - 1))
	}
}

// Inquire lets one process ask the API how long the cool-down lasts, once, and says whether it is this one. Whoever may
// tells the answer to Learned.
func (p *Pool) Inquire(now time.Time, by Process, alive func(Process) bool) bool {
	now = p.advance(now)
	if !p.CoolDown.Unasked(now, alive) {
		return false
	}
	p.CoolDown.Asked, p.CoolDown.Asker = true, by
	return true
}

// Learned says what the API answered: the limit ends at until; or, with over, it let a small request through. A zero
// until without over says that it told nothing.
//
// A small request may pass where a session's large ones do not, so that over is believed of the first limit in a row
// only: when the session is rejected again, it waits as long as it would have.
func (p *Pool) Learned(now, until time.Time, over bool, why string) {
	now = p.advance(now)
	c := &p.CoolDown
	c.Asker = Process{}
	switch {
	case !c.Blind: // somebody else knew
	case !until.IsZero():
		*c = CoolDown{Until: now, Why: why}
		p.limit(now, ceil(until.UTC().Round(0)), why)
	case over && c.Times == 1:
		c.Until, c.Blind = now, false
	}
}

// limit records a limit that ends at until.
func (p *Pool) limit(now, until time.Time, why string) {
	switch {
	case until.Sub(now) > usage:
		if until.After(p.Usage.Until) || why != "" {
			p.Usage = Usage{Until: until, Why: why}
		}
	case until.After(now) && until.After(p.CoolDown.Until):
		p.CoolDown.Until, p.CoolDown.Why, p.CoolDown.Blind = until, why, false
	}
}

// Cooling is until when nobody may start, for whoever shows it: the later of the cool-down and of the announced
// retries.
func (p *Pool) Cooling(now time.Time) (until time.Time, ok bool) {
	now = p.advance(now)
	until, ok = p.CoolDown.holds(now)
	if !ok {
		until = time.Time{}
	}
	for _, r := range p.Retries {
		if due := r.due(); r.holds(now) && due.After(until) {
			until, ok = due, true
		}
	}
	return until, ok
}
