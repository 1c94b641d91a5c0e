package usage

import (
	"cmp"
	"slices"
	"time"
)

// Limit is something that may run out: what is left of it, and how that changes in a minute. A bucket of a rate limit gains what the
// server puts in; a budget gains nothing, and is as before at Resets.
type Limit struct {
	Name   string    `json:"limit"`
	Of     string    `json:"of"` // requests, input tokens, output tokens, tokens, dollars, percent
	Left   float64   `json:"left"`
	Gains  float64   `json:"gains_a_minute"`
	Takes  float64   `json:"takes_a_minute"` // at the pace of the last minutes
	Resets time.Time `json:"resets,omitzero"`
	// Ends is when nothing is left at this pace; zero: not before it resets.
	Ends time.Time `json:"ends,omitzero"`
}

// soonest bounds what a forecast tells of: it is for this week at most.
const soonest = 7 * 24 * time.Hour

// Share is how much of what there is to take a minute is taken: of what comes in, or of what is left until it resets.
func (l Limit) Share(now time.Time) float64 {
	there := l.Gains
	if minutes := l.Resets.Sub(now).Minutes(); minutes > 0 {
		there += max(0, l.Left) / minutes
	}
	if there <= 0 {
		return 0
	}
	return l.Takes / there
}

// Forecast says of each limit when it is used up at this pace, the first to be so in front; then by how much of them is taken.
func Forecast(now time.Time, list []Limit) []Limit {
	list = slices.Clone(list)
	for i := range list {
		l := &list[i]
		if net := l.Takes - l.Gains; l.Left <= 0 && l.Takes > 0 && net >= 0 {
			l.Ends = now
		} else if minutes := l.Left / net; net > 0 && minutes < soonest.Minutes() {
			l.Ends = now.Add(time.Duration(minutes * float64(time.Minute)))
		}
		if !l.Resets.IsZero() && l.Ends.After(l.Resets) {
			l.Ends = time.Time{}
		}
	}
	slices.SortStableFunc(list, func(a, b Limit) int {
		switch {
		case a.Ends.IsZero() != b.Ends.IsZero():
			return map[bool]int{true: 1, false: -1}[a.Ends.IsZero()]
		case !a.Ends.IsZero():
			return a.Ends.Compare(b.Ends)
		}
		return cmp.Compare(b.Share(now), a.Share(now))
	})
	return list
}
