package turn

import (
	"errors"
	"fmt"
	"time"
)

// UsageLimit is the name of a limit of hours or days, as package ratelimit has it. Claude Code tells the person of it, and
// nobody else waits for it.
const UsageLimit = "usage limit"

// LongWait is how long a session must have waited for a line in the log and a word to the person when it goes on.
const LongWait = time.Minute

// nativeGrace is how long after the reset of a usage limit Claude Code is given to go on by itself (2.1.234 and later do,
// mostly within 2 minutes).
const nativeGrace = 3 * time.Minute

// Death is how a limit ended a session's turn.
type Death struct {
	At       time.Time
	Answered time.Time // the session's last answer before; zero: not known
	Limit    string    // its name
	Lifts    bool      // waiting lifts it
	Reset    time.Time // when it is over, where that was said
	Native   bool      // Claude Code may go on by itself after a usage limit
	Deadline time.Time // the session stays stopped rather than wait longer
}

// Ends reports whether the limit will be over by itself, at a time that is known or can be guessed.
func (d Death) Ends() bool { return d.Lifts && (d.Limit != UsageLimit || !d.Reset.IsZero()) }

// Died says that the key's turn died, by a limit or otherwise: it is given back, and all wait until the limit is over. To tell it
// again, as several who see it do, changes nothing, however late: neither is a turn lost that was given since, nor begins a wait
// anew. A limit without a time that nobody told of while it made anybody wait is over.
func (a *Account) Died(now time.Time, k Key, d Death) {
	now, d.At = a.advance(now), happened(now, d.At)
	if c := a.turn(k); c == nil || !c.Granted.After(d.At) {
		a.Ended(now, k)
	}
	news := !d.At.Before(a.Class(k.Class).CoolDown.Until) && now.Sub(d.At) < blind
	if d.Ends() && (!d.Reset.IsZero() || news) {
		a.Limited(now, k.Class, d.Reset, d.Limit)
	}
}

// Due returns when the session may be made to go on, now or later: when the limit of its class is over as far as is known, but not
// in the user's quiet hours. An error says why it stays stopped.
func (d Death) Due(now time.Time, l *Class, r Rules) (time.Time, error) {
	due := Latest(l.CoolDown.Until, d.Reset)
	if l.Usage.Why == d.Limit { // so long that others are not held back for it
		due = Latest(due, l.Usage.Until)
	}
	switch {
	case !d.Lifts:
		return due, fmt.Errorf("waiting does not lift its %s", d.Limit)
	case !d.Ends():
		return due, fmt.Errorf("nothing says when its %s resets", d.Limit)
	case d.Limit == UsageLimit:
		if due = d.Reset; d.Native {
			due = due.Add(nativeGrace)
		}
	case d.Reset.IsZero() && l.CoolDown.GaveUp():
		return due, errors.New("the limit came back each time and never said how long it lasts")
	}
	due = due.Local()
	if due.After(d.Deadline) {
		return due, fmt.Errorf("its %s lasts until %s, longer than max_wait", d.Limit, due.Format("Jan 2 15:04:05"))
	}
	return r.Quiet.After(Latest(due, now.Local())), nil
}

// Rest is for a turn that would die of a limit, where whoever stands around it waits and sends its call again: it notes that the
// session is stopped, and returns until when, or a time that is not to come: now. Then the call stands in line as any other, so
// that sessions go on one by one. An error says why the turn dies instead. Asked again it is the one stop; the deadline counts
// from its beginning. To go on counts as to be resumed ([Session.Resume]), once for all of the session that wait for a limit;
// that the call was taken tell [Session.GoesOn].
func (s *Session) Rest(now time.Time, l *Class, d Death, r Rules) (until time.Time, err error) {
	if since := s.Stop.Since; !since.IsZero() && !d.Deadline.IsZero() && since.Before(d.At) {
		d.Deadline = d.Deadline.Add(since.Sub(d.At))
	}
	if until, err = d.Due(now, l, r); err == nil {
		if until.After(now) {
			s.Stopped(d.At, until, d.Limit)
			return until, nil
		}
		err = s.Resume(now, d, r)
	}
	switch {
	case errors.Is(err, ErrResumed): // another of its calls
		err = nil
	case err != nil:
		s.Stop = Stop{}
	}
	return until, err
}

// Stop is how a limit, or the line, holds a session up.
type Stop struct {
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"` // as far as anybody knows
	Why   string    `json:"why,omitempty"`  // the limit; "" is the line
	// Woken says that we made it go on.
	Woken bool `json:"woken,omitempty"`
}

// Stopped says that something holds the session up from a time on. Whatever is told until it goes on belongs to the one
// stop: it lasts from the first on, for the reason and until the time told last.
func (s *Session) Stopped(at, until time.Time, why string) {
	if s.Stop.Since.IsZero() {
		s.Stop.Since = stamp(at)
	}
	s.Stop.Until = stamp(until)
	if why != "" {
		s.Stop.Why = why
	}
}

// Prompted ends the stop of a session that a prompt makes go on, and returns it where the person does that by hand. Our own
// prompt belongs to the stop, and the one with which Claude Code goes on after a usage limit; who left the line without a
// word was not stopped. For those it returns the zero Stop.
func (s *Session) Prompted(now time.Time) (byHand Stop) {
	stop := s.Stop
	if stop.Woken || stop.Why == UsageLimit && now.Sub(stop.Until).Abs() < nativeGrace {
		return Stop{}
	}
	s.Stop = Stop{}
	if stop.Why == "" {
		return Stop{}
	}
	return stop
}

// GoesOn ends the stop, if there is one, and says how long it lasted: until the key's turn began, or, where the session
// had its turn all the while, until the time for which Claude Code announced its next try.
func (s *Session) GoesOn(now time.Time, a *Account, k Key) (stop Stop, waited time.Duration) {
	stop, s.Stop = s.Stop, Stop{}
	if stop.Since.IsZero() {
		return stop, 0
	}
	end := now
	if stop.Until.After(stop.Since) && stop.Until.Before(end) {
		end = stop.Until
	}
	if c := a.turn(k); c != nil && c.Granted.After(stop.Since) {
		end = c.Granted
	}
	return stop, max(0, end.Sub(stop.Since))
}
