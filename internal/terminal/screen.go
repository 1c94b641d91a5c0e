package terminal

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Screen is a small terminal emulator: it turns the bytes of a program into the text that a person would see. It knows
// what full-screen programs use to place text (cursor, erase, insert, delete, scroll, the alternate screen) and skips
// colours, titles and modes. It is no judge of how a terminal really behaves.
type Screen struct {
	cols, rows  int
	cells       [][]string // "" is the right half of a wide character
	row, col    int
	wrap        bool // the cursor stands behind the last column
	top, bottom int  // scroll region, bottom included
	saved       [2]int
	main        [][]string // the main screen while the alternate one shows
	mainAt      [2]int
	history     []string // lines that left the top
	title       string
	pastes      bool
	rest        []byte // an escape sequence or a character that is not complete yet
	reply       []byte // what a terminal would answer to the program's questions
}

// NewScreen returns an empty screen.
func NewScreen(cols, rows int) *Screen {
	s := &Screen{cols: cols, rows: rows, bottom: rows - 1}
	s.cells = s.blank()
	return s
}

func (s *Screen) blank() [][]string {
	cells := make([][]string, s.rows)
	for i := range cells {
		cells[i] = s.line()
	}
	return cells
}

func (s *Screen) line() []string {
	return slices.Repeat([]string{" "}, s.cols)
}

// Resize cuts or extends the screen; nothing is wrapped anew: programs redraw.
func (s *Screen) Resize(cols, rows int) {
	fit := func(old [][]string) [][]string {
		if extra := len(old) - rows; extra > 0 {
			old = old[extra:]
		}
		s.cols, s.rows = cols, rows
		cells := s.blank()
		for i, line := range old {
			copy(cells[i], line)
		}
		return cells
	}
	s.row = max(0, min(s.row-max(0, len(s.cells)-rows), rows-1))
	s.cells = fit(s.cells)
	if s.main != nil {
		s.main = fit(s.main)
	}
	s.col, s.wrap, s.top, s.bottom = min(s.col, cols-1), false, 0, rows-1
}

// Text returns the screen as lines without spaces at their ends.
func (s *Screen) Text() string {
	lines := make([]string, s.rows)
	for i, line := range s.cells {
		lines[i] = strings.TrimRight(strings.Join(line, ""), " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// History returns the lines that scrolled off the top.
func (s *Screen) History() string { return strings.Join(s.history, "\n") }

// Title returns the window title.
func (s *Screen) Title() string { return s.title }

// Pastes reports whether the program asked for pastes to be marked, as it does once it reads keys.
func (s *Screen) Pastes() bool { return s.pastes }

// Reply returns and forgets what a terminal would have answered so far.
func (s *Screen) Reply() []byte {
	r := s.reply
	s.reply = nil
	return r
}

// Write takes the program's output; it never fails.
func (s *Screen) Write(p []byte) (int, error) {
	data := append(s.rest, p...)
	s.rest = nil
	for len(data) > 0 {
		n := s.step(data)
		if n == 0 { // incomplete
			s.rest = append([]byte(nil), data...)
			break
		}
		data = data[n:]
	}
	return len(p), nil
}

// step takes one character or sequence off data; 0: there is more of it to come.
func (s *Screen) step(data []byte) int {
	switch c := data[0]; {
	case c == 0x1b:
		return s.escape(data)
	case c < 0x20 || c == 0x7f:
		s.control(c)
		return 1
	case c < 0x80:
		s.put(string(rune(c)), 1)
		return 1
	}
	if !utf8.FullRune(data) {
		return 0
	}
	r, n := utf8.DecodeRune(data)
	switch w := width(r); {
	case w > 0:
		s.put(string(r), w)
	default: // joins the character before it
		if col := s.before(); col >= 0 {
			s.cells[s.row][col] += string(r)
		}
	}
	return n
}

// before returns the column of the character left of the cursor, -1 when there is none.
func (s *Screen) before() int {
	col := s.col - 1
	if s.wrap {
		col = s.col
	}
	for col > 0 && s.cells[s.row][col] == "" {
		col--
	}
	return col
}

func (s *Screen) control(c byte) {
	switch c {
	case '\r':
		s.col, s.wrap = 0, false
	case '\n', '\v', '\f':
		s.down()
	case '\b':
		s.col, s.wrap = max(0, s.col-1), false
	case '\t':
		s.col = min(s.cols-1, s.col/8*8+8)
	}
}

func (s *Screen) put(text string, w int) {
	if s.wrap || s.col+w > s.cols {
		s.col = 0
		s.down()
	}
	line := s.cells[s.row]
	line[s.col] = text
	if w == 2 && s.col+1 < s.cols {
		line[s.col+1] = ""
	}
	s.col += w
	if s.col >= s.cols {
		s.col, s.wrap = s.cols-1, true
	}
}

// down carries out a line feed.
func (s *Screen) down() {
	s.wrap = false
	if s.row == s.bottom {
		s.scroll(s.top, 1)
	} else if s.row < s.rows-1 {
		s.row++
	}
}

// scroll moves the lines from top to the region's bottom up by n, down when n is negative.
func (s *Screen) scroll(top, n int) {
	region := s.cells[top : s.bottom+1]
	for ; n > 0; n-- {
		if top == 0 && s.main == nil {
			s.history = append(s.history, strings.TrimRight(strings.Join(region[0], ""), " "))
		}
		copy(region, region[1:])
		region[len(region)-1] = s.line()
	}
	for ; n < 0; n++ {
		copy(region[1:], region)
		region[0] = s.line()
	}
}

func (s *Screen) move(row, col int) {
	s.row, s.col, s.wrap = max(0, min(row, s.rows-1)), max(0, min(col, s.cols-1)), false
}

func (s *Screen) erase(row, from, to int) {
	for i := from; i < to; i++ {
		s.cells[row][i] = " "
	}
}

func (s *Screen) eraseDisplay(mode int) {
	from, to := s.row+1, s.rows
	switch mode {
	case 0:
		s.erase(s.row, s.col, s.cols)
	case 1:
		from, to = 0, s.row
		s.erase(s.row, 0, s.col+1)
	case 2:
		from = 0
	case 3:
		s.history = nil
		return
	}
	for i := from; i < to; i++ {
		s.erase(i, 0, s.cols)
	}
}

// width returns how many columns a character takes: a rough table, enough to keep lines straight.
func width(r rune) int {
	switch {
	case r == 0x200d, r >= 0x300 && r <= 0x36f, r >= 0xfe00 && r <= 0xfe0f, r >= 0x200b && r <= 0x200f:
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f680 && r <= 0x1f6ff, r >= 0x1f900 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}
