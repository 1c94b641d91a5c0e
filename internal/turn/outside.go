package turn

import (
	"time"

	"afteryou/internal/limit"
)

// What is told of calls from outside Claude Code, where no module is inside and no gateway before it: by rows of transcripts, by the
// screen, by the next try, and by asking the API. No gate that is told exactly needs any of it.

// Retrying says that a call of the key was rejected and when Claude Code tries again. Told twice, it counts once.
func (a *Account) Retrying(now time.Time, k Key, r Retry) {
	now = a.advance(now)
	r.Rejected, r.In = happened(now, r.Rejected), min(longest, max(0, r.In.Truncate(time.Millisecond)))
	if _, refused := a.heard(k); !r.Rejected.After(refused) {
		return
	}
	a.alive(r.Rejected, k)
	c := a.sentBy(k, r.Rejected)
	if c == nil || c.Lost || r.Rejected.Sub(c.Sent) >= delivery { // another, that nobody knows of
		c = a.add(k, r.Process)
	}
	a.retrying(now, c, r)
	a.advance(now)
}

// retrying is for a call that was rejected and keeps its turn.
func (a *Account) retrying(now time.Time, c *Call, r Retry) {
	l, sent := a.class(c.Class), c.Sent
	if sent.IsZero() {
		sent, c.Nth = r.Rejected, l.Pace.Sent
	}
	for _, other := range a.of(c.Key) {
		other.Retry = nil
	}
	tokens := a.named(now, c, sent, r)
	r.Large = tokens && r.Attempt >= large
	if c.News == ByNext {
		a.doubt(c.Class, sent, r.In)
	}
	began := c.began(sent)
	defer l.forfeits(l.Pace.Level + l.Pace.Spare)
	a.refuse(r.Rejected, c)
	c.Retry = &r
	switch {
	case r.long():
		l.until(now, r.Due(), "")
		if t := a.turn(c.Key); t != nil {
			a.over(now, t)
		}
	case tokens:
		l.Pace.Give(1)
	default:
		l.Pace.Refused(now, sent, max(0.05, r.In.Seconds()), r.Attempt <= 1 && began.After(l.Pace.Cut), c.Nth)
	}
}

// named takes in the limit that the message of a 429 names, and reports whether it is one of tokens: that says nothing
// about the pace. What remained is known too: less than the call takes, by what comes in until its next try.
//
// A limit of tokens is of no use where nobody knows what calls take.
func (a *Account) named(now time.Time, c *Call, sent time.Time, r Retry) (tokens bool) {
	h, wait := r.Named, r.said().Seconds()
	if r.long() {
		return false
	}
	l := a.class(c.Class)
	if h.Input.Limit > 0 && c.Own && c.Expected.Input > 0 {
		c.Expected.Input = max(c.Expected.Input, min(limit.MostLimit, h.Input.Limit/60*wait))
	}
	for i, b := range l.Tokens.Each() {
		switch r, need := h.Tokens()[i], c.Expected.Each()[i]; {
		case need == 0:
			*r = limit.Resource{}
		case r.Limit > 0:
			r.Remaining = max(1, need-r.Limit/60*wait) // 0 would be taken for rounded
			b.Top = max(b.Top, need)                   // which it will get
			tokens = true
		}
	}
	if h == (limit.Headers{}) {
		return false
	}
	was := l.Pace.Limit
	a.headers(now, c, sent, h)
	if h.Requests.Limit > 0 {
		l.Pace.Name(now, was)
	}
	if tokens && r.Attempt < large { // it has its turn, and takes them with its next try
		l.Tokens.Take(c.Expected)
		if c.Phase == Granted {
			c.Reserved = c.Expected
		}
	}
	return tokens
}

// doubtMost bounds for how long a call is in doubt: after a longer wait those that were told to wait come back together.
const doubtMost = 10 * time.Second

// doubt is for the calls that were sent after one that was rejected, of which only the next try, d later, told so: as likely as
// not they were rejected too, and their next tries are to come.
func (a *Account) doubt(class string, rejected time.Time, d time.Duration) {
	d = min(d, doubtMost)
	for _, c := range a.Calls {
		if c.Class == class && c.Trial && c.News == ByNext && c.Sent.After(rejected) {
			c.Doubt = c.Sent.Add(d + d/4 + writing)
		}
	}
}

// silent takes a request of the key, sent at a time, for the next try of its call that was rejected: where only that tells of it, and
// nothing was told since the row before.
func (a *Account) silent(now time.Time, k Key, at time.Time) {
	if c := a.turn(k); c != nil && c.News == ByNext && c.Silent {
		a.retrying(now, c, Retry{Rejected: c.Sent, In: at.Sub(c.Sent), Attempt: 1})
	}
}

// Answered says that the key's call was answered at a time, by the row of an answer with an id, and what it took; zero is not
// known. Of a version that writes no rows of requests this tells that the call was made. Told twice, it counts once.
func (a *Account) Answered(now time.Time, k Key, at time.Time, id string, took limit.Costs) {
	now = a.advance(now)
	at = happened(now, at)
	row, refused := a.heard(k)
	if row.IsZero() && at.After(refused) && a.find(func(c *Call) bool { return c.Key == k && c.Answer == id }) == nil {
		c := a.turn(k)
		if c == nil {
			c = a.sentAt(k, at)
		}
		c.Answer = id
		for _, c := range a.of(k) {
			c.Unseen = false
		}
		a.advance(now)
	}
	a.Used(now, k, at, took)
}

// Heard says that something was told of the key's call beside its request.
func (a *Account) Heard(k Key) {
	for _, c := range a.of(k) {
		c.Silent = false
	}
}

// Prompted says that a prompt of the key was put to the model, which its hooks have all let pass.
func (a *Account) Prompted(k Key) {
	if c := a.turn(k); c != nil {
		c.Put = true
	}
}

// Unasked reports that nobody knows how long the cool-down lasts, and nobody asks.
func (c CoolDown) Unasked(now time.Time, alive func(Process) bool) bool {
	return c.Blind && c.Until.After(now) && (!c.Asked || c.Asker.PID != 0 && !alive(c.Asker))
}

// Inquire lets one process ask the API how long the cool-down of a class lasts, once, and says whether it is this one. Whoever
// may tells the answer to Learned.
func (a *Account) Inquire(now time.Time, class string, by Process, alive func(Process) bool) bool {
	now = a.advance(now)
	c := &a.class(class).CoolDown
	if !c.Unasked(now, alive) {
		return false
	}
	c.Asked, c.Asker = true, by
	return true
}

// Learned says what the API answered: the limit ends at until; or, with over, it let a small request through. A zero
// until without over says that it told nothing.
//
// A small request may pass where a session's large ones do not, so that over is believed of the first limit in a row
// only: when the session is rejected again, it waits as long as it would have.
func (a *Account) Learned(now time.Time, class string, until time.Time, over bool, why string) {
	now = a.advance(now)
	l := a.class(class)
	c := &l.CoolDown
	c.Asker = Process{}
	switch {
	case !c.Blind: // somebody else knew
	case !until.IsZero():
		*c = CoolDown{Until: now, Why: why}
		l.until(now, ceil(until.UTC().Round(0)), why)
	case over && c.Times == 1:
		c.Until, c.Blind = now, false
	}
}
