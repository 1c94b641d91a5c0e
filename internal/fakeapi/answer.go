package fakeapi

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// AnswerFunc answers a call that the buckets let through. It is called from several goroutines, in no promised order
// where calls arrive at the same time.
type AnswerFunc func(Request) Answer

// Answer is the server's answer to one call. The zero Answer is the text "ok" at once.
type Answer struct {
	Text  string
	Tools []Tool

	FirstToken time.Duration // in place of the Manner's, where it is not 0 and no error is answered
	Usage      Usage         // zero: estimated from the sizes of request and answer

	Status int         // 0: 200; anything else is an error
	Header http.Header // added to the server's own; wins over it
	Body   string      // of an error; empty: a real one made of Type and Message
	Type   string      // of an error, such as "rate_limit_error"; empty: the one that belongs to Status
	// Message of an error; empty: one that belongs to Status
	Message string

	Cut Cut
}

// Tool is a tool_use block.
type Tool struct {
	Name  string
	Input any
}

// Cut says how an answer breaks off.
type Cut int

const (
	Whole      Cut = iota // it does not
	Silent                // no byte comes, until the client goes or the server closes
	Hang                  // the stream begins, then nothing more comes
	Reset                 // the stream begins, then the connection is reset
	ErrorEvent            // the stream begins, then an overloaded_error event ends it
)

// Say answers with text.
func Say(text string) Answer { return Answer{Text: text} }

// Bash answers with one call of the Bash tool.
func Bash(command string) Answer {
	return Answer{Tools: []Tool{{"Bash", map[string]any{"command": command, "description": "step"}}}}
}

// RateLimited returns a 429 with that retry-after, rounded up to seconds; 0 or less: without the header.
func RateLimited(retryAfter time.Duration) Answer {
	a := Answer{Status: http.StatusTooManyRequests}
	if retryAfter > 0 {
		a.Header = http.Header{"Retry-After": {seconds(RetryAfter(retryAfter))}}
	}
	return a
}

// Overloaded returns a 529.
func Overloaded() Answer { return Answer{Status: 529} }

// SpendLimited returns a 429 that waiting does not lift: without a retry-after, with an error_code that says why.
func SpendLimited() Answer {
	return Answer{
		Status: http.StatusTooManyRequests,
		Body: `{"type":"error","error":{"type":"rate_limit_error","message":"You have reached your specified API usage limits.",` +
			`"details":{"error_code":"enforced_spend_limit_reached"}}}`,
	}
}

// UsageLimited returns the 429 of a subscription whose five-hour limit is used up until resets.
func UsageLimited(resets, now time.Time) Answer {
	a := RateLimited(max(time.Second, resets.Sub(now)))
	maps.Copy(a.Header, Unified{Status: "rejected", Claim: "five_hour", Resets: resets, Used: 1}.Header())
	return a
}

// Unified is the state of a subscription's limits.
type Unified struct {
	Status string // allowed, allowed_warning, rejected
	Claim  string // the limit that speaks: five_hour, seven_day
	Resets time.Time
	Used   float64 // of that limit, 0 to 1
}

// Header returns the anthropic-ratelimit-unified-* headers.
func (u Unified) Header() http.Header {
	window := "5h"
	if u.Claim == "seven_day" {
		window = "7d"
	}
	h := http.Header{}
	set := func(name, value string) { h.Set("anthropic-ratelimit-unified-"+name, value) }
	reset := strconv.FormatInt(u.Resets.Unix(), 10)
	set("status", u.Status)
	set("reset", reset)
	set("representative-claim", u.Claim)
	set(window+"-status", u.Status)
	set(window+"-reset", reset)
	set(window+"-utilization", strconv.FormatFloat(u.Used, 'g', -1, 64))
	set("overage-status", "rejected")
	set("overage-disabled-reason", "org_level_disabled")
	set("fallback-percentage", "0.5")
	return h
}

// Agentic makes every prompt cost k calls: k-1 that run `echo step N`, then the text done.
func Agentic(k int) AnswerFunc {
	return AgenticCommand(k, func(step int) string { return fmt.Sprintf("echo step %d", step) })
}

// AgenticCommand does as Agentic with shell commands of the caller's choice; steps count from 1. What a session asks beside
// has its own answer: each tool is safe, and there is a title.
func AgenticCommand(k int, command func(step int) string) AnswerFunc {
	return func(r Request) Answer {
		switch {
		case r.Kind == Check:
			return Say(safe)
		case r.Kind == Title:
			return Say(`{"title":"Step by step"}`)
		case r.Tools > 0 && r.Since < k-1:
			return Bash(command(r.Since + 1))
		}
		return Say("done")
	}
}

// safe is the answer to a check: how bad the tool is, of 100, of which those from 50 on are checked once more and blocked (2.1.332).
const safe = "<severity>10</severity>"

// Script answers with these in turn, one per call, and then as then does.
func Script(then AnswerFunc, answers ...Answer) AnswerFunc {
	var n atomic.Int64
	return func(r Request) Answer {
		if i := int(n.Add(1)) - 1; i < len(answers) {
			return answers[i]
		}
		return then(r)
	}
}

// Until answers as before does for calls that arrive before t, then as then does.
func Until(t time.Time, before, then AnswerFunc) AnswerFunc {
	return func(r Request) Answer {
		if r.Arrived.Before(t) {
			return before(r)
		}
		return then(r)
	}
}

// Slow answers as then does, with a time to the first token where then sets none.
func Slow(first time.Duration, then AnswerFunc) AnswerFunc {
	return func(r Request) Answer {
		a := then(r)
		a.FirstToken = cmp.Or(a.FirstToken, first)
		return a
	}
}

func (a Answer) status() int { return cmp.Or(a.Status, http.StatusOK) }

// text returns the text of the answer: something must be said, unless a tool is called.
func (a Answer) text() string {
	if a.Text == "" && len(a.Tools) == 0 {
		return "ok"
	}
	return a.Text
}

func (a Answer) stopReason() string {
	if len(a.Tools) > 0 {
		return "tool_use"
	}
	return "end_turn"
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
