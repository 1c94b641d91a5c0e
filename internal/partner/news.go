package partner

import (
	"fmt"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/notify"
	"afteryou/internal/turn"
)

// news is what the person at the terminal is told: that a session goes on after a long wait, or that little of a window is left; "": nothing. Of all it tells the log and
// notify_command. why is the limit that it waited for, where that is known. p.mu must be held.
func (p *partner) news(session, agent string, since time.Time, why string) string {
	waited := time.Since(since).Round(time.Second)
	if w, ok := p.near[session]; ok && agent == "" {
		delete(p.near, session)
		return w.Notice()
	}
	if agent != "" || waited < turn.LongWait {
		return ""
	}
	p.gate.Store.Log("session %s goes on after it waited %v", session, waited)
	who, dir := "the session", p.sessions[session].Dir // of which the module may have told another partner
	if dir != "" {
		who = claude.ShownDir(dir)
	}
	text := fmt.Sprintf("%s goes on after %v", who, waited)
	if p.Tell != nil {
		p.Tell(notify.Note{Event: notify.GoesOn, Text: text, At: time.Now(), Session: session, Dir: dir, Unattended: p.unattended,
			Waited: waited.Seconds(), Why: why})
	}
	if p.unattended || !p.Notify {
		return ""
	}
	return text
}
