package partner

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// worth is how long a wait must be for a line in the log and a word to the person.
const worth = time.Minute

// news is what the person at the terminal is told of a session that goes on after a long wait; "": nothing. p.mu must be held.
func (p *partner) news(session, agent string, since time.Time) string {
	waited := time.Since(since).Round(time.Second)
	if agent != "" || waited < worth {
		return ""
	}
	p.gate.Store.Log("session %s goes on after it waited %v", session, waited)
	if p.unattended || !p.Notify {
		return ""
	}
	printable := func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}
	who := "the session" // of which the module told another partner
	if dir := p.sessions[session].Dir; dir != "" {
		who = strings.Map(printable, filepath.Base(dir))
	}
	return fmt.Sprintf("%s goes on after %v", who, waited)
}
