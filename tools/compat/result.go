package main

import (
	"fmt"
	"strings"
	"time"
)

// Result is the outcome of one cell.
type Result struct {
	Version   string `json:"version"`
	Situation string `json:"situation"`
	Mode      string `json:"mode"`
	Hooks     bool   `json:"hooks"`
	Measured  string `json:"measured"` // the day

	// Answered says that the task came to its end; Late is how many seconds after the limit's end the call came that did it.
	Answered bool    `json:"answered"`
	Late     float64 `json:"late,omitempty"`
	Woken    int     `json:"woken,omitempty"` // by afteryou's log
	Typed    int     `json:"typed,omitempty"`
	Rerun    int     `json:"rerun,omitempty"`
	// Prompts counts the rows of the transcript by which afteryou made it go on.
	Prompts int `json:"prompts,omitempty"`
	// Died is Claude Code's last word when the limit ended a turn, by its transcript; Kind is afteryou's reading of it.
	Died string `json:"died,omitempty"`
	Kind string `json:"kind,omitempty"`
	// UserTold says that the person sees that at the end: on the screen, or in the output with a failing exit code.
	UserTold bool `json:"told,omitempty"`
	// Menu says that Claude Code has opened a menu over it, which nobody has closed.
	Menu bool `json:"menu,omitempty"`
	// Trying says that Claude Code was still retrying when it was left, minutes later.
	Trying bool `json:"trying,omitempty"`
	Exit   int  `json:"exit"` // of -p
	Ran    int  `json:"ran"`  // how often the tool ran
	// Hooked says that the session's hooks had registered it when the limit began.
	Hooked bool     `json:"hooked,omitempty"`
	Calls  int      `json:"calls"`            // from the limit's beginning on
	Events []string `json:"events,omitempty"` // in the situation "settings": those whose hooks ran
	Gates  []string `json:"gates,omitempty"`  // those of them that wait for the turn

	Elapsed float64 `json:"took"` // seconds
}

// outcome returns the cell's word.
func (r Result) outcome() string {
	switch {
	case r.Answered && r.Woken > 0:
		return "woken"
	case r.Answered && r.Typed > 0:
		return "typed"
	case r.Answered && r.Rerun > 0:
		return "re-run"
	case r.Answered:
		return "waited natively"
	case r.UserTold && r.Menu:
		return "told the user by a menu"
	case r.UserTold:
		return "told the user"
	case r.Trying:
		return "still trying"
	}
	return "stuck"
}

// amiss names what is wrong with the cell whatever its outcome.
func (r Result) amiss() (list []string) {
	if r.Ran != 1 {
		list = append(list, fmt.Sprintf("tool ran %d times", r.Ran))
	}
	if n := r.Woken + r.Typed; n > 1 || r.Mode == interactive && r.Prompts > max(1, n) {
		list = append(list, fmt.Sprintf("made to go on %d times", max(n, r.Prompts)))
	}
	if r.Hooked != r.Hooks {
		list = append(list, map[bool]string{true: "hooks ran", false: "no hook ran"}[r.Hooked])
	}
	return list
}

func (r Result) words() string {
	s := r.outcome()
	if r.Answered {
		s += fmt.Sprintf(" %+.0f s", r.Late)
	}
	return strings.Join(append([]string{s}, r.amiss()...), ", ")
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Millisecond)) / float64(time.Second)
}
