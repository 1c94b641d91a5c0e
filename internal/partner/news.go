package partner

import (
	"fmt"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/turn"
)

// news is what the person at the terminal is told: that a session goes on after a long wait, or that little of a window is left; "":
// nothing. p.mu must be held.
func (p *partner) news(session, agent string, since time.Time) string {
	waited := time.Since(since).Round(time.Second)
	if w, ok := p.near[session]; ok && agent == "" {
		delete(p.near, session)
		return w.Notice()
	}
	if agent != "" || waited < turn.LongWait {
		return ""
	}
	p.gate.Store.Log("session %s goes on after it waited %v", session, waited)
	if p.unattended || !p.Notify {
		return ""
	}
	who := "the session" // of which the module told another partner
	if dir := p.sessions[session].Dir; dir != "" {
		who = claude.ShownDir(dir)
	}
	return fmt.Sprintf("%s goes on after %v", who, waited)
}
