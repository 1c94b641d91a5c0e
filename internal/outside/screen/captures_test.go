package screen

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/ratelimit"
)

// limits is which limit each situation of make compat is.
var limits = map[string]ratelimit.Kind{"short": ratelimit.Requests, "long": ratelimit.Requests, "none": ratelimit.Requests, "overload": ratelimit.Overload, "usage": ratelimit.UsageWindow, "spend": ratelimit.Spend}

// TestEveryVersionIsRead reads what every version was seen to write at every limit: no row, text or countdown is passed
// over or taken for another limit. The golden file says what was read.
func TestEveryVersionIsRead(t *testing.T) {
	files, err := filepath.Glob("../../../testdata/claude-*/compat/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("captures: %v, %v", files, err)
	}
	var got strings.Builder
	told := make(map[string]bool) // by version and situation: a session on a terminal told that it tries again
	for _, file := range files {
		situation, kind, _ := strings.Cut(filepath.Base(file), ".")
		want, ok := limits[situation]
		if !ok {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		read := readCapture(t, file, kind, data)
		name := strings.TrimPrefix(file, "../../../testdata/claude-")
		version, _, _ := strings.Cut(name, "/")
		if terminal := kind == "jsonl" || kind == "pty"; kind == "pty" || terminal && len(read) > 0 {
			at := version + " " + situation
			told[at] = told[at] || len(read) > 0 && read[0].RetryIn > 0
		}
		last := ""
		for _, l := range read {
			check(t, l, true)
			unsaid := !l.Dead && kind == "pty" && l.Kind == ratelimit.Unnamed // a countdown's first tries
			if l.Kind != want && !unsaid {
				t.Errorf("%s: read %s, want a %v", name, written(l), want)
			}
			if l.Wait == (l.Kind == ratelimit.Spend) {
				t.Errorf("%s: read %s, which waiting lifts: %v", name, written(l), l.Wait)
			}
			if l.Kind == ratelimit.UsageWindow && l.Dead && l.ResetsAt.IsZero() {
				t.Errorf("%s: read %s, without a reset", name, written(l))
			}
			if one := fmt.Sprintf("%s: %s", name, written(l)); one != last {
				got.WriteString(one)
				last = one
			}
		}
	}
	for at, ok := range told {
		if _, situation, _ := strings.Cut(at, " "); !ok && (situation == "short" || situation == "none" || situation == "overload") {
			t.Errorf("%s: neither row nor countdown found", at)
		}
	}
	golden(t, "../compat", got.String())
}

func readCapture(t *testing.T, file, kind string, data []byte) []ratelimit.Limit {
	switch kind {
	case "jsonl", "print.jsonl":
		return rowsRead(t, file, data)
	case "text":
		if text := strings.TrimSpace(string(data)); text != "" && text != "done" {
			return textRead(t, file, text)
		}
	case "pty":
		return streamRead(t, file, data)
	}
	return nil
}

func rowsRead(t *testing.T, file string, data []byte) (read []ratelimit.Limit) {
	for line := range bytes.Lines(data) {
		l, at, ok := ratelimit.Row(line, time.UTC)
		if !ok || at.IsZero() {
			t.Errorf("%s: Row(%s) = %+v at %v, %v", file, line, l, at, ok)
			continue
		}
		read = append(read, l)
	}
	return read
}

func textRead(t *testing.T, file, text string) []ratelimit.Limit {
	l, ok := ratelimit.Text(text, noon, time.UTC)
	if !ok {
		t.Errorf("%s: Text(%q) reads nothing", file, text)
		return nil
	}
	return []ratelimit.Limit{l}
}

func streamRead(t *testing.T, file string, data []byte) (read []ratelimit.Limit) {
	one := feed(data, 1)
	if got := feed(data, 61); got != one {
		t.Errorf("%s in pieces of 61 bytes:\n got\n%s\nwant\n%s", file, got, one)
	}
	var s Stream
	for _, b := range data {
		if l, ok := s.Feed([]byte{b}); ok {
			read = append(read, l)
		}
	}
	return read
}
