package turn

import (
	"testing"
	"time"

	"afteryou/internal/limit"
)

// A conversation's next call takes what was added to it since the last, and all of it once its cache has expired.
func TestNextCallOfAConversation(t *testing.T) {
	k := Key{Session: "a"}
	for name, test := range map[string]struct {
		hour  bool
		fresh float64
		after time.Duration
		want  float64
	}{
		"soon":                               {after: time.Minute, want: 2000},
		"soon, and how much it adds is told": {after: time.Minute, fresh: 700, want: 1000},
		"when the cache has expired":         {after: 6 * time.Minute, want: 132000},
		"within the hour that it is kept":    {after: 50 * time.Minute, hour: true, want: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewState()
			a := s.Open("p")
			now := at(0)
			for i, took := range []limit.Costs{
				{Input: 120000, Output: 300, Whole: 120000, Cached: 120000},
				{Input: 8000, Output: 300, Whole: 128000, Cached: 128000},
				{Input: 2000, Output: 300, Whole: 130000, Cached: 130000, Hour: test.hour},
			} {
				a.Ask(now, Call{Key: k, Event: string(rune('a' + i)), News: AtOnce})
				a.Admit(now, everybody)
				a.Used(now.Add(time.Second), k, now.Add(time.Second), took)
				a.Succeeded(now.Add(time.Second), k)
				now = now.Add(10 * time.Second)
			}
			a.Sweep(now.Add(test.after), everybody, true)
			a.Ask(now.Add(test.after), Call{Key: k, Event: "next", News: AtOnce, Fresh: test.fresh})
			got, _ := a.expect(a.waiting(k))
			if got.Input < test.want-4000 || got.Input > test.want+4000 || test.fresh > 0 && got.Input != test.want {
				t.Errorf("expected to take %+v, want an input of about %.0f", got, test.want)
			}
		})
	}
}

// How much of its size a first call takes is known from others that were as large or larger: the most that was seen, lately.
func TestFirstCallOfAConversation(t *testing.T) {
	a := NewState().Open("p")
	for i, took := range []float64{90000, 30000} {
		k := Key{Session: string(rune('a' + i))}
		a.Ask(at(0), Call{Key: k, Event: "x", News: AtOnce, Size: limit.Costs{Input: 100000}})
		a.Admit(at(0), everybody)
		a.Used(at(1), k, at(1), limit.Costs{Input: took, Whole: took})
		a.Succeeded(at(1), k)
	}
	if got, _ := a.expect(&Call{Key: Key{Session: "c"}, Size: limit.Costs{Input: 200000}}); got.Input < 150000 || got.Input > 180000 {
		t.Errorf("expected to take %+v, want nearly nine tenths of its size", got)
	}
}
