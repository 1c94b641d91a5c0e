package realclaude_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	. "afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

var update = flag.Bool("update", false, "run the real Claude Code again and write its captures anew")

// capture is a situation. Its transcript rows go to name.jsonl, the bytes of its terminal, if it has one, to name.pty.
type capture struct {
	name   string
	what   string // for the table in README.md
	answer func() fakeapi.AnswerFunc
	env    []string
	shows  []string      // on a terminal: what the screen shows, one after the other; none: -p
	after  time.Duration // the screen is kept for so long afterwards
	rows   []string      // types, subtypes, or isApiErrorMessage
}

// then answers "done" after those.
func then(answers ...fakeapi.Answer) func() fakeapi.AnswerFunc {
	return func() fakeapi.AnswerFunc { return fakeapi.Script(fakeapi.Agentic(1), answers...) }
}

// limitedFor is a subscription's limit that ends after d.
func limitedFor(d time.Duration) func() fakeapi.AnswerFunc {
	return func() fakeapi.AnswerFunc {
		resets := time.Now().Add(d).Truncate(time.Second)
		limited := func(r fakeapi.Request) fakeapi.Answer { return fakeapi.UsageLimited(resets, r.Arrived) }
		return fakeapi.Until(resets, limited, fakeapi.Agentic(1))
	}
}

// spent is a spend limit. Without x-should-retry 2.1.330 retries it like any other 429, for minutes, and the watchdog
// makes these hours.
func spent() fakeapi.AnswerFunc {
	return func(fakeapi.Request) fakeapi.Answer {
		a := fakeapi.SpendLimited()
		a.Header = http.Header{"X-Should-Retry": {"false"}}
		return a
	}
}

const watchdog = "CLAUDE_CODE_RETRY_WATCHDOG=1"

// Interactive sessions of 2.1.330 write no api_error rows, those of -p do: so the former are captured with -p.
var captures = []capture{
	{
		name: "retry-after-2", what: "429 with `retry-after: 2`, then an answer",
		answer: then(fakeapi.RateLimited(2 * time.Second)), rows: []string{"api_error", "api-request"},
	}, {
		name: "retry-after-2-watchdog", what: "the same under `" + watchdog + "`",
		answer: then(fakeapi.RateLimited(2 * time.Second)), env: []string{watchdog}, rows: []string{"api_error"},
	}, {
		name: "retry-after-none", what: "429 without the header, twice, then an answer",
		answer: then(fakeapi.RateLimited(0), fakeapi.RateLimited(0)), rows: []string{"api_error"},
	}, {
		name: "overloaded", what: "529 twice, then an answer",
		answer: then(fakeapi.Overloaded(), fakeapi.Overloaded()), rows: []string{"api_error"},
	}, {
		name: "turn-died-print", what: "429 with `retry-after: 61`: the turn dies at once",
		answer: then(fakeapi.RateLimited(61 * time.Second)), rows: []string{"api_error", "isApiErrorMessage"},
	}, {
		name: "spend-limit-print", what: "429 with `error_code` `enforced_spend_limit_reached`, no retry-after, and `x-should-retry: false`",
		answer: spent, rows: []string{"isApiErrorMessage"},
	}, {
		name: "usage-limit-20s-print", what: "a subscription's five-hour limit that resets in 20 s",
		answer: limitedFor(20 * time.Second), env: []string{Login}, rows: []string{"api_error", "isApiErrorMessage"},
	}, {
		name: "usage-limit-20s-print-watchdog", what: "the same under `" + watchdog + "`",
		answer: limitedFor(20 * time.Second), env: []string{Login, watchdog}, rows: []string{"api_error", "isApiErrorMessage"},
	}, {
		name: "retry-countdown", what: "429 with `retry-after: 8`: the countdown, then an answer",
		answer: then(fakeapi.RateLimited(8 * time.Second)), shows: []string{"attempt 1/10", "● done"}, rows: []string{"api-request"},
	}, {
		name: "retry-countdown-watchdog", what: "429 with `retry-after: 75` under `" + watchdog + "`: the countdown's first seconds",
		answer: then(fakeapi.RateLimited(75 * time.Second)), env: []string{watchdog},
		shows: []string{"retrying in 1m", "attempt 1/300"}, after: 5 * time.Second, rows: []string{"api-request"},
	}, {
		name: "overloaded-countdown", what: "529 four times, then an answer",
		answer: then(fakeapi.Overloaded(), fakeapi.Overloaded(), fakeapi.Overloaded(), fakeapi.Overloaded()),
		shows:  []string{"retrying in", "● done"}, rows: []string{"api-request"},
	}, {
		name: "turn-died", what: "429 with `retry-after: 61`: the turn dies at once",
		answer: then(fakeapi.RateLimited(61 * time.Second)),
		shows:  []string{"API Error: Request rejected (429)"}, after: time.Second, rows: []string{"isApiErrorMessage"},
	}, {
		name: "spend-limit", what: "429 with `error_code` `enforced_spend_limit_reached`, no retry-after, and `x-should-retry: false`",
		answer: spent, shows: []string{"API usage limits."}, after: time.Second, rows: []string{"isApiErrorMessage"},
	}, {
		name: "usage-limit-20s", what: "a subscription's five-hour limit that resets in 20 s, until Claude Code goes on by itself",
		answer: limitedFor(20 * time.Second), env: []string{Login},
		shows: []string{"hit your", "● done"}, rows: []string{"isApiErrorMessage"},
	}, {
		name: "usage-limit-2h", what: "a subscription's five-hour limit that resets in 2 hours",
		answer: limitedFor(2 * time.Hour), env: []string{Login},
		shows: []string{"hit your"}, after: 5 * time.Second, rows: []string{"isApiErrorMessage"},
	}, {
		name: "usage-limit-watchdog", what: "a five-hour limit that resets in 20 s, under `" + watchdog + "`, until the answer",
		answer: limitedFor(20 * time.Second), env: []string{Login, watchdog},
		shows: []string{"retrying in", "● done"}, rows: []string{"api-request"},
	},
}

