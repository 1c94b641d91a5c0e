package turn

import (
	"cmp"
	"encoding/json"
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

// Log is when calls were sent, oldest first. In JSON it is the first in milliseconds since 1970, then the
// differences: a hook parses it before every call.
type Log []time.Time

func (l Log) add(t time.Time) Log {
	i, _ := slices.BinarySearchFunc(l, t, later)
	return slices.Insert(l, i, t)
}

// later puts equal times in front of where t goes.
func later(a, t time.Time) int {
	return cmp.Or(a.Compare(t), -1)
}

func (l Log) remove(t time.Time) Log {
	i, _ := slices.BinarySearchFunc(l, t, later)
	if i > 0 && l[i-1].Equal(t) {
		return slices.Delete(l, i-1, i)
	}
	return l
}

// count is how many lie in (from, to].
func (l Log) count(from, to time.Time) int {
	i, _ := slices.BinarySearchFunc(l, from, later)
	j, _ := slices.BinarySearchFunc(l, to, later)
	return max(0, j-i)
}

// MarshalJSON writes the compact form.
func (l Log) MarshalJSON() ([]byte, error) {
	list := make([]int64, len(l))
	var last int64
	for i, t := range l {
		list[i] = t.UnixMilli() - last
		last = t.UnixMilli()
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads the compact form.
func (l *Log) UnmarshalJSON(data []byte) error {
	var list []int64
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*l = make(Log, len(list))
	var last int64
	for i, d := range list {
		last += d
		(*l)[i] = time.UnixMilli(last).UTC()
	}
	slices.SortFunc(*l, time.Time.Compare)
	return nil
}
