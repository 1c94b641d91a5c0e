package ratelimit

import (
	"encoding/json"
	"strings"
	"time"
)

// output is a line of -p.
type output struct {
	Type    string `json:"type"`
	Subtype string `json:"subtype"`

	// system/api_retry (2.1.330)
	Attempt      int     `json:"attempt"`
	MaxRetries   int     `json:"max_retries"`
	RetryDelayMs float64 `json:"retry_delay_ms"`
	ErrorStatus  int     `json:"error_status"`

	// rate_limit_event (2.1.330)
	Info struct {
		Status   string  `json:"status"`
		ResetsAt float64 `json:"resetsAt"`
	} `json:"rate_limit_info"`

	// result; assistant
	IsError        bool   `json:"is_error"`
	ApiErrorStatus int    `json:"api_error_status"`
	Result         string `json:"result"`
	Message        struct {
		Model   string          `json:"model"`
		Content json.RawMessage `json:"content"`
	} `json:"message"`
}

// Output reads one line of what -p writes with --output-format stream-json, or the one object it writes with json: a
// retry that is announced, the message or the result that ends a run. A usage limit that is told of while it does not
// stop anything (rate_limit_event with another status than rejected) is none. Plain text is read with [Text].
func Output(line []byte, now time.Time, local *time.Location) (Limit, bool) {
	var o output
	if json.Unmarshal(line, &o) != nil {
		return Limit{}, false
	}
	switch {
	case o.Type == "system" && o.Subtype == "api_retry":
		l := Limit{Kind: ofStatus(o.ErrorStatus), Attempt: o.Attempt, MaxAttempts: o.MaxRetries, Wait: true}
		if l.Kind == None {
			return Limit{}, false
		}
		l.RetryIn, _ = seconds(o.RetryDelayMs / 1000)
		return l, true
	case o.Type == "rate_limit_event" && o.Info.Status == "rejected":
		l := Limit{Kind: UsageWindow, Wait: true}
		l.ResetsAt, _ = epoch(o.Info.ResetsAt)
		return l, true
	case o.Type == "result" && o.IsError:
		if l, ok := Text(strings.TrimSpace(o.Result), now, local); ok {
			return l, true
		}
		if kind := ofStatus(o.ApiErrorStatus); kind != None {
			return Limit{Kind: kind, Wait: true, Dead: true, Message: o.Result}, true
		}
	case o.Type == "assistant" && o.Message.Model == "<synthetic>":
		return Text(strings.TrimSpace(text(o.Message.Content)), now, local)
	}
	return Limit{}, false
}
