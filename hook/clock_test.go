package hook

import (
	"context"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// putClock puts the clock by d, as far as waiters can tell: it is the same whether the clock goes back or all that was
// written down goes forward.
func (d *desk) putClock(by time.Duration) {
	d.Helper()
	v, err := d.store.Update(context.Background(), func(s *turn.State) error {
		for _, a := range s.Accounts {
			list := []*time.Time{&a.At}
			for _, l := range a.Classes {
				list = append(list, &l.CoolDown.Until, &l.Pace.At, &l.Pace.Since, &l.Pace.Used, &l.Pace.Cut)
			}
			for _, c := range a.Waiting() {
				list = append(list, &c.Asked, &c.Seen)
			}
			for _, t := range list {
				if !t.IsZero() {
					*t = t.Add(-by)
				}
			}
		}
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
	v.Close()
}

// A cool-down of 3 seconds, and a clock that is put by hours meanwhile: whoever waits goes on after those seconds, or at
// once where the clock says that they are over.
func TestWaitersOutliveAClockThatIsPut(t *testing.T) {
	t.Parallel()
	const wait = 3 * time.Second
	for _, tt := range []struct {
		name string
		by   time.Duration
		soon bool
	}{
		{"back", -3 * time.Hour, false},
		{"forward", 3 * time.Hour, true},
	} {
		for _, waiter := range []string{"gate", "wake"} {
			t.Run(waiter+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				begin := time.Now()
				over := make(chan bool, 1)
				var waits func() bool
				if waiter == "gate" {
					d.send(eventOf("SessionStart", "s"))
					d.cool(begin.Add(wait))
					w := d.ask(eventOf("UserPromptSubmit", "s"))
					go func() { <-w.done; over <- true }()
					waits = func() bool { return len(d.account().Waiting()) == 1 }
				} else {
					path := transcript(t, died(begin, tooMany, `"apiErrorStatus":429,`))
					d.cool(begin.Add(wait))
					go func() {
						_, ok := d.hook("CLAUDE_CODE_ENTRYPOINT=cli").Wake(t.Context(), strings.NewReader(eventOf("StopFailure", "s", "transcript_path", path)))
						over <- ok
					}()
					waits = func() bool { return strings.Contains(d.log(), "goes on after") }
				}
				for deadline := time.Now().Add(patience); !waits(); time.Sleep(5 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal("it does not wait")
					}
				}
				if time.Since(begin) > wait {
					t.Log("the machine is too slow to put the clock in time")
				}
				d.putClock(tt.by)
				select {
				case ok := <-over:
					if !ok {
						t.Errorf("the session is not woken; log:\n%s", d.log())
					}
				case <-time.After(patience):
					t.Fatalf("it hangs; the account: %+v", d.account())
				}
				if took := time.Since(begin); !tt.soon && took < wait-10*time.Millisecond {
					t.Errorf("it goes on after %v, want not before %v", took, wait)
				}
			})
		}
	}
}
