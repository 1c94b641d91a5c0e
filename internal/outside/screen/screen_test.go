package screen

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/ratelimit"
)

var update = flag.Bool("update", false, "write the golden files")

// noon is when texts are read that name a time of day.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const captures = "testdata/claude-2.1.330"

// written is a limit in a golden file.
func written(l ratelimit.Limit) string {
	s := fmt.Sprintf("%-11v in %v, attempt %d/%d", l.Kind, l.RetryIn, l.Attempt, l.MaxAttempts)
	if !l.ResetsAt.IsZero() {
		s += ", resets " + l.ResetsAt.UTC().Format(time.RFC3339)
	}
	if l.Wait {
		s += ", wait"
	}
	if l.Dead {
		s += ", dead"
	}
	if l.Rate != (ratelimit.Rate{}) {
		s += fmt.Sprintf(", of %g %s", l.Rate.Limit, l.Rate.Name)
	}
	return s + ": " + l.Message + "\n"
}

func brief(l ratelimit.Limit, ok bool) string {
	if !ok {
		return ""
	}
	s := l.Kind.String()
	if l.RetryIn != 0 {
		s += " " + l.RetryIn.String()
	}
	if l.Attempt != 0 {
		s += fmt.Sprintf(" %d/%d", l.Attempt, l.MaxAttempts)
	}
	if !l.ResetsAt.IsZero() {
		s += " " + l.ResetsAt.UTC().Format(time.RFC3339)
	}
	if l.Wait {
		s += " wait"
	}
	if l.Dead {
		s += " dead"
	}
	if l.Rate != (ratelimit.Rate{}) {
		s += fmt.Sprintf(" of %g %s", l.Rate.Limit, l.Rate.Name)
	}
	return strings.Replace(s, " 1/0", "", 1)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join(captures, name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got\n%s\nwant\n%s", name, got, want)
	}
}

func check(t *testing.T, l ratelimit.Limit, ok bool) {
	t.Helper()
	if ok == (l.Kind == ratelimit.None) {
		t.Errorf("ok is %v with %+v", ok, l)
	}
	if l.RetryIn < 0 || l.RetryIn > longest {
		t.Errorf("retry in %v", l.RetryIn)
	}
	if l.Kind == ratelimit.Spend && l.Wait {
		t.Errorf("a spend limit to wait for: %+v", l)
	}
}

// shown reads one line as Claude Code renders it, from its first column.
func shown(line string) (ratelimit.Limit, bool) {
	line = strings.TrimRight(strings.ReplaceAll(line, "\u00a0", " "), " ")
	if m := countdown().FindStringSubmatch(line); m != nil {
		return readCountdown(m[1], m[2], m[3], m[4])
	}
	return ratelimit.Limit{}, false
}

func TestCountdown(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"a retry not named yet", "✻ API error · retrying in 8s · attempt 1/10", "API error 8s 1/10 wait"},
		{"a retry of an older version", "✻ API error · Retrying in 8s · attempt 1/300", "API error 8s 1/300 wait"},
		{"a retry among a tool's output", "  ⎿ \u00a0Retrying in 8s · attempt 1/10", ""},
		{"a long one", "✻ API error · retrying in 1m 17s · attempt 1/300", "API error 1m17s 1/300 wait"},
		{"a named one", "✻ 429 This request would exceed your rate limit · retrying in 40s · attempt 7/10", "rate limit 40s 7/10 wait"},
		{"hours", "✻ 429 Slow down · retrying in 1h 2m 3s · attempt 3/300", "rate limit 1h2m3s 3/300 wait"},
		{"an overload", "✻ 529 Overloaded · retrying in 3s · attempt 3/10", "overload 3s 3/10 wait"},
		{"a usage limit", "✻ 5-hour limit reached · retrying in 20s (5:17pm) · attempt 1/300", "usage limit 20s 1/300 wait"},
		{"a spend limit", "✻ 429 This organization has reached its spend limit · retrying in 3s · attempt 3/10", "spend limit 3s 3/10"},
		{"another spend limit", "✻ 429 You have reached your specified API usage limits. · retrying in 9s · attempt 5/10", "spend limit 9s 5/10"},
		{"-p on standard error", "API error · retrying in 3s · attempt 1 of 10", "API error 3s 1/10 wait"},
		{"a server error is no limit", "✻ 500 Internal server error · retrying in 3s · attempt 3/10", ""},
		{"a countdown that is quoted", "● ✻ API error · retrying in 8s · attempt 1/10", ""},
		{"a countdown in a block of code", "  ✻ API error · retrying in 8s · attempt 1/10", ""},
		{"a countdown with more behind", "✻ API error · retrying in 8s · attempt 1/10 is what it shows", ""},
		{"a countdown without its end", "✻ API error · retrying in 8s · attempt 1/", ""},
		{"an absurd wait", "✻ API error · retrying in 99999999999999999999d · attempt 1/10", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, ok := shown(tt.line)
			if got := brief(l, ok); got != tt.want {
				t.Errorf("%q\n is %q\nwant %q", tt.line, got, tt.want)
			}
		})
	}
}

// A countdown that is quoted is none.
func TestQuotedCountdownIsNone(t *testing.T) {
	for _, quote := range []string{
		"❯ %s", "● The screen says %s", "● It said \"%s\" again.", "● `%s`", "● > %s", "  %s", "     %s", "  1 %s", "  │ %s", "- %s", "● **%s**", "user: %s",
		"  ⎿  $ echo %s", "# %s",
	} {
		for _, text := range []string{"✻ API error · retrying in 8s · attempt 1/10", "✻ 5-hour limit reached · retrying in 20s (5:17pm) · attempt 1/300"} {
			if l, ok := shown(fmt.Sprintf(quote, text)); ok {
				t.Errorf(quote+" is %+v, want nothing", text, l)
			}
		}
	}
}

func FuzzCountdown(f *testing.F) {
	f.Add("✻ API error · retrying in 1m 17s · attempt 1/300")
	f.Fuzz(func(t *testing.T, line string) {
		l, ok := shown(line)
		check(t, l, ok)
	})
}

// The countdowns among the captures of all versions are found, however the bytes come.
func TestSharedCaptures(t *testing.T) {
	files, err := filepath.Glob("../../../testdata/claude-*/*.pty")
	if err != nil || len(files) == 0 {
		t.Fatalf("captures: %v, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		one := feed(data, 1)
		if got := feed(data, 61); got != one {
			t.Errorf("%s in pieces of 61 bytes:\n got\n%s\nwant\n%s", file, got, one)
		}
		if strings.Contains(file, "countdown") && one == "" {
			t.Errorf("%s: no countdown found", file)
		}
	}
}
