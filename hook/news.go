package hook

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/notify"
	"afteryou/internal/turn"
)

// news is that a session goes on after a wait, or that little is left. The zero news is none.
type news struct {
	stop   turn.Stop
	waited time.Duration
	near   string // of a window of which little is left
}

// goesOn is what the event tells of a wait that is over: the call that waited was answered.
func (w *waiter) goesOn(now time.Time, s *turn.State, a *turn.Account) news {
	if w.event.Agent != "" || w.event.Name != "PreToolUse" && w.event.Name != "Stop" {
		return news{}
	}
	one := s.Sessions[w.event.Session]
	n := news{}
	n.stop, n.waited = one.GoesOn(now, a, w.event.key())
	if w.Notify && !claude.Unattended(w.Getenv) {
		if near, ok := one.NearsEnd(now, a); ok {
			n.near = near.Notice()
		}
	}
	return n
}

// prompted is that the person makes a session go on that a limit stopped, by hand.
func (w *waiter) prompted(now time.Time, session *turn.Session) (byHand news) {
	if w.event.Name != "UserPromptSubmit" {
		return news{}
	}
	stop := session.Prompted(now)
	return news{stop: stop, waited: now.Sub(stop.Since)}
}

// tellPerson puts news into the log and, where the wait was long enough for that, has Claude Code show a
// notification and ring the bell (terminalSequence of 2.1.330; 2.0.76 and 2.1.78 ignore it).
func (w *waiter) tellPerson(out io.Writer, n news) {
	if n.waited < turn.LongWait {
		if n.near != "" {
			shows(out, n.near)
		}
		return
	}
	waited, why := n.waited.Round(time.Second), n.stop.Why
	if why == "" {
		why = "its turn"
	}
	if !n.stop.Woken { // that has a line of its own
		w.Store.Log("session %s goes on after it waited %v for %s", w.event.Session, waited, article(why))
	}
	text := fmt.Sprintf("%s goes on after %v (%s)", claude.ShownDir(w.event.Dir), waited, why)
	if w.Tell != nil {
		w.Tell(notify.Note{Event: notify.GoesOn, Text: text, At: time.Now(), Session: w.event.Session, Dir: w.event.Dir,
			Unattended: claude.Unattended(w.Getenv), Waited: waited.Seconds(), Why: n.stop.Why})
	}
	if w.Notify {
		shows(out, text+"\a")
	}
}

// shows has Claude Code show a notification; a bell that text ends with rings.
func shows(out io.Writer, text string) {
	json.NewEncoder(out).Encode(map[string]string{"terminalSequence": "\x1b]9;afteryou: " + text + "\a"})
}

// article is the name of a limit in a sentence.
func article(why string) string {
	switch {
	case why == "its turn":
		return why
	case strings.ContainsRune("aeioAEIO", rune(why[0])):
		return "an " + why
	}
	return "a " + why
}
