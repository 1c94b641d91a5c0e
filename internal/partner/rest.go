package partner

import (
	"context"
	"time"

	"afteryou/internal/gate"
	"afteryou/internal/line"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
)

// mayRest is for a request that was rejected for longer than Claude Code waits for an answer: its turn waits, and sends it again,
// if that may be. The person at a terminal is asked by Claude Code what to do about a usage limit, which then goes on by itself.
func (p *partner) mayRest(c *call, m message, v gate.Verdict) gate.Verdict {
	if v != gate.Later {
		return v
	}
	d := c.place.Death
	d.Deadline = time.Now().Add(p.MaxWait)
	if c.side || !p.unattended && d.Limit == ratelimit.UsageWindow.String() {
		return gate.Pass
	}
	dead := death{d, c.place.Call.Class}
	var err error
	p.unlocked(func() { _, err = p.rests(m.Session, dead) })
	if err != nil {
		return gate.Pass
	}
	p.dead[loop{m.Session, m.Agent}] = dead
	return v
}

// reserve is the limit of what is kept back for people.
const reserve = "reserve"

// keepsBack is for a request that is kept back for people for longer than Claude Code waits for an answer: it is not sent. Its turn
// waits, if it may for so long; else it fails.
func (p *partner) keepsBack(id string, c *call) gate.Verdict {
	c.place.Death = turn.Death{At: time.Now(), Limit: reserve, Lifts: true, Reset: c.kept}
	v := p.mayRest(c, message{Session: c.asks.Session, Agent: c.asks.Agent}, gate.Later)
	p.drop(id)
	return v
}

// rests notes that a session waits for a limit, or goes on, and returns until when it waits. An error says that it may not.
func (p *partner) rests(session string, d death) (until time.Time, err error) {
	failed := p.change(func(now time.Time, s *turn.State) {
		_, a := p.gate.Account(s)
		one := s.Sessions[session]
		if one == nil {
			one = &turn.Session{} // nobody registered it yet
		}
		until, err = one.Rest(now, a.Class(d.class), d.Death, p.Rules)
	})
	if failed != nil {
		until, err = p.due(d) // it waits all the same
	}
	if err != nil {
		p.gate.Log("session " + session + " stays stopped: " + err.Error())
	}
	return until, err
}

// change makes one change of the state. p.mu must not be held.
func (p *partner) change(f func(now time.Time, s *turn.State)) error {
	v, err := line.Change(context.Background(), p.Store, nil, f)
	v.Close()
	return err
}

// failed is for a step that failed, of which only the text tells why.
func (p *partner) failed(c *call, m message) gate.Verdict {
	now := time.Now()
	l, _ := ratelimit.Text(m.Text, now, time.Local) // of no limit, it is none that waiting lifts
	c.place.Died(turn.Death{At: now, Limit: l.Kind.String(), Lifts: l.Wait, Reset: l.Reset()})
	p.drop(m.ID)
	if !l.Wait {
		return gate.Pass
	}
	return p.mayRest(c, m, gate.Later)
}

// due is when the turn may go on, as far as is known.
func (p *partner) due(d death) (at time.Time, err error) {
	p.gate.Look(func(now time.Time, a *turn.Account) { at, err = d.Due(now, a.Class(d.class), p.Rules) })
	return at, err
}

// rest blocks until the turn of a loop may go on, or for as long as the module may be kept waiting. p.mu must be held.
func (p *partner) rest(ctx context.Context, m message) reply {
	of := loop{m.Session, m.Agent}
	d, ok := p.dead[of]
	if !ok {
		return reply{Go: true}
	}
	var left time.Duration
	var err error
	p.unlocked(func() { left, err = p.sitOut(ctx, m.Session, d) })
	switch {
	case err == nil && ctx.Err() == nil && left > 0:
		return reply{Line: "limit " + gate.Left(left)}
	case err == nil && ctx.Err() == nil:
		delete(p.dead, of)
		return reply{Go: true, Notify: p.news(m.Session, m.Agent, d.At, d.Limit)}
	}
	delete(p.dead, of)
	return reply{Verdict: gate.Pass}
}

// sitOut blocks until the limit of a session is over, or for as long as the module may be kept waiting, and returns how long it
// lasts still. An error says that the session may not wait. p.mu must not be held.
func (p *partner) sitOut(ctx context.Context, session string, d death) (left time.Duration, err error) {
	if d.Limit == reserve { // it may be over sooner
		p.gate.Look(func(now time.Time, a *turn.Account) { d.Reset = a.Full(now, 1-p.Rules.Reserve) })
	}
	until, err := p.due(d)
	most := p.kept(false)
	if left = time.Until(until); err == nil && left > 0 {
		select {
		case <-time.After(min(left, most)):
		case <-ctx.Done():
		}
	}
	if err == nil && ctx.Err() == nil && left <= most {
		until, err = p.rests(session, d)
		left = time.Until(until)
	}
	if ctx.Err() != nil { // the person stopped it
		p.change(func(_ time.Time, s *turn.State) {
			if one := s.Sessions[session]; one != nil {
				one.Stop = turn.Stop{}
			}
		})
	}
	return left, err
}
