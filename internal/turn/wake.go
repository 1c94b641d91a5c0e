package turn

import (
	"errors"
	"slices"
	"time"
)

// WakeEvent is the event with which somebody stands in line to wake a session that a limit stopped. Sessions are woken
// one by one: the next when the call of the one before was taken, or its turn is over.
const WakeEvent = "wake"

// wakeLease is how long a session may take to wake up and ask for the turn that it was woken with. A menu that is open
// keeps it asleep; the next one's turn has come then.
const wakeLease = 15 * time.Second

// Wake makes the session of the ticket go on, whose turn died, if its turn to be woken has come; else the ticket stands in
// line for it, but in quiet hours. Whose calls a gateway counts stands in no line. An error says why the session must not be
// woken: ErrResumed where it goes on already.
func (p *Pool) Wake(now time.Time, s *Session, t Ticket, d Death, r Rules) (ok bool, err error) {
	switch {
	case p.Resumed(t.Key, d):
		return false, ErrResumed
	case r.Quiet.Holds(now.Local()): // the line was long
		p.Withdraw(t.Key, WakeEvent)
		return false, nil
	case !s.Gateway:
		p.Ask(now, t)
		if p.Admit(now, r); !p.Granted(t.Key, WakeEvent) {
			return false, nil
		}
	}
	switch err = s.Resume(now, d, r); {
	case err == nil:
		s.Stop.Woken = true
	case !errors.Is(err, ErrResumed): // else another has its turn
		p.Withdraw(t.Key, WakeEvent)
		s.Stop = Stop{} // it is the person's now
	}
	return err == nil, err
}

// Resumed reports whether the key asked for a turn since its last one died.
func (p *Pool) Resumed(k Key, d Death) bool {
	return slices.ContainsFunc(p.Queue, func(t Ticket) bool { return t.Key == k && t.Event != WakeEvent }) ||
		slices.ContainsFunc(p.Grants, func(g Grant) bool { return g.Key == k && g.Event != WakeEvent && g.At.After(d.At) })
}

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
