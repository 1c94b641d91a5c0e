package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// evil is a name that sets the title of a terminal, clears its screen by either form of the sequence, turns the order of
// letters, and makes a line and a column of its own.
const evil = "/e\x1b]0;owned\a\x1b[2J\u009b2J\u202e\u2066\x7f\r\nturn\tvil"

// What status --watch shows reaches the terminal as letters alone, whatever directories, sessions and limits are called.
func TestNothingWatchedSteersTheTerminal(t *testing.T) {
	now := time.Now()
	state := turn.NewState()
	p := state.Open("p" + evil)
	p.Name, p.At = "account "+evil, now
	p.Limited(now, "", now.Add(time.Hour), "why "+evil)
	state.Sessions = map[string]*turn.Session{"\x1b[31m": {Account: "p" + evil, Process: lockfile.Self(), Dir: evil, Since: now, Seen: now}}
	var watched scene
	watched.look(state, now, true)
	lines := watched.frame(now, 120, 40)
	for _, line := range lines {
		for _, r := range line {
			if !unicode.IsGraphic(r) {
				t.Errorf("status --watch shows %U: %q", r, line)
			}
		}
	}
	if !strings.Contains(strings.Join(lines, "\n"), `account /e\u001b]0;owned`) {
		t.Errorf("status --watch shows no name: %q", lines)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"/home/ü/日本 x":    "/home/ü/日本 x",
		"~/a\u00a0b":      "~/a\u00a0b",
		"\x1b[2J":         `\u001b[2J`,
		"a\tb\nc\r":       `a\u0009b\u000ac\u000d`,
		"\u202eabc\u2069": `\u202eabc\u2069`,
		"\u009b":          `\u009b`,
		"\xff\xfea":       `\xff\xfea`,
		"\U000e0001":      `\udb40\udc01`,
		"\ufffd":          "\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) = %q, want %q", text, got, want)
		}
		if got := printable(want); got != want {
			t.Errorf("printable(%q) = %q, want it as it is", want, got)
		}
	}
	for _, text := range []string{evil, "\U000e0001\u2028", `"\`} {
		var b strings.Builder
		if err := json.NewEncoder(escaper{&b}).Encode(text); err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back != text {
			t.Errorf("JSON of %q is printed as %s, which is %q, %v", text, b.String(), back, err)
		}
	}
}
