package turn

import (
	"time"

	"afteryou/internal/limit"
)

// What gates and transcripts tell of a call. Each may come late, twice or never.

// send counts a call as sent at a time, which may have been a while ago, and moves it behind those that were sent before.
func (a *Account) send(c *Call, at time.Time) {
	a.foresee(c, a.last(c.Key))
	c.Sent, c.Trial, c.Unseen, c.Took = at, true, true, limit.Costs{}
	c.Came, c.Doubt, c.Silent, c.Lost, c.Guessed = time.Time{}, time.Time{}, false, false, false
	a.class(c.Class).Pace.Spend(at, a.longer(c))
	a.class(c.Class).Fleet.loose(1)
	a.count(c, 1)
	a.remove(c)
	a.Calls = append(a.Calls, c)
}

// count puts a call among those of its class that were sent, or takes it out. Others that were sent later move by one.
func (a *Account) count(c *Call, by int) {
	if !c.counted() {
		return
	}
	p := &a.class(c.Class).Pace
	p.Sent += by
	c.Nth = p.Sent
	for _, other := range a.Calls {
		if other.Class == c.Class && other.counted() && other.Sent.After(c.Sent) {
			other.Nth += by
			c.Nth--
		}
	}
	for i := range p.Empty {
		if !c.Sent.After(p.Empty[i].At) {
			p.Empty[i].Sent += by
		}
	}
	for i := range p.Proof.Seen {
		if c.Sent.Before(p.Proof.Seen[i].At) { // it may be of this call
			p.Proof.Seen[i].Sent += by
		}
	}
}

// Sent says that a request of the key was seen to be sent at a time: by its row in the transcript (api-request, 2.1.330), or
// by the gateway. It is the call that the key has its turn for, or the try that it announced; else no gate stood before it, and
// it counts against the pace from now on. Told twice, it counts once.
func (a *Account) Sent(now time.Time, k Key, at time.Time) {
	now = a.advance(now)
	at = happened(now, at)
	if row, refused := a.heard(k); !at.After(row) || !at.After(refused) {
		return // told before, or known to have been rejected
	}
	a.alive(at, k)
	a.silent(now, k, at)
	c := a.sentAt(k, at)
	c.Row, c.Silent = at, true
	for _, c := range a.of(k) {
		c.Unseen = c.Unseen && c.Sent.After(at)
	}
	a.advance(now)
}

// sentAt returns the call of the key that was sent at a time, which is counted now if it was not yet.
func (a *Account) sentAt(k Key, at time.Time) (found *Call) {
	for _, c := range a.of(k) {
		if c.Unseen && !at.Before(c.Sent.Add(-rounding)) && at.Sub(c.Sent) < delivery && (found == nil || !c.Sent.After(at)) {
			found = c
		}
	}
	if found != nil {
		a.resent(found, at)
		return found
	}
	found = a.find(func(c *Call) bool {
		return c.Key == k && c.Phase != Waiting && c.Retry != nil && at.After(c.Retry.Due().Add(-rounding))
	})
	if found == nil {
		found = a.add(k, Process{})
	}
	found.Retry = nil
	a.send(found, at)
	return found
}

// tried corrects when a call was made again that is answered now: as long before as calls take to be answered. That it was
// accepted then tells how much is left now.
func (a *Account) tried(now time.Time, c *Call) {
	l := a.class(c.Class)
	at := Latest(now.Add(-l.Answers), c.Refused.Add(backOff(1)))
	switch {
	case c.Rejections == 0 && l.Answers == 0:
		l.Answers = now.Sub(c.Sent)
		return
	case c.Rejections == 0:
		l.Answers += time.Duration(learn * float64(now.Sub(c.Sent)-l.Answers))
		return
	case c.Retry != nil: // it came sooner than was thought
		c.Retry = nil
		a.send(c, at)
	case c.Guessed && at.After(c.Sent):
		a.resent(c, at)
	}
	if c.Rejections == 1 && l.Answers > 0 {
		l.Pace.Waited(c.Sent.Sub(c.Refused))
	}
	later := len(a.all(func(o *Call) bool { return o.Class == c.Class && o != c && o.counted() && o.Sent.After(c.Sent) }))
	l.Pace.Left(l.Pace.Rate*now.Sub(c.Sent).Seconds() - float64(later))
}

// resent moves a call to when it was really sent. The server took its token then: until then a full bucket gained nothing. Of a
// call that a gate let go that much was taken already where it holds one, and where it holds more it had room.
func (a *Account) resent(c *Call, at time.Time) {
	p, lost := &a.class(c.Class).Pace, at.Sub(c.Sent)
	if c.Inside && !c.Guessed {
		lost -= eventLoop
	}
	if c.soon() && p.Top > 1 {
		lost = 0
	}
	p.Give(-p.Rate * max(0, lost.Seconds()))
	a.class(c.Class).Fleet.loose(p.Rate * max(0, lost.Seconds()))
	a.count(c, -1)
	c.Sent = at
	a.count(c, 1)
}

// Accepted says that the server took the key's call: it answers, and the turn goes on. A try that was still to come came sooner.
func (a *Account) Accepted(now time.Time, k Key) {
	now = a.advance(now)
	if c := a.turn(k); c != nil && c.News == ByMark {
		a.tried(now, c)
	}
	a.came(now, k)
	a.confirmAll(now, k)
}

// Succeeded says that the key's call was answered: the turn is given back, and the call counts as accepted.
func (a *Account) Succeeded(now time.Time, k Key) {
	now = a.advance(now)
	calls := a.of(k)
	for _, c := range calls {
		c.Retry = nil
	}
	a.giveBack(now, calls)
	a.confirmAll(now, k)
	if l := a.class(k.Class); l.CoolDown.Times > 0 && !l.CoolDown.Until.After(now) {
		l.CoolDown = CoolDown{}
	}
}

// Ended says that the key's call is over without an answer (StopFailure, SessionEnd, an interrupt): the turn is given back,
// Claude Code tries no more, and whether the server accepted the call nobody knows.
func (a *Account) Ended(now time.Time, k Key) {
	now = a.advance(now)
	calls := a.of(k)
	a.giveBack(now, calls)
	for _, c := range calls {
		if c.Trial {
			a.count(c, -1)
			c.Trial, c.Lost = false, true
		}
	}
}

// SeenAlive renews the lease of the key's turn: its transcript or its answer grew.
func (a *Account) SeenAlive(now time.Time, k Key) { a.alive(a.advance(now), k) }

func (a *Account) alive(at time.Time, k Key) {
	if c := a.turn(k); c != nil {
		c.Seen = Latest(c.Seen, at)
	}
}

// giveBack ends the calls' turns and the tries that they announced.
func (a *Account) giveBack(now time.Time, calls []*Call) {
	for _, c := range calls {
		if c.Phase != Waiting {
			a.orphan(now, c)
			a.over(now, c)
		}
	}
}

// orphan drops an announced try that nobody will make. Where others waited for it, what the server said to it holds for them
// all the same.
func (a *Account) orphan(now time.Time, c *Call) {
	if r := c.Retry; r != nil && r.holds(now) {
		a.class(c.Class).until(now, r.Rejected.Add(r.said()), "")
	}
	c.Retry = nil
}

// over ends the call's turn. Who held it is of no use any more.
func (a *Account) over(now time.Time, c *Call) {
	a.settles(now, c)
	c.Phase, c.Event, c.Waiter, c.Rules, c.Put, c.Silent = Over, "", Process{}, Rules{}, false, false
	if c.Done.IsZero() {
		c.Done = now
	}
	if c.Came.IsZero() {
		c.Came = now
	}
}
