package partner

import (
	"context"
	"os"
	"syscall"
	"time"

	"afteryou/internal/budget"
)

const (
	// mostRead is how many bytes of transcripts are read at most before a request, to know what was spent.
	mostRead = 64 << 20
	// shown is for how long the spinner tells a person of a budget: a notification is not shown by every terminal.
	shown = 3 * time.Second
	// ending is how long Claude Code is given to end.
	ending = 10 * time.Second
)

// overBudget answers for a request of a turn whose directory has used up today's budget. Where nobody sits before Claude Code it ends
// it: between two calls no tool runs. A person is told, once in each session; asked again, the request goes on. p.mu must be held.
func (p *partner) overBudget(ctx context.Context, m message) (r reply, over bool) {
	dir := p.sessions[m.Session].Dir
	switch {
	case m.Kind != "" || dir == "" || len(p.Budget.Budgets) == 0:
		return reply{}, false
	case p.telling == m.ID:
		p.telling = ""
		p.pause(ctx, shown)
		return reply{}, ctx.Err() != nil // Esc: nothing is sent
	}
	now := time.Now()
	var s budget.Standing
	p.unlocked(func() {
		if s, over = p.Budget.Over(now, dir, mostRead); over && p.Tell != nil && p.Budget.First(now, "command", s.Dir) {
			p.Tell(s.Note(now, m.Session, p.unattended))
		}
	})
	switch {
	case over && p.unattended:
		return p.ends(ctx, m.Session, s), true
	case over && p.Budget.First(now, "person", s.Dir, m.Session):
		p.telling = m.ID
		p.Store.Log("session %s is told that %s", m.Session, s.UsedUp())
		return reply{Line: s.UsedUp(), Notify: s.UsedUp()}, true
	}
	return reply{}, false
}

// ends sends Claude Code the signal that ends it, and blocks until it is gone, or for as long as the module may be kept waiting. Its
// launcher, if there is one, knows why. p.mu must be held.
func (p *partner) ends(ctx context.Context, session string, s budget.Standing) reply {
	if pid := os.Getppid(); pid > 1 && pid == p.Claude.PID {
		p.ended = true
		p.gate.Log("session " + session + " ends: " + s.UsedUp())
		syscall.Kill(pid, syscall.SIGTERM)
	}
	p.pause(ctx, p.kept(false))
	return reply{Line: s.UsedUp()}
}

// pause blocks for a while, or until ctx ends. p.mu must be held.
func (p *partner) pause(ctx context.Context, d time.Duration) {
	p.unlocked(func() {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	})
}

// seeItOut blocks until Claude Code is gone, if it was sent away: it ends its partner first, and a request that finds none is sent.
func (p *partner) seeItOut() {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	for begun := time.Now(); ended && os.Getppid() == p.Claude.PID && time.Since(begun) < ending; {
		time.Sleep(20 * time.Millisecond)
	}
}
