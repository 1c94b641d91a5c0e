package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// printable is text from elsewhere (a directory, a name, an answer of the API) as it may stand in a line on a terminal.
// What a terminal would obey, what does not show and what turns the order of letters is written as JSON escapes it, so that
// a line stays one line, and JSON stays JSON.
func printable(text string) string { return escaped(text, "") }

// escaper writes whole text as [printable] does, but for the ends of lines and tabs. No write may begin or end within a
// letter.
type escaper struct{ io.Writer }

func (e escaper) Write(data []byte) (int, error) {
	if _, err := io.WriteString(e.Writer, escaped(string(data), "\n\t")); err != nil {
		return 0, err
	}
	return len(data), nil
}

// escaped is printable text, with those of keep as they are.
func escaped(text, keep string) string {
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsGraphic(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	return b.String()
}

// clock is a time as a person reads it: the day only where it is not today.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("Jan 2 15:04")
}

// span is a number of seconds as a person reads it.
func span(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// age is a number of seconds that passed, as far as it matters to a person.
func age(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d < time.Minute:
		return span(seconds)
	case d < time.Hour:
		return count(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour")
	default:
		return count(int(d.Hours()/24), "day")
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shortID is the beginning of an id of Claude Code's.
func shortID(id string) string { return printable(id[:min(8, len(id))]) }

// tilde is a path as a shell shortens it in the person's home.
func tilde(dir string) string {
	h, err := os.UserHomeDir()
	if rest, ok := strings.CutPrefix(dir, h+"/"); ok && err == nil {
		dir = "~/" + rest
	}
	return printable(dir)
}

// clip cuts text to a width. All that we write is one column wide but perhaps the names of directories.
func clip(text string, width int) string {
	if r := []rune(text); len(r) > width {
		return string(r[:max(0, width-1)]) + "…"
	}
	return text
}

// tail is the end of a path, within a width.
func tail(path string, width int) string {
	base := filepath.Base(path)
	for _, whole := range []string{path, "…/" + base} {
		if utf8.RuneCountInString(whole) <= width {
			return whole
		}
	}
	return clip(base, width)
}
