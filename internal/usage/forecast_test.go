package usage

import (
	"slices"
	"testing"
	"time"
)

// What is used up first stands in front, with when; then what is nearest to it.
func TestForecast(t *testing.T) {
	midnight := day.AddDate(0, 0, 1)
	now := midnight.Add(-2 * time.Hour)
	list := Forecast(now, []Limit{
		{Name: "lasts", Left: 100, Gains: 60, Takes: 30},
		{Name: "nearly", Left: 100, Gains: 60, Takes: 60},
		{Name: "bucket", Left: 1000, Gains: 100, Takes: 200},
		{Name: "budget", Left: 5, Takes: 1, Resets: midnight},
		{Name: "budget that lasts", Left: 121, Takes: 1, Resets: midnight},
		{Name: "empty", Left: 0, Gains: 10, Takes: 10},
		{Name: "untouched", Left: 0, Gains: 10},
		{Name: "some year", Left: 1e9, Takes: 1},
	})
	var names []string
	for _, l := range list {
		names = append(names, l.Name)
	}
	if want := []string{"empty", "budget", "bucket", "nearly", "budget that lasts", "lasts", "untouched", "some year"}; !slices.Equal(names, want) {
		t.Errorf("in the order %q, want %q", names, want)
	}
	for name, want := range map[string]time.Duration{"empty": 0, "budget": 5 * time.Minute, "bucket": 10 * time.Minute} {
		i := slices.IndexFunc(list, func(l Limit) bool { return l.Name == name })
		if got := list[i].Ends.Sub(now); got != want {
			t.Errorf("%s ends in %v, want %v", name, got, want)
		}
	}
	for _, l := range list[3:] {
		if !l.Ends.IsZero() {
			t.Errorf("%s ends at %v, want never", l.Name, l.Ends)
		}
	}
	if got := list[3].Share(now); got != 1 {
		t.Errorf("of %s %v is taken, want all", list[3].Name, got)
	}
}
