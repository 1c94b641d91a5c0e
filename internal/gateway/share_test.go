package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// Sessions whose calls are of very different sizes, each behind a gateway of its own, share a limit of tokens: each
// call is let go when what it will take is there, as its session's last ones told, and next to none is rejected.
func TestTokensAreSharedByWhatCallsTake(t *testing.T) {
	t.Parallel()
	const sessions, calls, perMinute, burst = 5, 6, 240000, 4000
	cost := func(r fakeapi.Request) fakeapi.Usage {
		return fakeapi.Usage{Input: 400 * int(1+r.Session[0]-'0'), CacheRead: 50000, Output: 20} // 400 to 2000
	}
	api, err := fakeapi.Start(fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 1000, Burst: 50}, Input: fakeapi.Limit{PerMinute: perMinute, Burst: burst}},
		Cost:   cost,
		Answer: fakeapi.Slow(200*time.Millisecond, func(r fakeapi.Request) fakeapi.Answer { return fakeapi.Answer{Usage: cost(r)} }),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	store, err := lockfile.Open(t.TempDir() + "/afteryou")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	tokens := 0
	for i := range sessions {
		tokens += calls * 400 * (i + 1)
		g, err := Start(Config{Upstream: api.URL(), Store: store, Pool: func(*http.Request) (string, string) { return "the limit", key }, Getenv: env()})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		wg.Go(func() {
			for range calls {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL()+"/v1/messages", strings.NewReader(`{"model":"claude-opus-4-6","stream":true,"messages":[{"role":"user","content":"x"}]}`))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("X-Claude-Code-Session-Id", fmt.Sprint(i))
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("session %d is told %s", i, resp.Status)
				}
			}
		})
	}
	wg.Wait()
	log := api.Log()
	took := log[len(log)-1].Arrived.Sub(log[0].Arrived).Seconds()
	ideal := float64(tokens-burst) / perMinute * 60
	t.Logf("%d rejections; %.1f s from the first call to the last, %.2f of the ideal", len(api.Rejections()), took, took/ideal)
	// The first of each session is an unknown quantity.
	if n := len(api.Rejections()); len(api.Answers()) != sessions*calls || n > 2*sessions {
		t.Errorf("%d answers and %d rejections, want %d and %d at most", len(api.Answers()), n, sessions*calls, 2*sessions)
	}
}

// 1. A call is held back for as long as it can be, and goes without a turn. 2. The session's next call gets one. 3. The end of
// the first takes no turn from the next.
func TestACallWithoutATurnTakesNoOthers(t *testing.T) {
	t.Parallel()
	arrived, calls, answers := make(chan struct{}, 3), atomic.Int32{}, []chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	s := newStand(t, func(w http.ResponseWriter, _ *http.Request) {
		answer := answers[calls.Add(1)-1]
		arrived <- struct{}{}
		<-answer
		w.WriteHeader(http.StatusOK)
	}, func(c *Config) { c.Hold = 300 * time.Millisecond })
	cools := func(until time.Time) {
		v, err := s.store.Update(t.Context(), func(state *turn.State) error {
			a := state.Open(state.AccountID(key))
			a.Limited(time.Now(), "any", until, "a test")
			a.Class("any").CoolDown.Until = until
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
	}
	cools(time.Now().Add(time.Minute))
	done := make(chan struct{}, 2)
	call := func(session string) {
		if status, _, err := s.do(s.call(s.gateway.URL(), session, `{}`)); status != 200 || err != nil {
			t.Errorf("%s: %d, %v", session, status, err)
		}
		done <- struct{}{}
	}
	go call("a")
	receive(t, arrived)
	cools(time.Now())
	go call("a")
	receive(t, arrived)
	s.settles(1, 0)
	close(answers[0])
	receive(t, done)
	go call("b") // what is told of the first is told before
	close(answers[2])
	receive(t, done)
	if held, _ := s.turns(); held == 0 {
		t.Error("the next call has lost its turn")
	}
	close(answers[1])
	receive(t, done)
	s.settles(0, 0)
}
