package terminal

import (
	"strings"
	"testing"
)

func TestScreen(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"text wraps at the last column", "0123456789ab", "0123456789\nab"},
		{"a full line wraps only with the next character", "0123456789\r\nab", "0123456789\nab"},
		{"colours and titles leave nothing", "\x1b]0;title\x07\x1b[1;31mred\x1b[0m\x1b]8;;x\x1b\\!", "red!"},
		{"the cursor is addressed from one", "\x1b[2;3Hx", "\n  x"},
		{"a line is overwritten", "hello\rj", "jello"},
		{"erasing to the end of the line", "hello\x1b[3D\x1b[K", "he"},
		{"erasing lines upwards, as Ink does", "a\r\nb\r\nc\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[Gx", "x"},
		{"the screen scrolls", "1\r\n2\r\n3\r\n4\r\n5", "2\n3\n4\n5"},
		{"a region scrolls alone", "1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[3;1H\nx", "1\n3\nx\n4"},
		{"lines are inserted and deleted", "1\r\n2\r\n3\x1b[1;1H\x1b[L\x1b[3;1H\x1b[M", "\n1\n3"},
		{"characters are inserted, deleted and erased", "abcdef\r\x1b[2@\x1b[2;1Habcdef\r\x1b[2P\x1b[2X", "  abcdef\n  ef"},
		{"the alternate screen gives the main one back", "main\x1b[?1049h\x1b[Halt\x1b[?1049l", "main"},
		{"a wide character takes two columns", "漢字\x1b[1;5Hx", "漢字x"},
		{"a reverse line feed scrolls down at the top", "1\r\n2\x1b[H\x1bM0", "0\n1\n2"},
		{"the screen is erased", "1\r\n2\x1b[2J\x1b[Hx", "x"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			whole, split := NewScreen(10, 4), NewScreen(10, 4)
			whole.Write([]byte(c.in))
			for i := range len(c.in) {
				split.Write([]byte(c.in[i : i+1]))
			}
			if got := whole.Text(); got != c.want {
				t.Errorf("Text = %q, want %q", got, c.want)
			}
			if got := split.Text(); got != c.want {
				t.Errorf("Text of single bytes = %q, want %q", got, c.want)
			}
		})
	}
}

func TestScreenAnswersQuestions(t *testing.T) {
	s := NewScreen(10, 4)
	s.Write([]byte("ab\x1b[6n\x1b[c\x1b[?u"))
	if got := string(s.Reply()); got != "\x1b[1;3R\x1b[?1;2c" {
		t.Errorf("Reply = %q", got)
	}
}

func TestScreenKeepsHistoryAndTitle(t *testing.T) {
	s := NewScreen(10, 2)
	s.Write([]byte("\x1b]2;busy\x1b\\1\r\n2\r\n3"))
	if s.History() != "1" || s.Title() != "busy" {
		t.Errorf("History %q, Title %q", s.History(), s.Title())
	}
}

func FuzzScreen(f *testing.F) {
	f.Add([]byte("\x1b[2;3r\x1b[5L\x1b[99;99Hx\x1b[99@\x1b[1T漢"))
	f.Add([]byte("\x1b]0;t\x1b\\\x1b[?1049h\x1b[3J\x1b[0;0r\xff\xcc\x80"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := NewScreen(7, 3)
		for _, half := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
			s.Write(half)
			s.Resize(5, 2)
			s.Resize(7, 3)
		}
		if n := strings.Count(s.Text(), "\n"); n > 2 {
			t.Errorf("%d lines on a screen of 3", n+1)
		}
	})
}
