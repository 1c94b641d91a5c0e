package gateway

import (
	"net/http"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// A call waits for a cool-down of 3 seconds, and the clock is put by hours meanwhile. As far as the gateway can tell, that
// is as if all that was written down were put the other way.
func TestCallsOutliveAClockThatIsPut(t *testing.T) {
	t.Parallel()
	const wait = 3 * time.Second
	for name, by := range map[string]time.Duration{"back": -3 * time.Hour, "forward": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
			change := func(f func(a *turn.Account)) {
				v, err := s.store.Update(t.Context(), func(state *turn.State) error {
					f(state.Open(state.AccountID(key)))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				v.Close()
			}
			begin := time.Now()
			change(func(a *turn.Account) { a.Limited(begin, "any", begin.Add(wait), "a test") })
			answered := make(chan error, 1)
			go func() {
				_, _, err := s.do(s.call(s.gateway.URL(), "s", `{}`))
				answered <- err
			}()
			s.settles(0, 1)
			change(func(a *turn.Account) {
				l, c := a.Class("any"), a.Waiting()[0]
				for _, at := range []*time.Time{&a.At, &l.CoolDown.Until, &c.Asked, &c.Seen, &l.Pace.At} {
					if !at.IsZero() {
						*at = at.Add(-by)
					}
				}
			})
			if err := <-answered; err != nil { // the client is out of patience
				t.Fatal(err)
			}
			if took := time.Since(begin); by < 0 && took < wait-10*time.Millisecond {
				t.Errorf("answered after %v, want not before %v", took, wait)
			}
		})
	}
}
