package turn

import (
	"slices"
	"time"

	"afteryou/internal/limit"
)

const (
	// rounding is how long before its announced time a try may be sent, and how long before we gave it the turn a call: both
	// clocks are this machine's.
	rounding = 50 * time.Millisecond
	// delivery is how long after its turn or its announced time a call may be sent: other hooks may run in between.
	delivery = time.Minute
	// writing is how long after a call its transcript may tell of it.
	writing = 500 * time.Millisecond
	// overdue is how long after the end of a turn the row of its request is still waited for.
	overdue = 10 * time.Second
	// large is how many rejections in a row for want of tokens show that it is not for want of turns: a prompt that is larger
	// than the limit fits never, and is tried 300 times (2.1.330).
	large = 4
)

// backOff returns how long Claude Code waits after so many rejections of a call where nobody says how long (2.1.330). The gateway
// waits as long.
func backOff(times int) time.Duration {
	return min(32*time.Second, 500*time.Millisecond<<min(max(0, times-1), 7))
}

// Retry is the next try of a call that was rejected. Claude Code makes it by itself, with no hook before it.
type Retry struct {
	Process  Process       `json:"-"` // Claude Code, where the key has no turn
	Rejected time.Time     `json:"rejected"`
	In       time.Duration `json:"in"`
	Attempt  int           `json:"attempt,omitempty"` // 1: after the call's first try
	// Large says that it was rejected so often for want of tokens that it may never fit: it holds nobody else.
	Large bool `json:"large,omitempty"`
	// Named is the limit that was hit, where the server's message names one. What remains of it, it does not say.
	Named limit.Headers `json:"-"`
}

// Due is when the call is made again.
func (r Retry) Due() time.Time { return r.Rejected.Add(r.In) }

// long reports that the wait is a usage limit's.
func (r Retry) long() bool { return r.In > usage }

// holds reports that nobody may start before it.
func (r Retry) holds(now time.Time) bool { return !r.long() && !r.Large && r.Due().After(now) }

// said is how long the server told the call to wait, as far as the announced time gives it away: Claude Code waits for
// that long or for its own back-off, whichever is longer, and up to a quarter more (2.1.330). Zero: it was the back-off.
func (r Retry) said() time.Duration {
	if least := r.In * 4 / 5; least > backOff(r.Attempt) {
		return least
	}
	return 0
}

// patience is how long after a rejection Claude Code tries again, where neither it nor the server says: a server says a second at
// least, and Claude Code waits for up to a quarter more (2.1.330).
// After the first rejection all wait until its next try is answered, but no longer than firstPatience.
const (
	patience      = 1250 * time.Millisecond
	firstPatience = 4 * time.Second
)

// Marked says that a try of the key's call was rejected, as its stream told at a time, and that Claude Code makes the next by
// itself. Neither says why, or when that is. A mark after which the call is answered without another tells that the try was
// accepted: then tell [Account.Accepted].
func (a *Account) Marked(now time.Time, k Key, at time.Time) {
	now = a.advance(now)
	at = happened(now, at)
	c := a.turn(k)
	if c == nil || !at.After(c.Refused) {
		return
	}
	a.alive(at, k)
	c.Rejections++
	l, sent := a.class(c.Class), c.Sent
	if sent.IsZero() { // its next try came before we thought
		sent, c.Nth = at, l.Pace.Sent
	}
	began := c.began(sent)
	a.refuse(at, c)
	defer l.forfeits(l.Pace.Level + l.Pace.Spare)
	in := max(patience, backOff(c.Rejections)*5/4)
	if l.Pace.Rate == 0 {
		in = firstPatience // how long it waits tells what the limit is
	}
	c.Retry = &Retry{Rejected: at, In: in, Attempt: c.Rejections}
	since, was := began.After(l.Pace.Cut), l.Pace.Rate
	l.Pace.Met(now, sent, c.Rejections == 1 && since, true, c.Nth)
	l.Pace.Settle(now, limit.Outcome{At: sent, Sent: c.Nth}, was)
}

// refuse takes a call that was rejected at a time off the pace. In the budget it stays as a request that took no tokens.
func (a *Account) refuse(at time.Time, c *Call) {
	if !a.Budgeted.IsZero() {
		a.Requests = append(a.Requests, at)
	}
	if p := &a.class(c.Class).Pace; !c.Trial && !c.Sent.IsZero() { // it was taken for accepted
		p.Taken = max(0, p.Taken-1)
	}
	a.count(c, -1)
	c.Sent, c.Refused = time.Time{}, at
	c.Trial, c.Unseen, c.Silent, c.Paced = false, false, false, false
}

