package ratelimit

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// noon is when texts are read that name a time of day.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const captures = "testdata/claude-2.1.330"

func (l Limit) line() string {
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
	if l.Rate != (Rate{}) {
		s += fmt.Sprintf(", of %g %s", l.Rate.Limit, l.Rate.Name)
	}
	return s + ": " + l.Message + "\n"
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

func TestRowsOfTheRealProgram(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(captures, "rows.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range bytes.Lines(data) {
		l, at, ok := Row(line, time.UTC)
		if !ok {
			got.WriteString("-\n")
			continue
		}
		got.WriteString(at.Format("15:04:05.000 ") + l.line())
	}
	golden(t, "rows.jsonl", got.String())
}

// TestSharedCaptures reads what package realclaude recorded: no row of a limit is passed over, whatever its message.
func TestSharedCaptures(t *testing.T) {
	files, err := filepath.Glob("../../testdata/claude-*/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no captures")
	}
	for _, file := range files {
		if fi, err := os.Stat(file); err == nil && fi.IsDir() { // compat: see TestEveryVersionIsRead
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(file) {
		case ".jsonl":
			for line := range bytes.Lines(data) {
				l, at, ok := Row(line, time.UTC)
				check(t, l, ok)
				limit := bytes.Contains(line, []byte(`"status":429`)) || bytes.Contains(line, []byte(`"apiErrorStatus":429`)) ||
					bytes.Contains(line, []byte(`"status":529`)) || bytes.Contains(line, []byte(`"apiErrorStatus":529`))
				if ok != limit || ok && at.IsZero() {
					t.Errorf("%s: Row(%s) = %+v at %v, %v", file, line, l, at, ok)
				}
				if spend := bytes.Contains(line, []byte(spendCode)); spend && l.Kind != Spend {
					t.Errorf("%s: Row(%s) = %v, want a spend limit", file, line, l.Kind)
				}
			}
		}
	}
}

func TestRow(t *testing.T) {
	const dead = `{"type":"assistant","isApiErrorMessage":true,"timestamp":"2026-11-23T19:00:00Z",%s"message":{"content":[{"type":"text","text":%q}]}}`
	for _, tt := range []struct {
		name, row string
		want      string
	}{
		{"an older raw 429", fmt.Sprintf(dead, "", `API Error: 429 {"type":"error","error":{"type":"rate_limit_error","message":"x"}}`),
			"rate limit wait dead"},
		{"repeated overload", fmt.Sprintf(dead, "", "API Error: Repeated 529 Overloaded errors. The API may be at capacity."), "overload wait dead"},
		{"a monthly spend limit with a decoy reset", fmt.Sprintf(dead, `"apiErrorStatus":429,"quotaLimits":{"resetsAt":1795462121},`,
			"You've hit your org's monthly spend limit · Your session limit resets 5:00pm"), "spend limit dead"},
		{"credits without a reset", fmt.Sprintf(dead, "", "You're out of usage credits · run /usage-credits to buy more"), "spend limit dead"},
		{"credits with a reset", fmt.Sprintf(dead, "", "You're out of usage credits · resets 5pm"), "usage limit 2026-11-24T17:00:00Z wait dead"},
		{"a spend limit in other words", fmt.Sprintf(dead, `"apiErrorStatus":429,"apiErrorCode":"enforced_spend_limit_reached",`, "API Error: Request rejected (429) · Enough."),
			"spend limit dead"},
		{"an unknown wording with the status", fmt.Sprintf(dead, `"apiErrorStatus":429,`, "Slow down."), "rate limit wait dead"},
		{"an unknown wording with a reset", fmt.Sprintf(dead, `"apiErrorStatus":429,"apiErrorParams":{"rate_limit_info":{"resetsAt":1795462121}},`, "Slow down."),
			"usage limit 2026-11-23T19:28:41Z wait dead"},
		{"a wrong key", fmt.Sprintf(dead, `"apiErrorStatus":401,`, "Invalid API key · Please run /login"), ""},
		{"a lost connection", `{"type":"system","subtype":"api_error","error":{"status":0},"retryInMs":500}`, ""},
		{"a limit quoted by a tool", `{"type":"user","message":{"content":[{"type":"text","text":"\"isApiErrorMessage\":true 429 api_error"}]}}`, ""},
		{"an answer that quotes a limit", `{"type":"assistant","message":{"content":[{"type":"text","text":"API Error: Request rejected (429) · \"api_error\""}]}}`, ""},
		{"a wild delay", `{"type":"system","subtype":"api_error","error":{"status":429},"retryInMs":1e300,"retryAttempt":1}`, "rate limit wait"},
		{"a limit of calls that is named", `{"type":"system","subtype":"api_error","error":{"message":"429 {\"message\":\"This request would exceed your organization's rate limit of 50 requests per minute (org: 5d, model: m).\"}","status":429},"retryInMs":1100,"retryAttempt":1}`,
			"rate limit 1.1s wait of 50 requests"},
		{"a limit of tokens in older words", `{"type":"system","subtype":"api_error","error":{"message":"429 This request would exceed the rate limit for your organization (5d) of 8,000 output tokens per minute. For details,","status":429},"retryInMs":1100,"retryAttempt":1}`,
			"token limit 1.1s wait of 8000 output-tokens"},
		{"a limit of tokens without a number", `{"type":"system","subtype":"api_error","error":{"message":"429 too many tokens per minute","status":429},"retryAttempt":1}`, "token limit wait"},
		{"a limit of none at all", `{"type":"system","subtype":"api_error","error":{"message":"429 rate limit of 0 fast mode input tokens per minute","status":429},"retryAttempt":1}`, "token limit wait"},
		{"half a row", `{"type":"system","subtype":"api_error","error":{"status":429}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _, ok := Row([]byte(tt.row), time.UTC)
			if got := brief(l, ok); got != tt.want {
				t.Errorf("Row(%s)\n got %q\nwant %q", tt.row, got, tt.want)
			}
		})
	}
}

func brief(l Limit, ok bool) string {
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
	if l.Rate != (Rate{}) {
		s += fmt.Sprintf(" of %g %s", l.Rate.Limit, l.Rate.Name)
	}
	return strings.Replace(s, " 1/0", "", 1)
}

// bullet begins a line of the conversation, or the notice under the prompt.
var bullet = regexp.MustCompile(`^(?:● |\s+⎿\s+|\s*⚠ )`)

// said reads one line of the conversation as Claude Code renders it, from its first column.
func said(line string) (Limit, bool) {
	line = strings.TrimRight(strings.ReplaceAll(line, "\u00a0", " "), " ")
	return Text(line[len(bullet.FindString(line)):], noon, time.UTC)
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"a turn that died", "● API Error: Request rejected (429) · This request would exceed your rate limit", "rate limit wait dead"},
		{"a spend limit that ended it", "● API Error: Request rejected (429) · This organization has reached its spend limit", "spend limit dead"},
		{"another spend limit that ended it", "● API Error: Request rejected (429) · You have reached your specified API usage limits.", "spend limit dead"},
		{"an overload that ended it", "● API Error: 529 Overloaded. This is a server-side issue, usually temporary", "overload wait dead"},
		{"repeated overloads", "  ⎿  API Error: Repeated 529 Overloaded errors.", "overload wait dead"},
		{"the server's own limit", "API Error: Server is temporarily limiting requests (not your usage limit)", "rate limit wait dead"},
		{"rate limit reached", "API Error: Rate limit reached", "rate limit wait dead"},
		{"a session limit", "  ⎿  You've hit your 5-hour limit · resets 6:12pm (UTC)", "usage limit 2026-11-23T18:12:00Z wait dead"},
		{"a session limit abroad", "You've hit your session limit · resets 8pm (America/New_York)", "usage limit 2026-11-24T01:00:00Z wait dead"},
		{"a model's limit", "You've hit your Opus limit · resets 3:45pm", "usage limit 2026-11-23T15:45:00Z wait dead"},
		{"the notice below the prompt", "  ⚠ Usage limit reached · limit resets 7:28pm", "usage limit 2026-11-23T19:28:00Z wait dead"},
		{"continuing by itself", "Continuing automatically at 5:15pm · Esc to cancel", "usage limit 2026-11-23T17:15:00Z wait dead"},
		{"set to continue", "● Usage limit reached · set to continue automatically at 5:15pm", "usage limit 2026-11-23T17:15:00Z wait dead"},
		{"an older dot", "5-hour limit reached ∙ resets 5am", "usage limit 2026-11-24T05:00:00Z wait dead"},
		{"extra usage", "You're out of extra usage · resets 11:30am (Asia/Colombo)", "usage limit 2026-11-24T06:00:00Z wait dead"},
		{"credit", "  ⎿  Credit balance too low · Add funds: https://platform.claude.com/settings/billing", "spend limit dead"},
		{"an older credit", "Credit balance is too low", "spend limit dead"},
		{"a daily spend limit", "spend limit reached (daily; resets 5pm)", "spend limit dead"},
		{"a limit without a name", "You've hit your limit · resets 9pm · progress saved", "usage limit 2026-11-23T21:00:00Z wait dead"},
		{"a limit without a time", "You've hit your weekly limit", "usage limit wait dead"},
		{"a limit of the organization", "You've hit your org's monthly usage limit · resets Dec 1 at 12am (UTC)", "usage limit 2026-12-01T00:00:00Z wait dead"},
		{"stopped again", "  ⚠ Usage limit reached again · set to continue automatically at 5:15pm", "usage limit 2026-11-23T17:15:00Z wait dead"},
		{"a limit of tokens", "● API Error: Request rejected (429) · This request would exceed your organization's rate limit of 30,000 input tokens per minute.", "token limit wait dead of 30000 input-tokens"},
		{"no usage left in the organization", "Your org is out of usage · contact your admin", "spend limit dead"},
		{"a seat without usage", "Your seat type doesn't include usage credits", "spend limit dead"},
		{"a spend limit of a channel", "You've hit your channel's monthly spend limit · your weekly limit resets 5pm", "spend limit dead"},
		{"a spend limit that resets on a day", "API Error: 429 spend limit reached · resets Aug 8", "spend limit dead"},
		{"a model's weekly limit", "Opus weekly limit reached ∙ resets Nov 26, 5:30pm", "usage limit 2026-11-26T17:30:00Z wait dead"},
		{"nearly at the cap", "Approaching spending cap", ""},
		{"the fast mode's limit", "You've hit your fast limit · resets in 4m", ""},
		{"the fast mode's other wording", "Fast limit reached, fast mode paused · resets in 4m", ""},
		{"wrapping up", "Usage limit reached · wrapping up", ""},
		{"another model takes over", "Fable limit reached · continuing on Opus uses usage credits", ""},
		{"nearly used up", "You've used 98% of your session limit · resets 5pm", ""},
		{"approaching", "Approaching your 5-hour usage limit · resets 5pm", ""},
		{"the context", "Context limit reached · /compact or /clear to continue", ""},
		{"fast mode", "Fast limit reached and temporarily disabled · resets in 4m", ""},
		{"prose about it", "● The server answers with API Error: Request rejected (429) · and so on", ""},
		{"prose about a limit", `● When you see "You've hit your 5-hour limit · resets 5pm", wait.`, ""},
		{"a prompt about it", "❯ API Error: Request rejected (429) · what is that?", ""},
		{"an error of another kind", "● API Error: 500 Internal server error", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, ok := said(tt.line)
			if got := brief(l, ok); got != tt.want {
				t.Errorf("Text(%q)\n got %q\nwant %q", tt.line, got, tt.want)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	now := time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		status int
		h      map[string]string
		want   string
	}{
		{"seconds", 429, map[string]string{"retry-after": "75"}, "rate limit 1m15s wait"},
		{"a date", 429, map[string]string{"retry-after": "Mon, 23 Nov 2026 19:01:30 GMT"}, "rate limit 1m30s wait"},
		{"a date gone by", 429, map[string]string{"retry-after": "Mon, 23 Nov 2026 18:01:30 GMT"}, "rate limit wait"},
		{"no header", 429, nil, "rate limit wait"},
		{"nonsense", 429, map[string]string{"retry-after": "soon"}, "rate limit wait"},
		{"not a number", 429, map[string]string{"retry-after": "NaN"}, "rate limit wait"},
		{"less than nothing", 429, map[string]string{"retry-after": "-5"}, "rate limit wait"},
		{"a usage window", 429, map[string]string{"retry-after": "20", "anthropic-ratelimit-unified-status": "rejected", "anthropic-ratelimit-unified-reset": "1795462121"},
			"usage limit 20s 2026-11-23T19:28:41Z wait"},
		{"not to be retried", 429, map[string]string{"x-should-retry": "false"}, "rate limit wait dead"},
		{"overload", 529, nil, "overload wait"},
		{"success", 200, map[string]string{"retry-after": "75", "anthropic-ratelimit-unified-status": "allowed"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := make(http.Header)
			for k, v := range tt.h {
				h.Set(k, v)
			}
			l, ok := Header(h.Get, tt.status, now)
			if got := brief(l, ok); got != tt.want {
				t.Errorf("Header(%v, %d)\n got %q\nwant %q", h, tt.status, got, tt.want)
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	f.Add("75", "", "", "", 429)
	f.Add("Mon, 23 Nov 2026 19:01:30 GMT", "rejected", "1795462121", "false", 529)
	f.Fuzz(func(t *testing.T, after, unified, reset, retry string, status int) {
		h := map[string]string{"Retry-After": after, "Anthropic-Ratelimit-Unified-Status": unified, "Anthropic-Ratelimit-Unified-Reset": reset, "X-Should-Retry": retry}
		l, ok := Header(func(name string) string { return h[name] }, status, noon)
		check(t, l, ok)
		if ok != (status == 429 || status == 529) {
			t.Errorf("Header(%v, %d) = %+v, %v", h, status, l, ok)
		}
	})
}

func FuzzRow(f *testing.F) {
	data, err := os.ReadFile(filepath.Join(captures, "rows.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		l, _, ok := Row(line, time.UTC)
		check(t, l, ok)
	})
}

func check(t *testing.T, l Limit, ok bool) {
	t.Helper()
	if ok == (l.Kind == None) {
		t.Errorf("ok is %v with %+v", ok, l)
	}
	if l.RetryIn < 0 || l.RetryIn > maxWait {
		t.Errorf("retry in %v", l.RetryIn)
	}
	if l.Kind == Spend && l.Wait {
		t.Errorf("a spend limit to wait for: %+v", l)
	}
}

// Infinity gets into no state: JSON has no number for it, and nothing more would be written.
func TestRatesAreNumbersThatCanBeLimits(t *testing.T) {
	for _, tt := range []struct{ limit, remaining string }{
		{"+Inf", "1"}, {"50", "+Inf"}, {"Infinity", "Infinity"}, {"NaN", "1"}, {"50", "NaN"}, {"-50", "1"}, {"50", "-1"}, {"0", "0"},
		{"1e-300", "1"}, {"1e300", "1"}, {"50", "1e300"}, {"", ""},
	} {
		h := map[string]string{"Anthropic-Ratelimit-Requests-Limit": tt.limit, "Anthropic-Ratelimit-Requests-Remaining": tt.remaining}
		if rates := Rates(func(name string) string { return h[name] }); len(rates) > 0 {
			t.Errorf("a limit of %q of which %q remain is %+v", tt.limit, tt.remaining, rates)
		}
	}
	if l, ok := Text("API Error: Request rejected (429) · exceed your organization's rate limit of 999,999,999,999,999 input tokens per minute", noon, time.UTC); !ok || l.Rate.Limit != 0 {
		t.Errorf("a limit of nearly a quadrillion is %+v, %v", l, ok)
	}
}
