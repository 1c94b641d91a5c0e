package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
	past map[string][]byte // per session, the latest second last
}

// look takes the state in, at a time that is a second after the last one or in the same one.
func (s *scene) look(state *turn.State, now time.Time, second bool) {
	s.report = reportOf(state, now)
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

// frame is a screen that is being written, line by line.
type frame struct {
	width, height int
	lines         []string
}

func (f *frame) add(format string, args ...any) {
	f.lines = append(f.lines, clip(fmt.Sprintf(format, args...), f.width))
}

// frameRow is the line of one caller, or of a session without a call.
type frameRow struct{ what, id, session string }

// frame is what stands on a screen of that size, line by line.
func (s *scene) frame(now time.Time, width, height int) []string {
	f := frame{width: width, height: height}
	head := "afteryou " + now.Local().Format("15:04:05")
	f.add("%s%*s", head, max(1, width-len(head)), "q quits")
	if len(s.Pools) == 0 && len(s.dirs) == 0 {
		f.add("")
		f.add("no session takes turns now")
	} else {
		for i, p := range s.Pools {
			f.pool(p, now)
			if i == 0 || !p.sameAccount(s.Pools[i-1]) {
				for _, w := range p.Windows {
					f.add("window %s", w)
				}
			}
		}
		seconds := f.rows(s, s.rows())
		f.foot(s.report, now, seconds)
	}
	return f.lines[:min(len(f.lines), height)]
}

// pool writes what is known of one limit.
func (f *frame) pool(p poolReport, now time.Time) {
	f.add("")
	f.add("%s", printable(p.Name))
	pace := "no limit met yet"
	if p.Rate > 0 {
		pace = fmt.Sprintf("%.3g calls a minute", p.Rate)
	}
	f.add("%s · %s · %d in a call, %d wait", count(p.Sessions, "session"), pace, len(p.Turns), len(p.Waiting))
	if p.Budget != nil {
		f.add("budget %s", p.Budget)
	}
	switch {
	case p.CoolDown != nil:
		end := fmt.Sprintf(" %s until %s", span(p.CoolDown.Seconds), clock(p.CoolDown.Until, now))
		f.add("cool-down %s%s", bar(p.CoolDown.Seconds, 60, f.width-10-len(end)), end)
	case p.GaveUp:
		f.add("cool-down given up: it never said how long it lasts")
	case p.Usage != nil:
		f.add("usage limit, resets %s", clock(p.Usage.Until, now))
	default:
		f.add("no cool-down")
	}
}

// rows are those who do something, in the order of the limits, then who does nothing, by directory.
func (s *scene) rows() (rows []frameRow) {
	busy := make(map[string]bool)
	put := func(what string, c callerReport) {
		id := shortID(c.Session)
		if c.Agent != "" {
			id += "+"
		}
		rows = append(rows, frameRow{what, id, c.Session})
		busy[c.Session] = true
	}
	for _, p := range s.Pools {
		for _, c := range p.Turns {
			put("calls "+span(c.Seconds), c)
		}
		for _, c := range slices.Concat(p.Retrying, p.Stopped) {
			put("again "+span(max(0, c.Seconds)), c)
		}
		for _, c := range p.Waiting {
			put(fmt.Sprintf("%d. %s", c.Place, span(c.Seconds)), c)
		}
	}
	var still []string
	for id := range s.dirs {
		if !busy[id] {
			still = append(still, id)
		}
	}
	slices.SortFunc(still, func(a, b string) int { return cmp.Or(cmp.Compare(s.dirs[a], s.dirs[b]), cmp.Compare(a, b)) })
	for _, id := range still {
		rows = append(rows, frameRow{"idle", shortID(id), id})
	}
	return rows
}

// rows writes as many rows as there is room for, each with its time line, and returns how many seconds those show.
func (f *frame) rows(s *scene, rows []frameRow) (seconds int) {
	// The time line takes what the directories leave, and those are there where there is room.
	dir := 0
	switch {
	case f.width >= 90:
		dir = min(40, f.width-90+14)
	case f.width >= 56:
		dir = 14
	}
	line := max(0, f.width-11-10-dir-1)
	each := max(1, (180+line-1)/max(1, line))
	f.add("")
	room := f.height - len(f.lines) - 2
	for i, r := range rows {
		if i == room-1 && len(rows) > room || room <= 0 {
			f.add("… and %d more", len(rows)-i)
			break
		}
		where := ""
		if dir > 0 {
			where = fmt.Sprintf("%-*s", dir, tail(tilde(s.dirs[r.session]), dir-1))
		}
		f.add("%-10s %-9s %s%s", clip(r.what, 10), r.id, where, s.line(r.session, line, each))
	}
	return line * each
}

// foot writes what the marks mean, and when the last rejection was: on one line, or on two.
func (f *frame) foot(r report, now time.Time, seconds int) {
	legend := fmt.Sprintf("▆ calls ░ waits × rejected; the last %s", time.Duration(seconds)*time.Second)
	last := ""
	if n := len(r.rejections); n > 0 {
		last = fmt.Sprintf("last rejection %s; %s met one", clock(slices.MaxFunc(r.rejections, time.Time.Compare), now), count(n, "session"))
	}
	if last != "" && f.width < len([]rune(legend+last))+2 {
		f.add("%s", legend)
		f.add("%s", last)
		return
	}
	f.add("%s", strings.TrimSpace(legend+"  "+last))
}

// bar is how much of a time is left, full at most.
func bar(left, full float64, width int) string {
	width = min(width, 40)
	if width < 3 {
		return ""
	}
	n := min(width, int(left/full*float64(width)+0.5))
	return strings.Repeat("█", n) + strings.Repeat("·", width-n)
}
