package turn

import "time"

// Hold is what keeps a call from going: until when it is sure to, and why. The zero Hold keeps nothing.
type Hold struct {
	Until time.Time
	Why   Reason
}

// Reason is what a call is held by, as people are told it.
type Reason string

const (
	OneAtATime  Reason = "as many calls as the rules allow"
	OwnGap      Reason = "the gap after its last call"
	OverBudget  Reason = "its budget"
	WakingOther Reason = "a session that wakes up"
	TooLarge    Reason = "its size: it may be more than the limit"
	Cooling     Reason = "the cool-down"
	Announced   Reason = "a rejected call that goes first"
	OnTrial     Reason = "calls on trial"
	Paced       Reason = "the pace"
	LackTokens  Reason = "the limit of tokens"
	Elsewhere   Reason = "the other machines on the limit"
	Reserved    Reason = "the reserve: what is left of a window is for people"
)

// longer is the one of two holds that ends later.
func (h Hold) longer(other Hold) Hold {
	if other.Until.After(h.Until) {
		return other
	}
	return h
}

// heldAlone is what holds the call and nobody else, but for [OverBudget].
func (a *Account) heldAlone(now time.Time, c *Call) (h Hold) {
	h = a.gap(c).longer(Hold{a.KeptBack(now, c), Reserved})
	if c.Event == WakeEvent {
		h = h.longer(Hold{a.waking(c.Class), WakingOther})
	}
	if c.Retry != nil {
		h = h.longer(Hold{c.Retry.Due(), TooLarge})
	}
	if !h.Until.After(now) && c.Rules.Budget != (Budget{}) {
		h = a.overBudget(now, c)
	}
	return h
}

// heldWithAll is what holds the call and all that stand behind it.
func (a *Account) heldWithAll(now time.Time, c *Call) (h Hold) {
	if most := c.Rules.Most; most > 0 && len(a.in(c.Class, Granted)) >= most {
		return Hold{a.lapses(now, c.Class), OneAtATime}
	}
	l := a.Class(c.Class)
	h = a.cools(now, c)
	for _, other := range []Hold{a.announced(now, c.Class), a.onTrial(now, c)} {
		h = h.longer(other)
	}
	others := l.fleetDecides(now, c)
	if !others {
		h = h.longer(Hold{l.Pace.Whole(), Paced})
	}
	cost, _ := a.expect(c)
	if c.Rejections == 0 { // else the server said when it fits
		h = h.longer(Hold{l.Tokens.Afford(now, cost), LackTokens})
	}
	if c.Reserves {
		h = h.longer(Hold{l.Quota.Afford(now, c.reservation(cost)), LackTokens})
	}
	if !h.Until.After(now) && others && !l.Fleet.Pass.After(now) {
		h = Hold{l.Fleet.unasked(now), Elsewhere}
	}
	return h
}

// gap holds a call until the gap after its session's last is over.
func (a *Account) gap(c *Call) (h Hold) {
	if c.Rules.Gap <= 0 {
		return h
	}
	for _, other := range a.Calls {
		if start := Latest(other.Sent, other.Refused); other.Session == c.Session && other.Class == c.Class && !start.IsZero() {
			h = h.longer(Hold{start.Add(c.Rules.Gap), OwnGap})
		}
	}
	return h
}

// cools holds a call for the cool-downs of its class, of calls that are not told apart by class, and, where it is not, of
// the class that its model may be of.
func (a *Account) cools(now time.Time, c *Call) (h Hold) {
	for name, l := range a.Classes {
		if name == c.Class || name == "" || c.Class == "" && (c.Model == "" || c.Model == name) {
			h = h.longer(Hold{l.CoolDown.Until, Cooling})
		}
	}
	if c.Class != "" {
		h = h.longer(a.announced(now, ""))
	}
	return h
}

// announced holds all until the next call that was rejected is made again.
func (a *Account) announced(now time.Time, class string) (h Hold) {
	for _, c := range a.Calls {
		if c.Class == class && c.Retry != nil && c.Retry.holds(now) {
			h = Hold{earliest(h.Until, c.Retry.Due()), Announced}
		}
	}
	return h
}

// onTrial holds all, before the first rejection, until one of the calls on trial is accepted; later, until none of those may
// have been rejected that were sent after one that was.
func (a *Account) onTrial(now time.Time, of *Call) (h Hold) {
	l, single := a.Class(of.Class), 0
	p := l.Pace
	if of.soon() {
		single = singles
	}
	trials := a.all(func(c *Call) bool { return c.Class == of.Class && c.Trial })
	if p.Rate == 0 && len(trials) < l.Fleet.trials(p.Trials(of.soon(), single)) {
		return h
	}
	for _, c := range trials {
		until := c.Doubt
		if p.Rate == 0 {
			until = c.trialEnds(false)
		}
		if until.After(now) {
			h = Hold{earliest(h.Until, until), OnTrial}
		}
	}
	return h
}

// Held returns what keeps the key's call in line, as far as it is not those before it; false: nothing does, or it does not wait.
func (a *Account) Held(now time.Time, k Key) (h Hold, ok bool) {
	c := a.waiting(k)
	if c == nil {
		return h, false
	}
	now = Latest(stamp(now), a.At)
	h = a.heldAlone(now, c)
	if !h.Until.After(now) {
		h = a.heldWithAll(now, c)
	}
	return h, h.Until.After(now)
}

// CoolsUntil is until when nobody of a class may start, for whoever shows it: the later of the cool-down and of the announced
// tries; zero: anybody may.
func (a *Account) CoolsUntil(now time.Time, class string) (until time.Time) {
	if end := a.Class(class).CoolDown.Until; end.After(now) {
		until = end
	}
	for _, c := range a.Calls {
		if c.Class == class && c.Retry != nil && c.Retry.holds(now) {
			until = Latest(until, c.Retry.Due())
		}
	}
	return until
}
