package ratelimit

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Header reads the headers of a response with the given status; get is http.Header's Get. Whether money is what ran
// out stands in the body of a response, not here.
func Header(get func(string) string, status int, now time.Time) (Limit, bool) {
	l := Limit{Kind: ofStatus(status), Wait: true, Dead: get("X-Should-Retry") == "false"}
	if l.Kind == None {
		return Limit{}, false
	}
	l.RetryIn = retryAfter(get("Retry-After"), now)
	if get("Anthropic-Ratelimit-Unified-Status") == "rejected" {
		l.Kind = UsageWindow
		if s, err := strconv.ParseFloat(get("Anthropic-Ratelimit-Unified-Reset"), 64); err == nil {
			l.ResetsAt, _ = epoch(s)
		}
	}
	return l, true
}

// ofStatus returns the kind of limit that a response's status alone tells of, None for any but 429 and 529.
func ofStatus(status int) Kind {
	return map[int]Kind{429: Requests, 529: Overload}[status]
}

// retryAfter returns how long from now a retry-after asks to wait, in seconds or until a date; 0 if it can't be read.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		d, _ := seconds(s)
		return d
	}
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if at, err := time.Parse(layout, value); err == nil {
			d, _ := seconds(math.Max(0, at.Sub(now).Seconds()))
			return d
		}
	}
	return 0
}
