package turn

import "time"

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
