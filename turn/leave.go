package turn

import "time"

// Leave drops the session with everything it had in any pool: it ended.
func (s *State) Leave(now time.Time, session string) {
	delete(s.Sessions, session)
	for _, p := range s.Pools {
		p.advance(now)
		p.forget(session)
	}
}

// Holds reports whether the key has a turn, whichever event asked for it.
func (p *Pool) Holds(k Key) bool {
	for _, g := range p.Grants {
		if g.Key == k {
			return true
		}
	}
	return false
}

// Rebuffed reports whether a rejection of the key's calls was told that came at t or later.
func (p *Pool) Rebuffed(k Key, t time.Time) bool {
	for _, c := range p.Callers {
		if c.Key == k {
			return !c.Rejected.IsZero() && !c.Rejected.Before(stamp(t))
		}
	}
	return false
}
