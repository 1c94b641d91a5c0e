package cli

import (
	"slices"
	"time"

	"afteryou/internal/turn"
)

// remember is how many seconds of the time line are kept.
const remember = 15 * 60

// What a session does in one second, the more telling the higher.
const (
	absent = iota
	idle
	waits
	calls
	rejected
)

// marks show them in the time line. A call is not as high as its line, so that the lines stay apart.
const marks = " ·░▆×"

// scene is what status --watch shows: the report, and what each session did lately.
type scene struct {
	report
	past  map[string][]byte // per session, the latest second last
	rules turn.Rules
}

// look takes the state in, at a time that is a second after the last one or in the same one.
func (s *scene) look(state *turn.State, now time.Time, second bool) {
	s.report = reportOf(state, now, s.rules)
	does := make(map[string]byte)
	for id := range s.dirs {
		does[id] = idle
	}
	for _, p := range s.Pools {
		for what, list := range map[byte][]callerReport{calls: p.Turns, waits: p.Waiting, rejected: p.Retrying} {
			for _, c := range list {
				does[c.Session] = max(does[c.Session], what)
			}
		}
	}
	if s.past == nil {
		s.past = make(map[string][]byte)
	}
	for id := range does {
		if s.past[id] == nil {
			s.past[id] = []byte{absent}
		}
	}
	for id, line := range s.past {
		if second {
			line = append(line, does[id])
		} else {
			line[len(line)-1] = max(line[len(line)-1], does[id])
		}
		s.past[id] = line[max(0, len(line)-remember):]
		if slices.Max(s.past[id]) == absent {
			delete(s.past, id)
		}
	}
}

// line is the time line of a session in so many letters, each of so many seconds.
func (s *scene) line(id string, width, seconds int) string {
	marks := []rune(marks)
	past := s.past[id]
	out := make([]rune, width)
	for i := range out {
		to := len(past) - (width-1-i)*seconds
		from := to - seconds
		out[i] = ' '
		if to > 0 {
			out[i] = marks[slices.Max(past[max(0, from):to])]
		}
	}
	return string(out)
}
