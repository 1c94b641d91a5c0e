package fakeapi

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	cases := []struct {
		name      string
		limit     Limit
		took      []float64 // seconds at which a request was taken
		now       float64
		wait      time.Duration
		remaining int
		reset     float64
	}{
		{"a full bucket lets a call through", Limit{30, 1}, nil, 0, 0, 1, 0},
		{"an empty one makes it wait for one token", Limit{30, 1}, []float64{0}, 0, 2 * time.Second, 0, 2},
		{"it refills continuously", Limit{30, 1}, []float64{0}, 1.5, 500 * time.Millisecond, 0, 2},
		{"after the interval the next call fits", Limit{30, 1}, []float64{0}, 2, 0, 1, 2},
		{"it never holds more than the burst", Limit{60, 2}, []float64{0}, 3600, 0, 2, 3600},
		{"a burst goes through at once", Limit{60, 5}, []float64{0, 0, 0, 0}, 0, 0, 1, 4},
		{"the call after the burst waits", Limit{60, 5}, []float64{0, 0, 0, 0, 0}, 0, time.Second, 0, 5},
		{"without a burst the bucket holds a minute's worth", Limit{50, 0}, []float64{0}, 0, 0, 49, 1.2},
		{"a clock that steps back refills nothing", Limit{60, 1}, []float64{10}, 5, time.Second, 0, 6},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := Full(c.limit, start)
			for _, s := range c.took {
				b = b.Take(1, at(s))
			}
			now := at(c.now)
			if got := b.Wait(1, now); got != c.wait {
				t.Errorf("Wait(1) = %v, want %v", got, c.wait)
			}
			if got := b.Remaining(now); got != c.remaining {
				t.Errorf("Remaining = %v, want %v", got, c.remaining)
			}
			if got := b.Reset(now); got.Sub(at(c.reset)).Abs() > time.Microsecond {
				t.Errorf("Reset = %v, want %v", got.Sub(start), c.reset)
			}
		})
	}
}

func TestBucketOfAnotherLimitKeepsWhatFits(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := Full(Limit{60, 10}, now).Take(4, now)
	if got := b.Limited(Limit{20, 3}, now).Level; got != 3 {
		t.Errorf("level under burst 3 = %v, want 3", got)
	}
	if got := b.Limited(Limit{600, 100}, now).Level; got != 6 {
		t.Errorf("level under burst 100 = %v, want 6", got)
	}
	if got := (Bucket{}).Limited(Limit{60, 2}, now).Level; got != 2 {
		t.Errorf("level of a new limit = %v, want 2", got)
	}
}

func TestACallLargerThanTheBucketFitsWhenItIsFull(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := Full(Limit{PerMinute: 6000}, now)
	if got := b.Wait(9000, now); got != 0 {
		t.Errorf("Wait in a full bucket = %v, want 0", got)
	}
	if got := b.Take(9000, now).Wait(100, now); got != 31*time.Second {
		t.Errorf("Wait after it = %v, want 31s", got)
	}
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{
		time.Nanosecond:          time.Second,
		time.Second:              time.Second,
		1001 * time.Millisecond:  2 * time.Second,
		59999 * time.Millisecond: time.Minute,
	} {
		if got := RetryAfter(wait); got != want {
			t.Errorf("RetryAfter(%v) = %v, want %v", wait, got, want)
		}
	}
}
