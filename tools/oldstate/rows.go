package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The rows of a transcript are written as Claude Code 2.1.330 writes them (testdata/claude-2.1.330), without what no hook
// reads.

const (
	opus  = "claude-opus-5-5"
	haiku = "claude-haiku-5-5"
)

const (
	unnamed = "This request would exceed your organization's rate limit. For details, refer to: https://docs.claude.com/en/api/rate-limits."
	naming  = "This request would exceed your organization's rate limit of %s per minute."
)

// write adds rows to the session's transcript.
func (s *session) write(rows ...string) { write(s.transcript, rows) }

// writeAgent adds rows to that of a subagent.
func (s *session) writeAgent(agent string, rows ...string) {
	write(filepath.Join(strings.TrimSuffix(s.transcript, ".jsonl"), "subagents", "agent-"+agent+".jsonl"), rows)
}

// sends writes that a prompt is put to the model, and sent.
func (s *session) sends(model string) { s.write(prompt(), request(time.Now(), model)) }

func write(path string, rows []string) {
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	check(err)
	defer f.Close()
	_, err = f.WriteString(strings.Join(rows, "\n") + "\n")
	check(err)
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

func quoted(v any) string {
	data, err := json.Marshal(v)
	check(err)
	return string(data)
}

// prompt is what the person said, as it is put to the model.
func prompt() string {
	return `{"parentUuid":null,"isSidechain":false,"type":"user","message":{"role":"user","content":"go on"},"timestamp":"` + stamp(time.Now()) + `"}`
}

// request is a call that is sent at a time.
func request(at time.Time, model string) string {
	return fmt.Sprintf(`{"type":"api-request","id":"%d","timestamp":"%s","version":"2.1.330","querySource":"sdk","params":{"model":"%s"}}`, at.UnixNano(), stamp(at), model)
}

// answer is what a call is answered, with what it took.
func answer(model string, input, output int) string {
	now := time.Now()
	return fmt.Sprintf(`{"parentUuid":null,"isSidechain":false,"type":"assistant","timestamp":"%s","message":{"id":"msg_%d","model":"%s","role":"assistant",`+
		`"content":[{"type":"text","text":"ok"}],"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":%d}}}`,
		stamp(now), now.UnixNano(), model, input, output)
}

// retry is a call that was rejected and will be sent again; more is the rateLimits of a subscription, or null.
func retry(message string, in time.Duration, attempt int, rateLimits string) string {
	body := `429 {"type":"error","error":{"type":"rate_limit_error","message":` + quoted(message) + `}}`
	return fmt.Sprintf(`{"parentUuid":null,"isSidechain":false,"type":"system","subtype":"api_error","level":"error","error":{"message":%s,"status":429,`+
		`"formatted":%s,"rateLimits":%s},"retryInMs":%d,"retryAttempt":%d,"maxRetries":10,"timestamp":"%s"}`,
		quoted(body), quoted("429 "+message), rateLimits, in.Milliseconds(), attempt, stamp(time.Now()))
}

// died is the error that ended a turn; a usage limit resets at a time.
func died(text string, resets time.Time) string {
	quota := ""
	if !resets.IsZero() {
		quota = fmt.Sprintf(`"quotaLimits":{"resetsAt":%d},`, resets.Unix())
	}
	return fmt.Sprintf(`{"parentUuid":null,"isSidechain":false,"type":"assistant","timestamp":"%s","message":{"id":"x","model":"<synthetic>","role":"assistant",`+
		`"content":[{"type":"text","text":%s}]},"error":"rate_limit",%s"isApiErrorMessage":true,"apiErrorStatus":429}`, stamp(time.Now()), quoted(text), quota)
}

const diedOfLimit = "API Error: Request rejected (429) · " + unnamed
