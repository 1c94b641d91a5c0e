package ratelimit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// limits is which limit each situation of make compat is.
var limits = map[string]Kind{"short": Requests, "long": Requests, "none": Requests, "overload": Overload, "usage": UsageWindow, "spend": Spend}

// TestEveryVersionIsRead reads what every version was seen to write at every limit: no row, output or countdown is passed
// over or taken for another limit. The golden file says what was read.
func TestEveryVersionIsRead(t *testing.T) {
	files, err := filepath.Glob("../../testdata/claude-*/compat/*")
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
		name := strings.TrimPrefix(file, "../../testdata/claude-")
		version, _, _ := strings.Cut(name, "/")
		if terminal := kind == "jsonl" || kind == "pty"; kind == "pty" || terminal && len(read) > 0 {
			at := version + " " + situation
			told[at] = told[at] || len(read) > 0 && read[0].RetryIn > 0
		}
		last := ""
		for _, l := range read {
			check(t, l, true)
			// A countdown's first tries and a stream's retries do not say which limit it is.
			unsaid := !l.Dead && (kind == "pty" && l.Kind == Unnamed || kind == "stream" && l.Kind == Requests)
			if l.Kind != want && !unsaid {
				t.Errorf("%s: read %s, want a %v", name, l.line(), want)
			}
			if l.Wait == (l.Kind == Spend) {
				t.Errorf("%s: read %s, which waiting lifts: %v", name, l.line(), l.Wait)
			}
			if l.Kind == UsageWindow && l.Dead && l.ResetsAt.IsZero() {
				t.Errorf("%s: read %s, without a reset", name, l.line())
			}
			if line := fmt.Sprintf("%s: %s", name, l.line()); line != last { // of -p and stream-json, the same twice
				got.WriteString(line)
				last = line
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

func readCapture(t *testing.T, file, kind string, data []byte) []Limit {
	switch kind {
	case "jsonl", "print.jsonl":
		return rowsRead(t, file, data)
	case "text":
		if text := strings.TrimSpace(string(data)); text != "" && text != "done" {
			return textRead(t, file, text)
		}
	case "json", "stream":
		return outputRead(t, file, data)
	case "pty":
		return streamRead(t, file, data)
	}
	return nil
}

func rowsRead(t *testing.T, file string, data []byte) (read []Limit) {
	for line := range bytes.Lines(data) {
		l, at, ok := Row(line, time.UTC)
		if !ok || at.IsZero() {
			t.Errorf("%s: Row(%s) = %+v at %v, %v", file, line, l, at, ok)
			continue
		}
		read = append(read, l)
	}
	return read
}

func textRead(t *testing.T, file, text string) []Limit {
	l, ok := Text(text, noon, time.UTC)
	if !ok {
		t.Errorf("%s: Text(%q) reads nothing", file, text)
		return nil
	}
	return []Limit{l}
}

func outputRead(t *testing.T, file string, data []byte) (read []Limit) {
	for line := range bytes.Lines(data) {
		l, ok := Output(line, noon, time.UTC)
		if ok {
			read = append(read, l)
		}
		failed := bytes.Contains(line, []byte(`"is_error":true`)) || bytes.Contains(line, []byte(`"api_retry"`))
		if ok != failed && !bytes.Contains(line, []byte(`"<synthetic>"`)) && !bytes.Contains(line, []byte("rate_limit_event")) {
			t.Errorf("%s: Output(%s) = %+v, %v", file, line, l, ok)
		}
	}
	return read
}

func streamRead(t *testing.T, file string, data []byte) (read []Limit) {
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
