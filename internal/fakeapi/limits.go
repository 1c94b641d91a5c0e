package fakeapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits are the limits of one credential. Where one is zero there is neither a limit nor a header.
type Limits struct {
	Requests Limit
	Input    Limit // uncached input tokens
	Output   Limit // taken when the answer ends; the next call waits until there is at least one token
	// Quota is that of Amazon Bedrock: a call takes all of its input, cached or not, and its max_tokens; at its end it has what it did
	// not use back. A token of the answer counts five times.
	Quota Limit
}

// buckets holds those of one credential, at one moment.
type buckets struct{ requests, input, output, quota Bucket }

func full(l Limits, now time.Time) buckets {
	return buckets{Full(l.Requests, now), Full(l.Input, now), Full(l.Output, now), Full(l.Quota, now)}
}

// wait returns how long until the buckets let the call through, and the limit that says so.
func (b buckets) wait(cost Usage, most int, now time.Time) (wait time.Duration, what string) {
	for _, one := range []struct {
		wait time.Duration
		of   Bucket
		name string
	}{
		{b.requests.Wait(1, now), b.requests, "requests"},
		{b.input.Wait(float64(cost.limited()), now), b.input, "input tokens"},
		{b.output.Wait(least, now), b.output, "output tokens"},
		{b.quota.Wait(cost.reserved(most), now), b.quota, "tokens"},
	} {
		if one.wait > wait {
			wait, what = one.wait, thousands(one.of.PerMinute)+" "+one.name
		}
	}
	return wait, what
}

// thousands writes a number as the API's messages do: 30,000.
func thousands(n float64) string {
	text, fraction, _ := strings.Cut(strconv.FormatFloat(n, 'f', -1, 64), ".")
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if fraction != "" {
		text += "." + fraction
	}
	return text
}

// take returns the buckets after so many requests of that cost together.
func (b buckets) take(requests float64, cost Usage, now time.Time) buckets {
	if b.requests.on() {
		b.requests = b.requests.Take(requests, now)
	}
	if b.input.on() {
		b.input = b.input.Take(float64(cost.limited()), now)
	}
	return b
}

func (b buckets) headers(h http.Header, now time.Time) {
	one := func(name string, b Bucket) {
		if b.on() {
			setLimit(h, name, b.PerMinute, b.Remaining(now), b.Reset(now))
		}
	}
	one("requests", b.requests)
	one("input-tokens", b.input)
	one("output-tokens", b.output)
	switch {
	case b.input.on() && b.output.on():
		reset := slices.MaxFunc([]time.Time{b.input.Reset(now), b.output.Reset(now)}, time.Time.Compare)
		setLimit(h, "tokens", b.input.PerMinute+b.output.PerMinute, b.input.Remaining(now)+b.output.Remaining(now), reset)
	case b.input.on():
		one("tokens", b.input)
	case b.output.on():
		one("tokens", b.output)
	}
}

func setLimit(h http.Header, name string, limit float64, remaining int, reset time.Time) {
	h.Set("anthropic-ratelimit-"+name+"-limit", strconv.FormatFloat(limit, 'f', -1, 64))
	h.Set("anthropic-ratelimit-"+name+"-remaining", strconv.Itoa(remaining))
	h.Set("anthropic-ratelimit-"+name+"-reset", reset.UTC().Add(time.Second-1).Truncate(time.Second).Format(time.RFC3339))
}
