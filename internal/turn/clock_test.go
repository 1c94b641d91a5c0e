package turn

import (
	"fmt"
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

// The clock jumps while ten wait, and a minute passes: nobody waits for longer, and nobody's turn comes too early.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-10 * time.Hour, -10 * time.Second, -time.Second, time.Second, time.Minute, 10 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			here, _ := sites(t, 0)
			here.update(at(2.3), func(_ time.Time, st *State) {
				s := story{t, st.Open("p"), Rules{}}
				s.paced(0, .5)
				for i := range 10 {
					s.Ask(at(float64(i)/100), Call{Key: Key{Session: fmt.Sprint(i)}, Event: "e"})
				}
				s.Limited(at(1), "", at(2), "")
				s.Admit(at(2), everybody)
				s.rejected(2.2, Key{Session: "0"}, 2.1, 5, 1)
				s.Sent(at(2.3), c, at(2.2))
			})
			here.clock = jump
			granted, waiting := 1, 10
			for passed, looks := 0.0, 0; waiting > 0; looks++ {
				if looks > 200 || passed > 60 {
					t.Fatalf("%d wait after %d looks in %g s", waiting, looks, passed)
				}
				var wait time.Duration
				here.update(at(2.3+passed), func(now time.Time, st *State) {
					p := st.Account("p")
					p.Sweep(now, everybody)
					wait = p.Admit(now, everybody).Sub(now)
					if n := len(p.Turns("")) - granted; n > 1 {
						t.Fatalf("%d turns at once", n)
					}
					granted, waiting = len(p.Turns("")), len(p.Line(""))
				})
				if waiting > 0 && (wait <= 0 || wait > 10*time.Second) {
					t.Fatalf("Admit: come back in %v", wait)
				}
				passed += wait.Seconds()
			}
		})
	}
}

func TestReportsFromBeforeAndAfterAStepBackCount(t *testing.T) {
	here, _ := sites(t, 0)
	tell := func(sec float64, do func(s story)) {
		here.update(at(sec), func(_ time.Time, st *State) { do(story{t, st.Open("p"), Rules{}}) })
	}
	tell(1, func(s story) {
		s.paced(0, 10)
		s.Sent(at(1), a, at(.9))
	})
	here.clock = -time.Hour
	tell(2, func(s story) { s.Sent(at(-3598), a, at(.95)) })
	tell(3, func(s story) { s.Sent(at(-3597), a, at(-3597.5)) })
	tell(4, func(s story) {
		if s.rejected(-3596, a, -3596.5, .3, 1); s.retries() > 0 {
			t.Error("a retry of the new time is still pending after it")
		}
	})
	tell(12, func(s story) {
		if s.rejected(-3588, a, -3588.5, 1, 1); s.retries() != 1 {
			t.Error("a retry of the new time was taken for an old one")
		}
	})
}
