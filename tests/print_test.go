package tests

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// impatient are versions that do not wait in a turn for as long as it takes: an old one can't, and the pinned one is told
// not to.
var impatient = []string{"2.0.76", realclaude.Version}

func newImpatient(t *testing.T, version string, answer fakeapi.AnswerFunc, extra ...string) *machine {
	t.Helper()
	m := newMachine(t, fakeapi.Config{Answer: prompted(deadly(answer))}, append(withoutNetWaits, extra...)...)
	m.version(version)
	return m
}

// 1. A run with -p runs a tool, and its next call is rejected for good. 2. It goes on in the same conversation, and ends
// with the answer alone. The tool ran once.
func TestRealPrintGoesOnOverALimit(t *testing.T) {
	t.Parallel()
	for _, version := range impatient {
		for _, format := range []string{"text", "json", "stream-json"} {
			if version != realclaude.Version && format != "stream-json" {
				continue // it has the rows of both others
			}
			t.Run(version+" "+format, func(t *testing.T) {
				t.Parallel()
				task := fakeapi.AgenticCommand(2, func(int) string { return "echo ran >> count" })
				m := newImpatient(t, version, limitedFor(20*time.Second, func(r fakeapi.Request) bool { return r.Results == 1 }, task))
				s := m.session("one")
				args := []string{"--permission-mode", "bypassPermissions", "--output-format", format}
				if format == "stream-json" {
					args = append(args, "--verbose")
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				r, err := realclaude.Print(ctx, s, append(args, "hello")...)
				if err != nil {
					t.Fatal(err)
				}
				if r.Code != 0 || r.Stderr != "" {
					t.Errorf("the session ends with %d and says %q", r.Code, r.Stderr)
				}
				switch {
				case format == "text" && r.Stdout != "done\n":
					t.Errorf("standard output is %q, want the answer alone", r.Stdout)
				case format == "json":
					checkResult(t, r.Stdout)
				case format == "stream-json":
					checkStream(t, r.Stdout)
				}
				if ran, err := os.ReadFile(filepath.Join(s.Dir, "count")); strings.Count(string(ran), "ran") != 1 {
					t.Errorf("the tool ran %q, %v; want once", ran, err)
				}
				if log := m.logged(); strings.Count(log, "; goes on after ") != 1 || strings.Count(log, " run again ") != 1 {
					t.Errorf("our log says\n%s\nwant that the session was stopped and run again", log)
				}
			})
		}
	}
}

// checkResult wants one JSON object, which tells of a success.
func checkResult(t *testing.T, stdout string) {
	t.Helper()
	var row struct {
		Type, Result string
		IsError      bool `json:"is_error"`
	}
	if err := json.Unmarshal([]byte(stdout), &row); err != nil || row.Type != "result" || row.Result != "done" || row.IsError {
		t.Errorf("standard output is %q, %v; want one result", stdout, err)
	}
}

// checkStream wants one stream: one beginning, one end, which is a success, and JSON in each line.
func checkStream(t *testing.T, stdout string) {
	t.Helper()
	begun, ended := 0, 0
	for line := range strings.Lines(stdout) {
		var row struct {
			Type, Subtype, Result string
			IsError               bool `json:"is_error"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Errorf("the line %q: %v", line, err)
		}
		if ended > 0 {
			t.Errorf("behind the end comes %s", line)
		}
		switch {
		case row.Type == "system" && row.Subtype == "init":
			begun++
		case row.Type == "result":
			ended++
			if row.IsError || row.Result != "done" {
				t.Errorf("the stream ends with %s", line)
			}
		}
	}
	if begun != 1 || ended != 1 {
		t.Errorf("the stream begins %d times and ends %d times, want once:\n%s", begun, ended, stdout)
	}
}

func TestRealPrintGivesUpAtMaxWait(t *testing.T) {
	t.Parallel()
	for _, version := range impatient {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			answer := limitedFor(time.Minute, func(fakeapi.Request) bool { return true }, fakeapi.Agentic(1))
			m := newImpatient(t, version, answer, "AFTERYOU_MAX_WAIT=5s")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := realclaude.Print(ctx, m.session("one"), "hello")
			if err != nil {
				t.Fatal(err)
			}
			if r.Code != 75 || r.Stdout != "" || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, "max_wait") {
				t.Errorf("the session ends with %d, says %q and %q; want 75, nothing and one line on max_wait", r.Code, r.Stdout, r.Stderr)
			}
		})
	}
}
