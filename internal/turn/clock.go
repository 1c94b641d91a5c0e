package turn

import "time"

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
