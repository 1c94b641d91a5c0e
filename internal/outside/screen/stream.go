// Package screen reads what Claude Code's terminal shows of a limit: the countdown to its next try, which an interactive session
// writes nowhere else (2.1.330). It reads no clock, and decides nothing.
//
// The screen is its own: of the emulators there are, charmbracelet/x/vt 0.1.0 ends Claude Code's title ("✳ Claude Code") at the
// 0x9c within the first rune and puts the rest into the prompt, hinshun/vt10x (of 2022) loses runes that two reads share.
package screen

import (
	"strings"
	"unicode/utf8"

	"afteryou/internal/ratelimit"
)

// Stream looks for Claude Code's countdown in a copy of the bytes that it writes to its terminal. The zero value is
// ready. It is not safe for concurrent use, and keeps 300 KB at most.
//
// An interactive session writes only the cells that changed: the next retry may be no more than a 5 in one place and a 4 in another. So Stream keeps the screen as a grid.
// It leaves aside what that program does not use (scrolling regions, inserted lines, wrapping at the edge): a
// countdown may be lost thereby, none is invented. Errors in the conversation are not reported: they are painted again
// whenever it is scrolled, and the transcript has them at once.
type Stream struct {
	grid grid

	state   state
	param   [2]int // of the escape sequence at hand, as far as any is used
	params  int    // index of the parameter being read
	private bool
	part    [utf8.UTFMax]byte // a rune cut in two by the end of a chunk
	partLen int

	shown bool // the countdown of last is on the screen
	last  ratelimit.Limit
	found bool
}

type state uint8

const (
	ground   state = iota
	escape         // after ESC
	charset        // after ESC and an intermediate byte: one byte follows
	control        // after ESC [
	title          // a title and the like, up to BEL or ESC \
	titleEnd       // after ESC inside of one
)

// Feed takes the next bytes, split anywhere, and returns the last countdown that began in them: once for each rejected
// try, not for each second.
func (s *Stream) Feed(p []byte) (ratelimit.Limit, bool) {
	s.found = false
	for s.partLen > 0 && len(p) > 0 {
		s.part[s.partLen] = p[0]
		s.partLen++
		p = p[1:]
		if utf8.FullRune(s.part[:s.partLen]) {
			part := s.part
			n := s.partLen
			s.partLen = 0
			s.write(part[:n])
		}
	}
	for len(p) > 0 {
		if s.state == ground {
			p = p[s.write(p):]
		} else {
			p = p[s.sequence(p):]
		}
	}
	return s.last, s.found
}

// write takes text and simple controls up to the next escape sequence, and returns how many bytes that were.
func (s *Stream) write(p []byte) int {
	for i := 0; i < len(p); {
		c := p[i]
		switch {
		case c >= ' ' && c < utf8.RuneSelf:
			n := 1
			for i+n < len(p) && p[i+n] >= ' ' && p[i+n] < utf8.RuneSelf {
				n++
			}
			s.grid.ascii(p[i : i+n])
			i += n
			continue
		case c >= utf8.RuneSelf:
			if !utf8.FullRune(p[i:]) {
				s.partLen = copy(s.part[:], p[i:])
				return len(p)
			}
			r, n := utf8.DecodeRune(p[i:])
			s.grid.rune(r)
			i += n
			continue
		case c == '\x1b':
			s.state = escape
			return i + 1
		case c == '\n':
			s.leave(s.grid.y + 1)
		case c == '\r':
			s.grid.x = 0
		case c == '\b':
			s.grid.x = max(0, s.grid.x-1)
		case c == '\t':
			s.grid.x = min((s.grid.x+8)&^7, gridCols)
		}
		i++
	}
	return len(p)
}

// sequence takes the rest of an escape sequence, or what there is of it, and returns how many bytes it took.
func (s *Stream) sequence(p []byte) int {
	for i, c := range p {
		switch s.state {
		case escape:
			s.escaped(c)
		case charset:
			s.state = ground
		case control:
			s.parameter(c)
		case title:
			switch c {
			case '\a', '\x18', '\x1a':
				s.state = ground
			case '\x1b':
				s.state = titleEnd
			}
		case titleEnd:
			if c != '\\' { // it was the start of another
				s.state = escape
				return i
			}
			s.state = ground
		}
		if s.state == ground {
			return i + 1
		}
	}
	return len(p)
}

