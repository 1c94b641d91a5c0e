package turn

import (
	"slices"
	"time"
)

// Retry is what Claude Code announced when a call was rejected (transcript row system/api_error): it tries again by
// itself, with no hook before it.
type Retry struct {
	Key
	Process  Process       `json:"process,omitzero"` // Claude Code; that of the key's turn when not given
	Rejected time.Time     `json:"rejected"`
	In       time.Duration `json:"in"`
	Attempt  int           `json:"attempt,omitempty"` // 1: after the call's first try
	// Late says that nothing announced it: it is known because it came.
	Late bool `json:"late,omitempty"`
	// Large says that it was rejected so often for want of tokens that it may never fit: it holds nobody back.
	Large bool `json:"large,omitempty"`
	// Named is the limit that was hit, where the server's message names one. What remains of it, it does not say.
	Named Limits `json:"-"`
}

// Caller is what was last heard of a key. Rows of one transcript come in order, so a row that is not newer than the
// last was reported before.
type Caller struct {
	Key
	Sent     time.Time `json:"sent,omitzero"`     // last call counted
	Owed     int       `json:"owed,omitempty"`    // calls counted whose row was not seen yet, the last among them
	Row      time.Time `json:"row,omitzero"`      // last api-request row
	Rejected time.Time `json:"rejected,omitzero"` // last api_error row
	Costs    Costs     `json:"costs,omitzero"`    // what the last call was expected to take
	Took     Costs     `json:"took,omitzero"`     // what it took; zero: not told yet
	Taken    Costs     `json:"taken,omitzero"`    // as in Grant, when the turn is over before it is known what it took
	Mute     bool      `json:"mute,omitempty"`    // see Ticket
}

const (
	// early is how long before its announced time a retry may be sent, and how long before we gave it the turn a
	// call: both clocks are this machine's, so only rounding.
	early = 50 * time.Millisecond
	// row is how long after its turn or its announced time a call may be sent: other hooks may run in between.
	row = time.Minute
	// told is how long after a call its transcript may tell of it.
	told = 500 * time.Millisecond
)

// caller is what is known of a key, made when missing. The pointer is good until the next call.
func (p *Pool) caller(k Key) *Caller {
	i := slices.IndexFunc(p.Callers, func(c Caller) bool { return c.Key == k })
	if i < 0 {
		i = len(p.Callers)
		p.Callers = append(p.Callers, Caller{Key: k})
	}
	return &p.Callers[i]
}

func (r Retry) due() time.Time { return r.Rejected.Add(r.In) }

// long says that the wait is a usage limit's: nobody else is held back.
func (r Retry) long() bool { return r.In > usage }

// holds says that nobody may start before it.
func (r Retry) holds(now time.Time) bool { return !r.long() && !r.Large && r.due().After(now) }

// said is how long the server told the call to wait, as far as the announced time gives it away: Claude Code waits for
// that long or for its own back-off, whichever is longer, and up to a quarter more (2.1.330). Zero: it was the back-off.
func (r Retry) said() time.Duration {
	own := min(32*time.Second, 500*time.Millisecond<<min(max(0, r.Attempt-1), 7))
	if least := r.In * 4 / 5; least > own {
		return least
	}
	return 0
}

// orphan drops announced retries that nobody will make. What the server said to them holds for everybody all the same.
func (p *Pool) orphan(now time.Time, which func(Retry) bool) {
	for _, r := range p.Retries {
		if which(r) && !r.long() {
			p.limit(now, r.Rejected.Add(r.said()), "")
		}
	}
	p.Retries = slices.DeleteFunc(p.Retries, which)
}

// nextRetry is the retry that falls due first, or -1.
func (p *Pool) nextRetry() int {
	first := -1
	for i, r := range p.Retries {
		if first < 0 || r.due().Before(p.Retries[first].due()) {
			first = i
		}
	}
	return first
}

// announced is the time of the retry that nobody may start before, if there is one.
func (p *Pool) announced(now time.Time) (until time.Time, ok bool) {
	for _, r := range p.Retries {
		if due := r.due(); r.holds(now) && (!ok || due.Before(until)) {
			until, ok = due, true
		}
	}
	return until, ok
}

// fire counts the announced retry as sent at its time.
func (p *Pool) fire(now time.Time, i int) {
	r := p.Retries[i]
	p.Retries = slices.Delete(p.Retries, i, i+1)
	p.send(Try{Key: r.Key, At: r.due()})
	p.seen(r.due(), r.Key)
}

