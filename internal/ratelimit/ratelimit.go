// Package ratelimit reads what Claude Code and the API say about limits: a transcript row, a message, a response's headers.
//
// Everything here is a function of what it is given: (value, ok), never a guess. The package does not decide what to do
// about a limit, reads no clock and no file but the zone database, and knows nothing about sessions. Where a text names
// the time of a day, the caller says when and in which zone it was written; where it names no time, the limit has none.
package ratelimit

import "time"

// Kind says which limit was hit.
type Kind int

const (
	None        Kind = iota
	Requests         // requests per minute, or what was not said: a 429 on an API key, or the server limiting for a moment
	Overload         // the service has too much to do (529), whoever asks
	UsageWindow      // a subscription's window (five hours, a week) is used up
	Spend            // money: credit, spend limit, usage credits; waiting does not lift it
	// Unnamed is an error that Claude Code tries again without saying which: its screen names it from the third try on
	// (2.1.330). Mostly a 429, but a lost connection looks the same.
	Unnamed
	Tokens // input or output tokens per minute: a 429 on an API key
)

func (k Kind) String() string {
	return [...]string{None: "none", Requests: "rate limit", Overload: "overload", UsageWindow: "usage limit", Spend: "spend limit",
		Unnamed: "API error", Tokens: "token limit"}[k]
}

// Limit is one report of a limit.
type Limit struct {
	Kind Kind
	// RetryIn is the time to the next try, as Claude Code or the header says; 0 where nothing was said. Claude Code adds
	// up to 25 % to what the server asked for, so it is not the retry-after itself.
	RetryIn time.Duration
	// Attempt counts the rejected tries of one call, from 1; 0 where nothing was said.
	Attempt, MaxAttempts int
	// ResetsAt is the time at which a usage window opens again; zero where nothing was said.
	ResetsAt time.Time
	// Within is the longest time after ResetsAt that it may be: a text names the minute, and in the hour that clocks show twice not
	// which of the two. 0 where the source is exact.
	Within time.Duration
	// Rate is the limit per minute that the server's message names, without what remains of it; zero where it names none.
	Rate Rate
	// Wait says whether waiting lifts the limit.
	Wait bool
	// Dead says whether the turn is over. After a usage limit Claude Code may still start another by itself.
	Dead    bool
	Message string
}

// Reset returns when the usage window has surely opened again; zero where nothing was said.
func (l Limit) Reset() time.Time { return l.ResetsAt.Add(l.Within) }

// maxWait bounds the durations and the times that are believed.
const maxWait = 366 * 24 * time.Hour

// seconds returns s as a duration. It is not ok for one that nobody would say.
func seconds(s float64) (time.Duration, bool) {
	if !(s >= 0 && s <= maxWait.Seconds()) {
		return 0, false
	}
	return time.Duration(s * float64(time.Second)), true
}

// epoch returns the time s seconds after 1970. It is not ok outside this century.
func epoch(s float64) (time.Time, bool) {
	const from, to = 946684800, 4102444800
	if !(s >= from && s < to) {
		return time.Time{}, false
	}
	return time.Unix(int64(s), 0), true
}