// captureHome is where captures are made: it stands in them, so it says nothing about the machine.
const captureHome = "/tmp/claude-capture"

// TestRealCaptures looks whether the captures are what their README.md says: each situation was captured with some version,
// and anew with a later one only where that does otherwise. With -update the chosen ones are made with the pinned version
// first, which takes some minutes for all; without it, nothing is measured.
func TestRealCaptures(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "claude-"+Version)
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			if *update {
				c.make(t, dir)
			}
			found, err := filepath.Glob(filepath.Join("..", "..", "testdata", "claude-*", c.name+".jsonl"))
			if err != nil || len(found) == 0 {
				t.Fatalf("no version has the capture: %v", err)
			}
			for _, path := range found {
				c.check(t, filepath.Dir(path))
			}
		})
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(filepath.Join(dir, "README.md"), readme(dir), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (c capture) make(t *testing.T, dir string) {
	if err := os.RemoveAll(captureHome); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(captureHome) })
	cwd := filepath.Join(captureHome, "work")
	if err := Home(captureHome, cwd); err != nil {
		t.Fatal(err)
	}
	api := serve(t, fakeapi.Config{})
	s := Session{Path: installed(t), Env: Env(captureHome, api.URL(), c.env...), Dir: cwd}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if c.shows == nil {
		api.SetAnswer(c.answer())
		r, err := Print(ctx, s, "hello")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", r)
	} else {
		raw := c.onTerminal(ctx, t, s, api)
		if err := os.WriteFile(filepath.Join(dir, c.name+".pty"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path, err := Transcript(captureHome, "")
	if err != nil {
		t.Fatal(err)
	}
	var rows []json.RawMessage
	for len(rows) == 0 { // it is written behind the screen
		if rows = chosen(t, path, c.rows); len(rows) == 0 && ctx.Err() != nil {
			t.Fatalf("no row of %v in %s", c.rows, path)
		}
		time.Sleep(50 * time.Millisecond)
	}
	var lines bytes.Buffer
	for _, row := range rows {
		lines.Write(row)
		lines.WriteByte('\n')
	}
	if err := os.WriteFile(filepath.Join(dir, c.name+".jsonl"), lines.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// onTerminal is the situation on a terminal, and what the terminal was sent. The end of the session is left out.
func (c capture) onTerminal(ctx context.Context, t *testing.T, s Session, api *fakeapi.Server) []byte {
	term, err := terminal.Open(s, 100, 30)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { term.Close() })
	if err := term.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	api.SetAnswer(c.answer())
	if err := term.Type("hello"); err != nil {
		t.Fatal(err)
	}
	for _, text := range c.shows {
		if err := term.WaitFor(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(max(c.after, time.Second)) // more of the same screen; the transcript is written behind it
	t.Logf("the screen:\n%s", term.Screen())
	return term.Raw()
}

// check reads the captures as they lie in git.
func (c capture) check(t *testing.T, dir string) {
	path := filepath.Join(dir, c.name+".jsonl")
	rows, err := Rows(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := chosen(t, path, c.rows); len(got) == 0 || len(got) != len(rows) {
		t.Errorf("%s has %d rows, %d of %v", path, len(rows), len(got), c.rows)
	}
	names := []string{c.name + ".jsonl"}
	if c.shows != nil {
		names = append(names, c.name+".pty")
		c.checkScreen(t, filepath.Join(dir, c.name+".pty"))
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{home + "/", `"` + host + `"`} {
			if bytes.Contains(data, []byte(private)) {
				t.Errorf("%s contains %q", name, private)
			}
		}
	}
}

// checkScreen plays the bytes to a screen and looks whether it shows what it should.
func (c capture) checkScreen(t *testing.T, path string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	screen := terminal.NewScreen(100, 30)
	shows := slices.Clone(c.shows)
	for b := range slices.Chunk(raw, 16) {
		screen.Write(b)
		for len(shows) > 0 && strings.Contains(screen.Text(), shows[0]) {
			shows = shows[1:]
		}
	}
	if len(shows) > 0 {
		t.Errorf("%s never shows %q; at its end:\n%s", path, shows[0], screen.Text())
	}
}

// chosen gives the rows of a transcript that are of those kinds.
func chosen(t *testing.T, path string, kinds []string) []json.RawMessage {
	t.Helper()
	rows, err := Rows(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []json.RawMessage
	for _, row := range rows {
		var r struct {
			Type, Subtype     string
			IsAPIErrorMessage bool
		}
		if err := json.Unmarshal(row, &r); err != nil {
			t.Fatalf("row %s: %v", row, err)
		}
		if slices.Contains(kinds, r.Type) || slices.Contains(kinds, r.Subtype) ||
			r.IsAPIErrorMessage && slices.Contains(kinds, "isApiErrorMessage") {
			list = append(list, row)
		}
	}
	return list
}

// readme says what the captures in dir are.
func readme(dir string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Captures of Claude Code %s

Made on %s with the program from npm, against the Messages API of `+"`internal/fakeapi`"+` on loopback, with a
made-up key or login and HOME=%s; with -p, or where there is a .pty, in a terminal of 100 x 30.
Interactive sessions of this version write no api_error rows. What is not here was as in the version before. To make them
anew (some minutes; TestRealCaptures/NAME makes one):

`+"```sh\ngo test ./internal/realclaude -run TestRealCaptures -update\n```"+`

`+"`NAME.jsonl`"+` holds rows of the transcript, unchanged, only those of the kinds named; `+"`NAME.pty`"+` is every byte that the
terminal was sent, from the start up to the situation's end. The prompt was always "hello".

| name | what the server did | rows |
| --- | --- | --- |
`, Version, time.Now().UTC().Format(time.DateOnly), captureHome)
	for _, c := range captures {
		if _, err := os.Stat(filepath.Join(dir, c.name+".jsonl")); err != nil {
			continue // as an older version does it
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", c.name, c.what, strings.Join(c.rows, "`, `"))
	}
	return b.Bytes()
}
