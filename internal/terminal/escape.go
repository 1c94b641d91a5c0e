package terminal

import (
	"strconv"
	"strings"
)

// escape carries out the escape sequence at the start of data, and returns its length, 0 when there is more of it to come.
func (s *Screen) escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '[':
		return s.csi(data)
	case ']', 'P', '_', '^', 'X':
		return s.stringSequence(data)
	case '7':
		s.saved = [2]int{s.row, s.col}
	case '8':
		s.move(s.saved[0], s.saved[1])
	case 'D':
		s.down()
	case 'E':
		s.col = 0
		s.down()
	case 'M':
		s.wrap = false
		if s.row == s.top {
			s.scroll(s.top, -1)
		} else if s.row > 0 {
			s.row--
		}
	case 'c':
		*s = *NewScreen(s.cols, s.rows)
	case '(', ')', '*', '+', '#', '%', ' ':
		if len(data) < 3 {
			return 0
		}
		return 3
	}
	return 2
}

// stringSequence skips OSC, DCS and their like up to BEL or ST, and keeps the title.
func (s *Screen) stringSequence(data []byte) int {
	for i := 2; i < len(data); i++ {
		end := 0
		switch {
		case data[i] == 0x07:
			end = i + 1
		case data[i] == 0x1b && i+1 < len(data):
			end = i + 2
			if data[i+1] != '\\' {
				end = i // broken off by another sequence
			}
		default:
			continue
		}
		text := string(data[2:i])
		if kind, title, ok := strings.Cut(text, ";"); data[1] == ']' && ok && (kind == "0" || kind == "2") {
			s.title = title
		}
		return end
	}
	return 0
}

// csi is a control sequence: ESC [, parameters, and a letter that says what to do.
type csi struct {
	private string // one of ? > < =, where the parameters begin with it
	params  []string
	final   byte
}

// arg returns parameter i, or otherwise where there is none or it is 0.
func (c csi) arg(i, otherwise int) int {
	if i < len(c.params) {
		if n, err := strconv.Atoi(c.params[i]); err == nil && n > 0 {
			return n
		}
	}
	return otherwise
}

// readCSI reads the sequence at the start of data and returns its length, 0 when there is more of it to come. It is not
// ok for one to be skipped: broken off, or of modes and shapes only.
func readCSI(data []byte) (c csi, n int, ok bool) {
	end := 2
	for end < len(data) && (data[end] < 0x40 || data[end] > 0x7e) {
		if data[end] < 0x20 { // broken off
			return c, end, false
		}
		end++
	}
	if end == len(data) {
		return c, 0, false
	}
	params := string(data[2:end])
	if params != "" && strings.ContainsRune("?><=", rune(params[0])) {
		c.private, params = params[:1], params[1:]
	}
	c.params, c.final = strings.Split(params, ";"), data[end]
	return c, end + 1, strings.TrimRight(params, " !\"#$%&'()*+,-./") == params // intermediates
}

func (s *Screen) csi(data []byte) int {
	c, n, ok := readCSI(data)
	switch {
	case !ok:
	case c.private != "":
		s.private(c.private, c.arg(0, 0), c.final)
	default: // each knows the letters of its own
		s.place(c)
		s.edit(c)
		s.answer(c)
	}
	return n
}

func (s *Screen) place(c csi) {
	n := c.arg(0, 1)
	switch c.final {
	case 'A':
		s.move(s.row-n, s.col)
	case 'B', 'e':
		s.move(s.row+n, s.col)
	case 'C', 'a':
		s.move(s.row, s.col+n)
	case 'D':
		s.move(s.row, s.col-n)
	case 'E':
		s.move(s.row+n, 0)
	case 'F':
		s.move(s.row-n, 0)
	case 'G', '`':
		s.move(s.row, n-1)
	case 'd':
		s.move(n-1, s.col)
	case 'H', 'f':
		s.move(n-1, c.arg(1, 1)-1)
	case 's':
		s.saved = [2]int{s.row, s.col}
	case 'u':
		s.move(s.saved[0], s.saved[1])
	}
}

func (s *Screen) edit(c csi) {
	n := c.arg(0, 1)
	switch c.final {
	case 'J':
		s.eraseDisplay(c.arg(0, 0))
	case 'K':
		switch c.arg(0, 0) {
		case 0:
			s.erase(s.row, s.col, s.cols)
		case 1:
			s.erase(s.row, 0, s.col+1)
		case 2:
			s.erase(s.row, 0, s.cols)
		}
	case 'L':
		s.deleteLines(-n)
	case 'M':
		s.deleteLines(n)
	case '@':
		n, line := min(n, s.cols-s.col), s.cells[s.row]
		copy(line[s.col+n:], line[s.col:])
		s.erase(s.row, s.col, s.col+n)
	case 'P':
		n, line := min(n, s.cols-s.col), s.cells[s.row]
		copy(line[s.col:], line[s.col+n:])
		s.erase(s.row, s.cols-n, s.cols)
	case 'X':
		s.erase(s.row, s.col, min(s.cols, s.col+n))
	case 'S':
		s.scroll(s.top, min(n, s.bottom-s.top+1))
	case 'T':
		s.scroll(s.top, -min(n, s.bottom-s.top+1))
	case 'r':
		s.top, s.bottom = max(0, min(n, s.rows)-1), min(c.arg(1, s.rows), s.rows)-1
		if s.top >= s.bottom {
			s.top, s.bottom = 0, s.rows-1
		}
		s.move(0, 0)
	}
}

// deleteLines takes n lines out of the region at the cursor, or puts empty ones in when n is negative.
func (s *Screen) deleteLines(n int) {
	if s.row < s.top || s.row > s.bottom {
		return
	}
	room := s.bottom - s.row + 1
	history := s.history // lines deleted here have not left the top
	s.scroll(s.row, max(-room, min(n, room)))
	s.history = history
}

// answer adds to the reply what a terminal says to the program's question.
func (s *Screen) answer(c csi) {
	switch {
	case c.final == 'n' && c.arg(0, 0) == 5:
		s.reply = append(s.reply, "\x1b[0n"...)
	case c.final == 'n' && c.arg(0, 0) == 6:
		s.reply = append(s.reply, "\x1b["+strconv.Itoa(s.row+1)+";"+strconv.Itoa(s.col+1)+"R"...)
	case c.final == 'c':
		s.reply = append(s.reply, "\x1b[?1;2c"...) // a VT100 with advanced video, as many terminals say
	}
}

func (s *Screen) private(kind string, mode int, final byte) {
	if kind == "?" && mode == 2004 {
		s.pastes = final == 'h'
	}
	if kind != "?" || (mode != 47 && mode != 1047 && mode != 1049) {
		return
	}
	switch {
	case final == 'h' && s.main == nil:
		s.main, s.mainAt = s.cells, [2]int{s.row, s.col}
		s.cells = s.blank()
	case final == 'l' && s.main != nil:
		s.cells, s.main = s.main, nil
		s.move(s.mainAt[0], s.mainAt[1])
	}
}
