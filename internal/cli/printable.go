package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// printable is text from elsewhere (a directory, a name, an answer of the API) as it may stand in a line on a terminal.
// What a terminal would obey, what does not show and what turns the order of letters is written as JSON escapes it, so that
// a line stays one line, and JSON stays JSON.
func printable(text string) string { return escaped(text, "") }

// printing writes whole text as [printable] does, but for the ends of lines and tabs. No write may begin or end within a
// letter.
type printing struct{ io.Writer }

func (p printing) Write(data []byte) (int, error) {
	if _, err := io.WriteString(p.Writer, escaped(string(data), "\n\t")); err != nil {
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
