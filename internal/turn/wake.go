package turn

import (
	"slices"
	"time"
)

// WakeEvent is the event with which somebody stands in line to wake a session that a limit stopped. Sessions are woken
// one by one: the next when the call of the one before was taken, or its turn is over.
const WakeEvent = "wake"

// wakeLease is how long a session may take to wake up and ask for the turn that it was woken with. A menu that is open
// keeps it asleep; the next one's turn has come then.
const wakeLease = 15 * time.Second

// waking is until when a session that was woken keeps the next one asleep, as far as time tells.
func (p *Pool) waking() (until time.Time) {
	for _, g := range p.Grants {
		switch {
		case !g.Woken:
		case g.Event == WakeEvent:
			until = latest(until, p.lapse(g))
		default:
			for _, t := range p.Pace.Tries {
				if t.Key == g.Key {
					until = latest(until, t.At.Add(trial))
				}
			}
		}
	}
	return until
}

// takeOver gives the session what was asked for to wake it: its place in the line, or the turn itself. Its call is sent
// now, not when it was woken.
func (p *Pool) takeOver(now time.Time, t Ticket) bool {
	if t.Event == WakeEvent {
		return false
	}
	if i := slices.IndexFunc(p.Queue, func(q Ticket) bool { return q.Key == t.Key && q.Event == WakeEvent }); i >= 0 {
		t.Since, t.Seen, t.Paced, t.Rejected = p.Queue[i].Since, now, p.Queue[i].Paced, 0
		p.Queue[i] = t
		return true
	}
	i := slices.IndexFunc(p.Grants, func(g Grant) bool { return g.Key == t.Key && g.Event == WakeEvent })
	if i < 0 {
		return false
	}
	p.unuse(t.Key)
	g := &p.Grants[i]
	g.Event, g.Process, g.Waiter, g.At, g.Seen, g.Budget, g.Print = t.Event, t.Process, t.Waiter, now, now, t.Budget, t.Print
	p.caller(t.Key).Mute = t.Mute
	p.send(Try{Key: t.Key, At: now})
	return true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
