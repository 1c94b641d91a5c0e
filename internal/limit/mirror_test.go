package limit

import (
	"math"
	"testing"
	"time"
)

var zero = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func at(sec float64) time.Time { return zero.Add(time.Duration(sec * float64(time.Second))) }

// told is a pace of one call a second that headers tell, with a full bucket at 0 s.
func told(holds int) Pace {
	p := Pace{Rate: 1, Limit: 1, Level: 1, At: at(0)}
	p.Holds(holds, -Slop)
	return p
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// goes sends as many calls as go at once.
func goes(p *Pace, sec float64, longer time.Duration) (n int) {
	for p.Refill(at(sec)); p.Whole().IsZero() && n < 10; n++ {
		p.Spend(at(sec), longer)
	}
	return n
}

func TestABucketThatHoldsSeveralIsUsedWhole(t *testing.T) {
	for holds, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 3, 9: mostMirrored} {
		p := told(holds)
		if got := goes(&p, 30, 0); got != want {
			t.Errorf("a bucket of %d, full: %d go at once, want %d", holds, got, want)
		}
		if err := p.Check(); err != nil {
			t.Error(err)
		}
	}
	p := told(3)
	goes(&p, 30, 0)
	p.Refused(at(30.2), at(30), 1, true, 3)
	if got := goes(&p, 60, 0); got != 1 {
		t.Errorf("half a minute after a rejection %d go at once, want 1", got)
	}
	if got := goes(&p, 100, 0); got != 3 {
		t.Errorf("more than a minute after a rejection %d go at once, want 3", got)
	}
}

// Where each call may be under way for longer than the next, a bucket of one loses that with every call, one of several once.
func TestWhatIsLostOnTheWay(t *testing.T) {
	const longer = 100 * time.Millisecond
	for holds, want := range map[int]float64{1: 10 * 1.1, 3: 8.1} {
		p := told(holds)
		now := at(30)
		p.Refill(now)
		for range 11 {
			now = later(now, p.Whole())
			p.Spend(now, longer)
		}
		if got := now.Sub(at(30)).Seconds(); math.Abs(got-want) > 1e-3 {
			t.Errorf("a bucket of %d: the eleventh call goes at %.3f s, want %.3f", holds, got, want)
		}
	}
}

// What remained at some moment since our call was sent is no more than what came in since, less the calls since, proves.
func TestWhatHeadersProve(t *testing.T) {
	for _, test := range []struct {
		name      string
		remaining float64
		later     []float64
		want      float64 // at 3 s, of a call that was sent at 0
	}{
		{"nothing was sent since", .7, nil, .7},
		{"a call at 1 s: counted before it, two came in since", 1, []float64{1}, 1},
		{"a call at 2.5 s: counted before it, half a call came in since", 1, []float64{2.5}, .4},
		{"two calls", 1, []float64{1, 2.5}, .4},
		{"nothing remained", 0, []float64{2.5}, 0},
	} {
		p := Pace{Rate: 1, Limit: 1, At: at(3)}
		var later []time.Time
		for _, sec := range test.later {
			later = append(later, at(sec))
		}
		p.Told(at(3), Resource{Limit: 60, Remaining: test.remaining}, later)
		if math.Abs(p.Level-test.want) > 1e-6 {
			t.Errorf("%s: level %g, want %g", test.name, p.Level, test.want)
		}
	}
}
