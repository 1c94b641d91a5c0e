package turn

import "time"

// lease is how long a turn outlives the last sign of life of whoever holds it. Claude Code's transcript grows with every row
// of an answer; 2 minutes of silence in a call were never seen (2.1.330 aborts at 5).
const lease = 2 * time.Minute

// lapse is when the turn of a call ends by itself: a lease after the last sign of life, and not while Claude Code waits for
// a try it announced, unless that is a usage limit's. One to wake a session is soon taken over, or was in vain.
func (a *Account) lapse(c *Call) time.Time {
	if c.Event == WakeEvent {
		return c.Granted.Add(wakeLease)
	}
	at := c.Seen
	for _, other := range a.of(c.Key) {
		if r := other.Retry; r != nil && !r.long() {
			at = Latest(at, r.Due())
		}
	}
	return at.Add(lease)
}

// lapses is the first of the ends of a class's turns: when Sweep may make room.
func (a *Account) lapses(now time.Time, class string) (first time.Time) {
	for _, c := range a.Calls {
		if c.Class == class && c.Phase == Granted {
			first = earliest(first, a.lapse(c))
		}
	}
	if !first.After(now) { // nobody swept: say so at once, but do not make the caller spin
		return now.Add(time.Second)
	}
	return first
}
