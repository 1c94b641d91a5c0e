package gateway

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

// Of -p a call that would go into the reserve is answered with the wait until the reset, once it was held for as long as may be; it
// is not sent. A person's is.
func TestTheReserveIsNotSent(t *testing.T) {
	t.Parallel()
	for print, want := range map[bool]int{true: http.StatusTooManyRequests, false: http.StatusOK} {
		calls := 0
		resets := time.Now().Add(time.Hour)
		s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			w.Header().Set("anthropic-ratelimit-unified-5h-utilization", "0.85")
			w.Header().Set("anthropic-ratelimit-unified-5h-reset", strconv.FormatInt(resets.Unix(), 10))
		}, func(c *Config) { c.Rules.Reserve, c.Print, c.Hold = .2, print, time.Second })
		for i, want := range []int{http.StatusOK, want} {
			status, _, err := s.do(s.call(s.gateway.URL(), "a", `{"model":"claude-opus-5"}`))
			if err != nil || status != want {
				t.Errorf("with -p %t call %d is answered %d, %v; want %d", print, i, status, err, want)
			}
			s.settles(0, 0)
		}
		if sent := map[bool]int{true: 1, false: 2}[print]; calls != sent {
			t.Errorf("with -p %t the server gets %d calls, want %d", print, calls, sent)
		}
	}
}
