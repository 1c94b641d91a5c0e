package turn

import (
	"slices"
	"time"
)

// Leave drops the session with everything it had in any pool: it ended.
func (s *State) Leave(now time.Time, session string) {
	delete(s.Sessions, session)
	for _, p := range s.Pools {
		p.forget(p.advance(now), session)
	}
}

// Holds reports whether the key has a turn, whichever event asked for it.
func (p *Pool) Holds(k Key) bool { return p.grant(k) != nil }

// grant is the key's turn, or nil. The pointer is good until turns come or go.
func (p *Pool) grant(k Key) *Grant {
	i := slices.IndexFunc(p.Grants, func(g Grant) bool { return g.Key == k })
	if i < 0 {
		return nil
	}
	return &p.Grants[i]
}

// Rebuffed reports whether a rejection of the key's calls was told that came at t or later.
func (p *Pool) Rebuffed(k Key, t time.Time) bool {
	return slices.ContainsFunc(p.Callers, func(c Caller) bool {
		return c.Key == k && !c.Rejected.IsZero() && !c.Rejected.Before(stamp(t))
	})
}

// Knows reports whether anything was heard of the key's calls lately.
func (p *Pool) Knows(k Key) bool {
	return p.Holds(k) || slices.ContainsFunc(p.Callers, func(c Caller) bool { return c.Key == k })
}

// Untold says that no row tells when the key's calls so far were sent: its version writes none.
func (p *Pool) Untold(k Key) {
	c := p.caller(k)
	c.Owed = 0
	p.account().seen(k, c.Sent, c.Sent)
}
