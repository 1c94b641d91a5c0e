package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

const (
	frameEvery = 500 * time.Millisecond
	remember   = 15 * 60 // seconds of the time line
)

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

// scene is what status --watch knows beside the report: the sessions without a call, and what each did lately.
type scene struct {
	report
	names    map[string]string // of sessions: where they work
	refusals []time.Time       // last rejection of each caller
	past     map[string][]byte // per session, the latest second last
	rules    turn.Rules
}

// look takes the state in, at a time that is a second after the last one or in the same one.
func (s *scene) look(state *turn.State, now time.Time, second bool) {
	s.refusals = nil
	for _, p := range state.Pools {
		for _, c := range p.Callers {
			if !c.Rejected.IsZero() {
				s.refusals = append(s.refusals, c.Rejected)
			}
		}
	}
	s.report = reportOf(state, now, s.rules)
	s.names = make(map[string]string)
	does := make(map[string]byte)
	for id, session := range state.Sessions {
		s.names[id], does[id] = session.Dir, idle
	}
	for _, p := range s.Pools {
		for what, list := range map[byte][]callerReport{calls: p.Turns, waits: p.Waiting, rejected: p.Retrying} {
			for _, c := range list {
				does[c.Session] = max(does[c.Session], what)
				if _, ok := s.names[c.Session]; !ok {
					s.names[c.Session] = c.Dir
				}
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
		if len(line) > remember {
			line = line[len(line)-remember:]
		}
		s.past[id] = line
		if slices.Max(line) == absent {
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

// frame is what stands on a screen of that size, line by line.
func (s *scene) frame(now time.Time, width, height int) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, clip(fmt.Sprintf(format, args...), width)) }
	head := "afteryou " + now.Local().Format("15:04:05")
	add("%s%*s", head, max(1, width-len(head)), "q quits")
	if len(s.Pools) == 0 && len(s.names) == 0 {
		add("")
		add("no session takes turns now")
		return out[:min(len(out), height)]
	}
	shown := make(map[string]bool)
	type row struct{ what, id, session string }
	var rows []row
	for _, p := range s.Pools {
		add("")
		add("%s", printable(p.Name))
		pace := "no limit met yet"
		if p.Rate > 0 {
			pace = fmt.Sprintf("%.3g calls a minute", p.Rate)
		}
		add("%s · %s · %d in a call, %d wait", count(p.Sessions, "session"), pace, len(p.Turns), len(p.Waiting))
		if p.Budget != nil {
			add("budget %s", p.Budget)
		}
		switch {
		case p.CoolDown != nil:
			end := fmt.Sprintf(" %s until %s", span(p.CoolDown.Seconds), clock(p.CoolDown.Until, now))
			add("cool-down %s%s", bar(p.CoolDown.Seconds, 60, width-10-len(end)), end)
		case p.GaveUp:
			add("cool-down given up: it never said how long it lasts")
		case p.Usage != nil:
			add("usage limit, resets %s", clock(p.Usage.Until, now))
		default:
			add("no cool-down")
		}
		put := func(what string, c callerReport) {
			id := short(c.Session)
			if c.Agent != "" {
				id += "+"
			}
			rows = append(rows, row{what, id, c.Session})
			shown[c.Session] = true
		}
		for _, c := range p.Turns {
			put("calls "+span(c.Seconds), c)
		}
		for _, c := range p.Retrying {
			put("again "+span(max(0, c.Seconds)), c)
		}
		for _, c := range p.Stopped {
			put("again "+span(max(0, c.Seconds)), c)
		}
		for _, c := range p.Waiting {
			put(fmt.Sprintf("%d. %s", c.Place, span(c.Seconds)), c)
		}
	}
	var still []string
	for id := range s.names {
		if !shown[id] {
			still = append(still, id)
		}
	}
	slices.SortFunc(still, func(a, b string) int { return cmp.Or(cmp.Compare(s.names[a], s.names[b]), cmp.Compare(a, b)) })
	for _, id := range still {
		rows = append(rows, row{"idle", short(id), id})
	}
	foot := ""
	if n := len(s.refusals); n > 0 {
		last := slices.MaxFunc(s.refusals, time.Time.Compare)
		foot = fmt.Sprintf("last rejection %s; %s met one", clock(last, now), count(n, "session"))
	}
	// The time line takes what the names leave, and names are there where there is room.
	dir := 0
	switch {
	case width >= 90:
		dir = min(40, width-90+14)
	case width >= 56:
		dir = 14
	}
	left := 11 + 10 + dir
	line := max(0, width-left-1)
	seconds := max(1, (180+line-1)/max(1, line))
	add("")
	room := height - len(out) - 2
	for i, r := range rows {
		if i == room-1 && len(rows) > room || room <= 0 {
			add("… and %d more", len(rows)-i)
			break
		}
		name := ""
		if dir > 0 {
			name = fmt.Sprintf("%-*s", dir, tail(home(s.names[r.session]), dir-1))
		}
		add("%-10s %-9s %s%s", clip(r.what, 10), r.id, name, s.line(r.session, line, seconds))
	}
	span := fmt.Sprintf("▆ calls ░ waits × rejected; the last %s", time.Duration(line*seconds)*time.Second)
	add("%s", strings.TrimSpace(span+"  "+foot))
	if width < len([]rune(span+foot))+2 && foot != "" {
		out[len(out)-1] = clip(foot, width)
		out = slices.Insert(out, len(out)-1, clip(span, width))
	}
	return out[:min(len(out), height)]
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// bar is how much of a time is left, full at most.
func bar(left, most float64, width int) string {
	width = min(width, 40)
	if width < 3 {
		return ""
	}
	n := min(width, int(left/most*float64(width)+0.5))
	return strings.Repeat("█", n) + strings.Repeat("·", width-n)
}

// clip cuts text to a width. All that we write is one column wide but perhaps the names of directories.
func clip(text string, width int) string {
	if r := []rune(text); len(r) > width {
		return string(r[:max(0, width-1)]) + "…"
	}
	return text
}

// tail is the end of a path.
func tail(path string, width int) string {
	r := []rune(path)
	if len(r) <= width {
		return path
	}
	short := "…" + string(os.PathSeparator) + filepath.Base(path)
	if len([]rune(short)) <= width {
		return short
	}
	return clip(filepath.Base(path), width)
}

// watch shows the state until q, ^C or a signal, and leaves the terminal as it was.
func watch(store *lockfile.Store, in, out *os.File) (int, error) {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return exitFailure, errors.New("watching needs a terminal\nhint: afteryou status prints once")
	}
	// Before anything is changed: a signal in between must find its handler. It is not stopped: the process ends.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGWINCH)
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return exitFailure, fmt.Errorf("setting the terminal: %w", err)
	}
	defer term.Restore(int(in.Fd()), was)
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l")
	defer fmt.Fprint(out, "\x1b[?25h\x1b[?1049l")
	keys := make(chan byte)
	go func() { // blocked in a read when the process ends
		buf := make([]byte, 64)
		for {
			n, err := in.Read(buf)
			if err != nil {
				close(keys)
				return
			}
			for _, k := range buf[:n] {
				keys <- k
			}
		}
	}()
	ticks := time.NewTicker(frameEvery)
	defer ticks.Stop()
	s := scene{rules: wishes()}
	var shown []string
	var last int64
	for {
		v, err := store.View()
		if err != nil {
			return exitFailure, err
		}
		v.Close()
		now := time.Now()
		s.look(v.State, now, now.Unix() != last)
		last = now.Unix()
		width, height, err := term.GetSize(int(out.Fd()))
		if err != nil || width < 1 || height < 1 {
			width, height = 80, 24
		}
		if lines := s.frame(now, width, height); !slices.Equal(lines, shown) {
			draw(out, lines)
			shown = lines
		}
		select {
		case <-ticks.C:
		case k, ok := <-keys:
			if !ok || k == 'q' || k == 'Q' || k == 3 || k == 4 {
				return 0, nil
			}
		case sig := <-signals:
			if sig != syscall.SIGWINCH {
				return 128 + int(sig.(syscall.Signal)), nil
			}
			shown = nil // a terminal may have moved the lines
		}
	}
}

// draw paints over what stands there, in one write, so that nothing is ever blank in between.
func draw(out io.Writer, lines []string) {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	io.WriteString(out, b.String()) // a terminal that is gone sends a signal
}
