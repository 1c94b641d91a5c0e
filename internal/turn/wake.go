package turn

import (
	"errors"
	"time"
)

// WakeEvent is the event with which somebody stands in line to wake a session that a limit stopped. Sessions are woken
// one by one: the next when the call of the one before was taken, or its turn is over.
const WakeEvent = "wake"

// wakeLease is how long a session may take to wake up and ask for the turn that it was woken with. A menu that is open
// keeps it asleep; the next one's turn has come then.
const wakeLease = 15 * time.Second

// Wake makes the session of the call go on, whose turn died, if its turn to be woken has come; else the call stands in line
// for it, but in quiet hours. Whose calls are told exactly stands in no line: its next call does. An error says why the session must not be
// woken: ErrResumed where it goes on already.
func (a *Account) Wake(now time.Time, s *Session, c Call, d Death, r Rules, alive func(Process) bool) (ok bool, err error) {
	switch {
	case a.Resumed(c.Key, d):
		return false, ErrResumed
	case r.Quiet.Holds(now.Local()): // the line was long
		a.Withdraw(now, c.Key, WakeEvent)
		return false, nil
	case !s.Exact():
		a.Ask(now, c)
		if a.Admit(now, alive); !a.Granted(c.Key, WakeEvent) {
			return false, nil
		}
	}
	switch err = s.Resume(now, d, r); {
	case err == nil:
		s.Stop.Woken = true
	case !errors.Is(err, ErrResumed): // else another has its turn
		a.Withdraw(now, c.Key, WakeEvent)
		s.Stop = Stop{} // it is the person's now
	}
	return err == nil, err
}

// Resumed reports whether the key asked for a turn since its last one died.
func (a *Account) Resumed(k Key, d Death) bool {
	return a.find(func(c *Call) bool {
		return c.Key == k && c.Event != WakeEvent && (c.Phase == Waiting || c.Phase == Granted && c.Granted.After(d.At))
	}) != nil
}

// waking is until when a session that was woken keeps the next one asleep, as far as time tells.
func (a *Account) waking(class string) (until time.Time) {
	for _, c := range a.Calls {
		switch {
		case c.Class != class || !c.Woken || c.Phase != Granted:
		case c.Event == WakeEvent:
			until = Latest(until, a.lapse(c))
		case c.Trial:
			until = Latest(until, c.Sent.Add(trial))
		}
	}
	return until
}

// takeOver gives the session what was asked for to wake it: its place in the line, or the turn itself. Its call is sent
// now, not when it was woken.
func (a *Account) takeOver(now time.Time, c Call) bool {
	w := a.find(func(w *Call) bool { return w.Key == c.Key && w.Event == WakeEvent && w.Phase != Over })
	if w == nil || c.Event == WakeEvent {
		return false
	}
	w.Event, w.Process, w.Waiter, w.Rules, w.Print, w.News, w.Model, w.Seen = c.Event, c.Process, c.Waiter, c.Rules, c.Print, c.News, c.Model, now
	w.Rank, w.Inside, w.Size = c.Rank, c.Inside, c.Size
	if w.Phase == Granted {
		a.unsend(w)
		w.Granted, w.Paced = now, false
		a.send(w, now)
	}
	return true
}
