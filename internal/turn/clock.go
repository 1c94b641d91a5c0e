package turn

import (
	"slices"
	"time"
)

// skew is how far times of two processes of one machine may disagree: each reads the clock before it waits for the
// lock. A step back that is longer was the clock's.
const skew = 5 * time.Second

// stamp is a time as the state keeps it: UTC, whole milliseconds, no monotonic reading. So a state that was written
// and read again is the same. One that no clock shows is not known.
func stamp(t time.Time) time.Time {
	if t.IsZero() || !dated(t) {
		return time.Time{}
	}
	return t.UTC().Round(0).Truncate(time.Millisecond)
}

// ceil rounds up to what stamp keeps, so that whoever comes back at that time does not come too early.
func ceil(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Millisecond - 1).Truncate(time.Millisecond)
}

// dated reports whether a clock can have shown the times; zero is not known.
func dated(times ...time.Time) bool {
	const from, to = 0, 7258118400 // 1970 to 2199
	return !slices.ContainsFunc(times, func(t time.Time) bool { return !t.IsZero() && (t.Unix() < from || t.Unix() >= to) })
}

// happened returns a time that was told; where it is not known or to come, now.
func happened(now, at time.Time) time.Time {
	if at = stamp(at); at.IsZero() || at.After(now) {
		return now
	}
	return at
}

// Latest returns the last of some times.
func Latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// earliest returns the first of two times; zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) && !b.IsZero() {
		return b
	}
	return a
}
