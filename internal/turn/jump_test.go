package turn

import (
	"fmt"
	"testing"
	"time"
)

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
					p.Sweep(now, everybody, true)
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
