package partner

import (
	"context"
	"time"

	"afteryou/internal/gate"
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
	if _, err := p.due(death{d, c.place.Call.Class}); err != nil {
		p.gate.Log("session " + m.Session + " stays stopped: " + err.Error())
		return gate.Pass
	}
	p.dead[loop{m.Session, m.Agent}] = death{d, c.place.Call.Class}
	return v
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

// due is when the turn may go on.
func (p *partner) due(d death) (at time.Time, err error) {
	p.gate.Look(func(now time.Time, a *turn.Account) { at, err = d.Due(now, a.Class(d.class), p.Rules) })
	return at, err
}

// rest blocks until the turn of a loop may go on, or for as long as the module may be kept waiting.
func (p *partner) rest(ctx context.Context, m message) reply {
	of := loop{m.Session, m.Agent}
	d, ok := p.dead[of]
	if !ok {
		return reply{Go: true}
	}
	most := poll
	if !p.unattended {
		most = pollSeen
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	due, err := p.due(d)
	if left := time.Until(due); err == nil && left > 0 {
		select {
		case <-time.After(min(left, most)):
		case <-ctx.Done():
		}
		if ctx.Err() == nil && left > most {
			return reply{Line: "limit " + gate.Left(time.Until(due))}
		}
	}
	p.mu.Lock()
	delete(p.dead, of)
	p.mu.Unlock()
	if err != nil {
		p.gate.Log("session " + m.Session + " stays stopped: " + err.Error())
	}
	if err != nil || ctx.Err() != nil {
		return reply{Verdict: gate.Pass}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return reply{Go: true, Notify: p.news(m.Session, m.Agent, d.At)}
}