// Rejection is a 429 or a 529 that the gateway was answered.
type Rejection struct {
	In      time.Duration // retry-after; 0: not said
	Limit   bool          // a limit was met (429); else the server is overloaded (529)
	Headers limit.Headers // what the headers say
	Window  bool          // it is a window of a subscription that is used up, whatever the pace
}

// Rejected says that the gateway was answered 429 or 529 for the key's call and keeps it: the call goes back to the head of
// the line, and all wait what the server said, longer when the same call was rejected before; but not for one that was
// rejected so often for want of tokens that it may never fit. It reports whether that contradicts the headers, for the first
// time in this class: they are not believed then until some calls were accepted, twice as many each time, and rejections
// tell the pace.
func (a *Account) Rejected(now time.Time, k Key, r Rejection) (contradicted bool) {
	now = a.advance(now)
	c := a.turn(k)
	if c == nil {
		c = a.add(k, Process{})
	}
	l, times, sent, needs := a.class(k.Class), c.Rejections+1, c.Sent, c.Needs
	lies := r.contradicts(&l.Pace, times, now.Sub(Latest(sent, now.Add(-writing)))+limit.Slop)
	tokens := r.tokens() && l.Pace.Distrust == 0 && !lies
	if sent.IsZero() {
		sent, c.Nth = now, l.Pace.Sent
	}
	if !lies {
		a.headers(now, c, sent, r.Headers)
	}
	since, was := c.began(sent).After(l.Pace.Cut), l.Pace.Rate
	fresh := since && times == 1
	wait := max(0, r.In)
	if wait <= usage {
		wait = max(wait, backOff(times))
	}
	defer l.forfeits(l.Pace.Level + l.Pace.Spare)
	a.refuse(now, c)
	a.comeBack(now, c, times)
	switch {
	case wait > usage, r.Window:
	case lies:
		l.Pace.Contradicted(now, sent, wait.Seconds(), c.Nth)
	case tokens:
		l.Pace.Give(1)
		c.Expected.Input, c.Own = max(c.Expected.Input, l.Tokens.Lacked(wait)), true
	case r.In == 0 && r.Limit && needs > 0 && l.Quota.Rejected(needs):
	case r.In == 0 && r.Limit && l.Pace.Limit == 0:
		l.Pace.Met(now, sent, fresh, false, c.Nth)
		l.Pace.Settle(now, limit.Outcome{At: sent, Sent: c.Nth}, was)
	default:
		l.Pace.Refused(now, sent, wait.Seconds(), fresh, c.Nth)
		if r.Limit {
			l.Pace.Settle(now, limit.Outcome{At: sent, Sent: c.Nth, In: r.In.Seconds()}, was)
		}
	}
	if tokens && times >= large && wait <= usage {
		c.Retry = &Retry{Rejected: now, In: wait, Attempt: times, Large: true}
	} else {
		why := ""
		if r.Window {
			why = UsageLimit
		}
		l.until(now, ceil(now.Add(wait)), why)
	}
	return lies && l.Pace.Doubts == 1
}

// comeBack puts a call that was rejected at the head of the line, if it had its turn.
func (a *Account) comeBack(now time.Time, c *Call, times int) {
	if c.Phase != Granted {
		return
	}
	a.release(c)
	c.Phase, c.Rejections = Waiting, times
	c.Asked, c.Granted, c.Seen = c.Granted, time.Time{}, now
	a.remove(c)
	a.Calls = slices.Insert(a.Calls, 0, c)
}

// tokens reports that it may be tokens that were lacking: there was room for another request.
func (r Rejection) tokens() bool {
	h := r.Headers
	return r.Limit && (h.Requests.Limit == 0 || h.Requests.Remaining >= 1) && (h.Input.Limit > 0 || h.Output.Limit > 0 || h.Total.Limit > 0)
}

// contradicts reports that the headers said there was room: those of the answer, or, where it has none, those of the last
// one. A call that is rejected for the second time, when the server had said that it would fit, does not lack tokens where
// half a bucket is left. What remained may have come in since the call came, so long ago at most.
func (r Rejection) contradicts(p *limit.Pace, times int, ago time.Duration) bool {
	h := r.Headers
	switch {
	case !r.Limit || p.Distrust > 0:
		return false
	case h == (limit.Headers{}):
		return p.Limit > 0 && !p.Named && !p.Spent
	case h.Requests.Limit == 0 || h.Requests.Remaining < 1+h.Requests.Limit/60*ago.Seconds():
		return false
	}
	tokens := h.Tokens()
	return !r.tokens() || times > 1 && !slices.ContainsFunc(tokens[:], func(t *limit.Resource) bool { return t.Remaining < t.Limit/2 })
}
