package fakeapi

import (
	"cmp"
	"math"
	"time"
)

// Limit is a rate limit as the API grants it: a token bucket that refills continuously. The zero Limit limits nothing.
type Limit struct {
	PerMinute float64
	Burst     float64 // what the bucket holds; 0: as much as PerMinute
}

func (l Limit) on() bool { return l.PerMinute > 0 }

func (l Limit) burst() float64 { return cmp.Or(l.Burst, l.PerMinute) }

// Bucket is a token bucket at one moment. Its methods are functions of (value, now) and change nothing; a now before
// At counts as At.
type Bucket struct {
	Limit
	Level float64 // below zero after a call that turned out larger than what was left
	At    time.Time
}

// Full returns a bucket that holds all it can.
func Full(l Limit, now time.Time) Bucket { return Bucket{l, l.burst(), now} }

// least is the number of tokens a call must find even where its cost is known only afterwards.
const least = 1.0

// Refilled returns the bucket at now.
func (b Bucket) Refilled(now time.Time) Bucket {
	if now.Before(b.At) {
		return b
	}
	b.Level = min(b.burst(), b.Level+b.PerMinute/60*now.Sub(b.At).Seconds())
	b.At = now
	return b
}

// Wait returns how long until a call of that cost fits, 0 when it does now. A call that costs more than the bucket ever
// holds fits when the bucket is full.
func (b Bucket) Wait(cost float64, now time.Time) time.Duration {
	if !b.on() {
		return 0
	}
	missing := min(cost, b.burst()) - b.Refilled(now).Level
	if missing < 1e-6 { // six decimals are more than a nanosecond clock and a float can promise
		return 0
	}
	return time.Duration(math.Ceil(missing / (b.PerMinute / 60) * float64(time.Second)))
}

// Take returns the bucket after a call of that cost.
func (b Bucket) Take(cost float64, now time.Time) Bucket {
	b = b.Refilled(now)
	b.Level -= cost
	return b
}

// Limited returns the bucket under another limit: what is in it stays, as far as it fits.
func (b Bucket) Limited(l Limit, now time.Time) Bucket {
	if !b.on() {
		return Full(l, now)
	}
	b = b.Refilled(now)
	b.Limit = l
	b.Level = min(b.Level, l.burst())
	return b
}

// Remaining returns the value of the anthropic-ratelimit-…-remaining header.
func (b Bucket) Remaining(now time.Time) int {
	return max(0, int(math.Floor(b.Refilled(now).Level+1e-6)))
}

// Reset returns when the bucket is full again.
func (b Bucket) Reset(now time.Time) time.Time {
	b = b.Refilled(now)
	return now.Add(time.Duration((b.burst() - b.Level) / (b.PerMinute / 60) * float64(time.Second)))
}

// RetryAfter returns the value of the retry-after header for such a wait, in whole seconds as the API gives it.
func RetryAfter(wait time.Duration) time.Duration {
	return max(time.Second, (wait + time.Second - 1).Truncate(time.Second))
}
