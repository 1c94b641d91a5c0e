package ratelimit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"
	"time"
)

type row struct {
	Type      string    `json:"type"`
	Subtype   string    `json:"subtype"`
	Timestamp time.Time `json:"timestamp"`

	// type system, subtype api_error: a try that will be repeated
	Error        json.RawMessage `json:"error"` // an object here, a word in an error row
	RetryInMs    float64         `json:"retryInMs"`
	RetryAttempt int             `json:"retryAttempt"`
	MaxRetries   int             `json:"maxRetries"`

	// type assistant: the error that ended a turn
	IsApiErrorMessage bool   `json:"isApiErrorMessage"`
	ApiErrorStatus    int    `json:"apiErrorStatus"`
	ApiError          string `json:"apiError"`
	ApiErrorCode      string `json:"apiErrorCode"`
	Quota             window `json:"quotaLimits"`
	Params            struct {
		Info window `json:"rate_limit_info"`
	} `json:"apiErrorParams"`
	Message struct {
		Content json.RawMessage `json:"content"`
	} `json:"message"`
}

type window struct {
	ResetsAt float64 `json:"resetsAt"`
}

type rowError struct {
	Message    string  `json:"message"`
	Formatted  string  `json:"formatted"`
	Status     int     `json:"status"`
	RateLimits *window `json:"rateLimits"`
}

// spendCode is the API's word for a spend limit, whatever the message says.
const spendCode = "enforced_spend_limit_reached"

var (
	retryMark = []byte(`"api_error"`)
	errorMark = []byte(`"isApiErrorMessage":true`)
)

// Row reads one line of a transcript, with the time at which it was written. It reports false for a row that says
// nothing of a limit, such as the retry after a lost connection.
//
// Retries are written as they happen in -p only: an interactive session and a subagent write none (2.1.330). The error
// that ends a turn is written everywhere. A time of day in its text, where it carries no exact one, is read as of the row's
// time, in the zone local unless another is named.
func Row(line []byte, local *time.Location) (Limit, time.Time, bool) {
	if !bytes.Contains(line, retryMark) && !bytes.Contains(line, errorMark) {
		return Limit{}, time.Time{}, false
	}
	var r row
	if json.Unmarshal(line, &r) != nil {
		return Limit{}, time.Time{}, false
	}
	var l Limit
	ok := false
	switch {
	case r.Type == "system" && r.Subtype == "api_error":
		l, ok = r.retry()
	case r.Type == "assistant" && r.IsApiErrorMessage:
		l, ok = r.death(local)
	}
	return l, r.Timestamp, ok
}

func (r *row) retry() (Limit, bool) {
	var e rowError
	if json.Unmarshal(r.Error, &e) != nil {
		return Limit{}, false
	}
	l := Limit{Attempt: r.RetryAttempt, MaxAttempts: r.MaxRetries, Wait: true, Message: cmp.Or(e.Formatted, e.Message)}
	l.RetryIn, _ = seconds(r.RetryInMs / 1000)
	switch {
	case e.Status == 529:
		l.Kind = Overload
	case e.Status != 429:
		return Limit{}, false
	case e.RateLimits != nil:
		l.Kind = UsageWindow
		l.ResetsAt, _ = epoch(e.RateLimits.ResetsAt)
	case strings.Contains(e.Message, spendCode):
		l.Kind, l.Wait = Spend, false
	default:
		l.Kind = Requests
		l.readRate(e.Message)
	}
	return l, true
}

func (r *row) death(local *time.Location) (Limit, bool) {
	said := FirstText(r.Message.Content)
	if r.ApiErrorCode == spendCode {
		return Limit{Kind: Spend, Dead: true, Message: said}, true
	}
	l, ok := Text(said, r.Timestamp, local)
	if !ok {
		l = Limit{Dead: true, Wait: true, Message: said}
		var word string
		json.Unmarshal(r.Error, &word) // another shape is no word
		switch {
		case word == "billing_error":
			l.Kind, l.Wait = Spend, false
		case r.ApiError == "usage_limit_reached":
			l.Kind = UsageWindow
		case r.ApiErrorStatus == 529 || word == "overloaded":
			l.Kind = Overload
		case r.ApiErrorStatus == 429 || word == "rate_limit":
			l.Kind = Requests
		default:
			return Limit{}, false
		}
	}
	// Spend may carry the reset of another window.
	if l.Kind == Spend {
		return l, true
	}
	for _, w := range []window{r.Quota, r.Params.Info} {
		if at, ok := epoch(w.ResetsAt); ok {
			l.Kind, l.ResetsAt, l.Within = UsageWindow, at, 0
		}
	}
	return l, true
}

// FirstText returns the first text of a message's content.
func FirstText(content json.RawMessage) string {
	var blocks []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(content, &blocks) != nil {
		var s string
		json.Unmarshal(content, &s) // another shape has no text
		return s
	}
	for _, b := range blocks {
		if b.Type == "text" {
			return b.Text
		}
	}
	return ""
}