// escaped takes the byte behind ESC.
func (s *Stream) escaped(c byte) {
	switch {
	case c == '[':
		s.state, s.param, s.params, s.private = control, [2]int{}, 0, false
		return
	case c == ']', c == 'P', c == 'X', c == '^', c == '_':
		s.state = title
		return
	case c >= ' ' && c <= '/':
		s.state = charset
		return
	case c == '\x1b':
		return
	case c == '7':
		s.grid.save()
	case c == '8':
		s.leave(s.grid.savedY)
		s.grid.x = s.grid.savedX
	case c == 'c':
		s.wipe()
	}
	s.state = ground
}

// parameter takes a byte behind ESC [: of a parameter, or the last, which says what to do.
func (s *Stream) parameter(c byte) {
	switch {
	case c >= '0' && c <= '9':
		if s.params < len(s.param) {
			s.param[s.params] = min(s.param[s.params]*10+int(c-'0'), 1<<20)
		}
	case c == ';' || c == ':':
		s.params++
	case c >= '<' && c <= '?', c >= ' ' && c <= '/':
		s.private = true
	case c >= '@' && c <= '~':
		s.control(c)
		s.state = ground
	case c == '\x1b':
		s.state = escape
	case c == '\x18' || c == '\x1a':
		s.state = ground
	}
}

// control carries out ESC [ … c.
func (s *Stream) control(c byte) {
	g := &s.grid
	n := max(1, s.param[0])
	if s.private {
		if (c == 'h' || c == 'l') && s.param[0] == 1049 {
			s.wipe()
		}
		return
	}
	switch c {
	case 'A':
		s.leave(g.y - n)
	case 'B':
		s.leave(g.y + min(n, gridRows-1-g.y))
	case 'C':
		g.x = min(g.x+n, gridCols)
	case 'D':
		g.x = max(g.x-n, 0)
	case 'E':
		s.leave(g.y + min(n, gridRows-1-g.y))
		g.x = 0
	case 'F':
		s.leave(g.y - n)
		g.x = 0
	case 'G', '`':
		g.x = min(n-1, gridCols)
	case 'd':
		s.leave(min(n, gridRows) - 1)
	case 'H', 'f':
		s.leave(min(n, gridRows) - 1)
		g.x = min(max(1, s.param[1])-1, gridCols)
	case 's':
		g.save()
	case 'u':
		s.leave(g.savedY)
		g.x = g.savedX
	case 'K':
		g.eraseLine(s.param[0])
	case 'J':
		g.eraseScreen(s.param[0])
	case 'X':
		g.erase(g.x, g.x+n)
	}
}

// leave moves the cursor to line y, and reads the line it leaves: a frame is drawn line by line, so that is when the
// line is complete.
func (s *Stream) leave(y int) {
	if y != s.grid.y {
		s.read()
	}
	s.grid.moveTo(y)
}

func (s *Stream) wipe() {
	s.grid.y, s.grid.x, s.grid.top = 0, 0, 0
	s.grid.eraseScreen(2)
}

// read looks at the line under the cursor, if it changed.
func (s *Stream) read() {
	row := &s.grid.rows[s.grid.index(s.grid.y)]
	if !row.changed {
		return
	}
	row.changed = false
	if row.n < 3 || row.cells[1] != ' ' || !strings.ContainsRune(glyphs, row.cells[0]) {
		return
	}
	line := string(row.cells[:row.n])
	if strings.Contains(line, "etrying in ") {
		if m := countdown().FindStringSubmatch(line); m != nil {
			if l, ok := readCountdown(m[1], m[2], m[3], m[4]); ok && !(s.shown && l.Attempt == s.last.Attempt) {
				s.shown, s.last, s.found = true, l, true
			}
			return
		}
	}
	// The spinner again ("✻ Scampering… (3s)"): the call went through, or another one began.
	if strings.Contains(line, "…") && !strings.Contains(line, "etrying") {
		s.shown = false
	}
}