// Retrying says that a call of the key was rejected and when Claude Code tries again. Reported twice, it counts once.
func (p *Pool) Retrying(now time.Time, k Key, r Retry) {
	now = p.advance(now)
	r.Key, r.Rejected, r.In = k, stamp(r.Rejected), min(longest, max(0, r.In.Truncate(time.Millisecond)))
	if r.Rejected.IsZero() || r.Rejected.After(now) {
		r.Rejected = now
	}
	c := p.caller(k)
	if !r.Rejected.After(c.Rejected) {
		return
	}
	c.Rejected = r.Rejected
	p.seen(r.Rejected, k)
	if g := p.grant(k); g != nil && r.Process == (Process{}) {
		r.Process = g.Process
	}
	p.Retries = slices.DeleteFunc(p.Retries, func(o Retry) bool { return o.Key == k && !o.long() })
	sent := p.tried(c, r.Rejected)
	tokens := p.named(now, sent, k, r)
	r.Large = tokens && r.Attempt >= large
	p.Pace.unsend(k, sent)
	if r.Late {
		p.Pace.doubt(sent, r.In)
	}
	p.account().refused(r.Rejected, k)
	if !c.Sent.After(r.Rejected) {
		c.Owed = 0
	}
	switch {
	case r.long():
		p.limit(now, r.due(), "")
		p.drop(k)
	case tokens:
		p.Pace.Level = min(1, p.Pace.Level+1)
	default:
		p.Pace.refused(now, sent, max(0.05, r.In.Seconds()), r.Attempt <= 1 && p.started(k, sent).After(p.Pace.Cut))
	}
	p.Retries = append(p.Retries, r)
	p.advance(now)
}

// tried is when the call that was rejected at a time was sent.
func (p *Pool) tried(c *Caller, rejected time.Time) time.Time {
	latest := rejected.Add(early)
	if !c.Sent.IsZero() && !c.Sent.After(latest) && rejected.Sub(c.Sent) < row {
		return c.Sent
	}
	// A later call of the key is known already, or none at all: the nearest before will do.
	for _, t := range slices.Backward(p.Pace.Log) {
		if !t.After(latest) && rejected.Sub(t) < trial {
			return t
		}
	}
	return rejected
}

// started is when the key's call was let go that was sent at a time: what the pace was then is what its fate tells of.
func (p *Pool) started(k Key, sent time.Time) time.Time {
	if g := p.grant(k); g != nil && g.At.Before(sent) {
		return g.At
	}
	return sent
}

// Sent says that a call of the key was seen in its transcript (row api-request, 2.1.330) as sent at a time. It is the
// call that the key has its turn for, or the retry it announced; else no gate stood before it, and it counts against
// the pace from now on. Reported twice, it counts once.
func (p *Pool) Sent(now time.Time, k Key, at time.Time) {
	now = p.advance(now)
	at = stamp(at)
	if at.IsZero() || at.After(now) {
		at = now
	}
	c := p.caller(k)
	if !at.After(c.Row) || !at.After(c.Rejected) {
		return // reported before, or known to have been rejected
	}
	c.Row = at
	p.seen(at, k)
	switch {
	case c.Owed > 1 && at.Before(c.Sent):
		c.Owed-- // the call before the last, which is counted too
		return
	case c.Owed > 0 && !at.Before(c.Sent.Add(-early)) && at.Sub(c.Sent) < row:
		p.Pace.resent(k, c.Sent, at)
		p.account().seen(k, c.Sent, at)
		// The server took its token when the call came, not when it was let go: until then a full bucket gained nothing.
		p.Pace.Level = max(-1, p.Pace.Level-p.Pace.Rate*max(0, at.Sub(c.Sent).Seconds()))
		c.Sent, c.Owed = at, 0
		return
	}
	if i := slices.IndexFunc(p.Retries, func(r Retry) bool { return r.Key == k }); i >= 0 && at.After(p.Retries[i].due().Add(-early)) {
		p.Retries = slices.Delete(p.Retries, i, i+1)
	}
	was := *c
	p.send(Try{Key: k, At: at})
	c = p.caller(k)
	c.Owed = 0
	p.account().seen(k, at, at)
	if was.Sent.After(at) { // an old report: the call that came after it stands
		c.Sent, c.Owed = was.Sent, was.Owed
	}
	p.advance(now)
}
