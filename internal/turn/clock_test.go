package turn

import (
	"testing"
	"time"
)

// A waiter who looks every second, by clocks that sleep and jump. Time really passes as the looks say; the clock shows
// that and what it was put by.
func TestWaitByAClockThatJumps(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const wait = 75 * time.Second
	for _, tt := range []struct {
		name  string
		at    time.Duration // when it happens
		slept time.Duration // nobody looks
		put   time.Duration // the clock, forward or back
		fixed bool
		want  time.Duration // really waited, at most a second's look more
	}{
		{"nothing happens", 0, 0, 0, false, wait},
		{"sleep within the wait", 10 * time.Second, 20 * time.Second, 0, false, wait},
		{"sleep over its end", 10 * time.Second, 8 * time.Hour, 0, false, 10*time.Second + 8*time.Hour},
		{"put back by hours", 10 * time.Second, 0, -3 * time.Hour, false, wait},
		{"put back by a second", 10 * time.Second, 0, -time.Second, false, wait + time.Second},
		{"put back while asleep", 10 * time.Second, time.Hour, -3 * time.Hour, false, wait + time.Hour},
		{"put forward by hours", 10 * time.Second, 0, 3 * time.Hour, false, 10 * time.Second},
		{"put back by hours, to an end of the calendar", 10 * time.Second, 0, -3 * time.Hour, true, wait + 3*time.Hour},
	} {
		w := NewWait(start, start.Add(wait), tt.fixed)
		real, put := time.Duration(0), time.Duration(0)
		for happened := false; w.Left(start.Add(real+put)) > 0; real += time.Second {
			if !happened && real >= tt.at {
				happened = true
				real += tt.slept
				put = tt.put
			}
			if real > 24*time.Hour {
				t.Errorf("%s: hangs", tt.name)
				break
			}
		}
		if late := real - tt.want; late < 0 || late > 2*time.Second {
			t.Errorf("%s: waits for %v, want %v", tt.name, real, tt.want)
		}
	}
}
