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
