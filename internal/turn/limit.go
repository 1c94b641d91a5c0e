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

// GaveUp reports that limits without a time came so often in a row that nobody waits for them any more.
func (c CoolDown) GaveUp() bool { return c.Times > mostBlind }

// Usage is a usage limit: known and shown, and nobody is held back for it.
type Usage struct {
	Until time.Time `json:"until,omitzero"`
	Why   string    `json:"why,omitempty"`
}

// Limited says that a call of a class died of a limit that ends at until: all calls of the class cool down. A zero until says
// that no time was given: 30 s then, doubling while it repeats, and after 5 times no more. Several calls that die during
// one cool-down are one limit.
func (a *Account) Limited(now time.Time, class string, until time.Time, why string) {
	now = a.advance(now)
	l := a.class(class)
	if !until.IsZero() {
		l.until(now, stamp(until), why)
		return
	}
	if l.CoolDown.Until.After(now) || l.CoolDown.GaveUp() {
		return
	}
	l.CoolDown = CoolDown{Until: now, Why: why, Times: l.CoolDown.Times + 1, Blind: true}
	if !l.CoolDown.GaveUp() {
		l.CoolDown.Until = now.Add(blind << (l.CoolDown.Times - 1))
	}
}

// until records a limit that ends at a time: a usage limit, which holds nobody, or a cool-down.
func (l *Class) until(now, end time.Time, why string) {
	switch {
	case end.Sub(now) > usage:
		if end.After(l.Usage.Until) || why != "" {
			l.Usage = Usage{Until: end, Why: why}
		}
	case end.After(now) && end.After(l.CoolDown.Until):
		l.CoolDown.Until, l.CoolDown.Why, l.CoolDown.Blind = end, why, false
	}
}
