package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// A rejected call is sent again, the same, before those that asked later; who asked never learns of it.
func TestRejectedCallsAreSentAgainFirst(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 529} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var mu sync.Mutex
			var log []string
			second := make(chan struct{})
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				data, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				log = append(log, r.Header.Get("X-Claude-Code-Session-Id")+" "+string(data))
				n := len(log)
				mu.Unlock()
				if n == 1 {
					<-second // until the second stands in line
					w.Header().Set("Retry-After", "1")
					w.WriteHeader(status)
				}
			}, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
			var wg sync.WaitGroup
			ask := func(session string) {
				wg.Go(func() {
					if status, _, err := s.do(s.call(s.gateway.URL(), session, `{"of":"`+session+`"}`)); status != 200 || err != nil {
						t.Errorf("%s: %d, %v; want 200", session, status, err)
					}
				})
			}
			ask("first")
			s.settles(1, 0)
			ask("second")
			s.settles(1, 1)
			close(second)
			wg.Wait()
			got := strings.Join(log, "\n")
			if want := "first {\"of\":\"first\"}\nfirst {\"of\":\"first\"}\nsecond {\"of\":\"second\"}"; got != want {
				t.Errorf("the server gets\n%s\nwant\n%s", got, want)
			}
			s.settles(0, 0)
		})
	}
}

// However late the answer, a call counts from when it was sent: five calls, each of which the server has had for 0.4 s
// when it answers.
func TestALateAnswerIsNoLateCall(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var came []time.Time
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		came = append(came, time.Now())
		mu.Unlock()
		time.Sleep(400 * time.Millisecond)
	})
	var late []time.Duration
	for i := range 5 {
		s.do(s.call(s.gateway.URL(), "a", `{}`))
		s.settles(0, 0)
		v, err := s.store.View()
		if err != nil {
			t.Fatal(err)
		}
		calls := v.State.Account(v.State.AccountID(key)).Calls
		late = append(late, calls[len(calls)-1].Sent.Sub(came[i]))
		v.Close()
	}
	slices.Sort(late)
	if len(late) != 5 || late[2].Abs() > 50*time.Millisecond {
		t.Errorf("calls count from %v after they came, want from when they were sent", late)
	}
}

// Headers that say that there is room are no reason to be rejected again and again: the log says so once.
func TestHeadersThatLie(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Anthropic-Ratelimit-Requests-Limit", "50")
		w.Header().Set("Anthropic-Ratelimit-Requests-Remaining", "42")
		if n := calls.Add(1); n == 2 || n == 4 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		}
	})
	for range 3 {
		if status, _, err := s.do(s.call(s.gateway.URL(), "a", `{}`)); status != 200 || err != nil {
			t.Errorf("%d, %v; want 200", status, err)
		}
	}
	s.settles(0, 0)
	log, err := os.ReadFile(filepath.Join(s.store.Dir(), "log"))
	const want = "a call was rejected though the headers say that 42 of 50 requests a minute remain"
	if n := strings.Count(string(log), want); n != 1 || err != nil {
		t.Errorf("the log says %d times %q, want once:\n%s%v", n, want, log, err)
	}
}

// The server's wait is everybody's: nothing is sent before it is over.
func TestTheWaitIsShared(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var times []time.Time
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		times = append(times, time.Now())
		n := len(times)
		mu.Unlock()
		if n == 1 {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(429)
		}
	})
	other, err := Start(s.config)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var wg sync.WaitGroup
	wg.Go(func() { s.do(s.call(s.gateway.URL(), "first", `{}`)) })
	s.settles(0, 1) // rejected, and in line again
	wg.Go(func() { s.do(s.call(other.URL(), "second", `{}`)) })
	wg.Wait()
	if len(times) != 3 {
		t.Fatalf("%d calls, want 3", len(times))
	}
	for i, at := range times[1:] {
		if d := at.Sub(times[0]); d < 1900*time.Millisecond { // it is counted from when the answer came
			t.Errorf("call %d comes after %v, want 2 s", i+2, d)
		}
	}
}

// What waiting does not lift, or not soon enough, Claude Code is told at once, as the server said it.
func TestSomeRejectionsArePassedOn(t *testing.T) {
	t.Parallel()
	const body = `{"type":"error","error":{"type":"rate_limit_error","message":"Limited."}}`
	for name, c := range map[string]struct {
		header http.Header
		body   string
		hold   time.Duration
		status int
		cools  bool // the others wait as well
	}{
		"longer than Claude Code waits":  {header: http.Header{"Retry-After": {"290"}}, body: body, cools: true},
		"longer than the hold":           {header: http.Header{"Retry-After": {"3"}}, body: body, hold: 2 * time.Second, cools: true},
		"longer than any rate limit":     {header: http.Header{"Retry-After": {"3600"}}, body: body},
		"the server does not want it":    {header: http.Header{"Retry-After": {"1"}, "X-Should-Retry": {"false"}}, body: body, cools: true},
		"a spend limit by its code":      {body: `{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"enforced_spend_limit_reached"}}}`},
		"a spend limit by its words":     {body: `{"type":"error","error":{"type":"rate_limit_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01."}}`},
		"a usage limit":                  {header: http.Header{"Retry-After": {"9000"}, "Anthropic-Ratelimit-Unified-Status": {"rejected"}, "Anthropic-Ratelimit-Unified-Reset": {fmt.Sprint(time.Now().Add(9000 * time.Second).Unix())}}, body: body},
		"a usage limit, only its reset":  {header: http.Header{"Anthropic-Ratelimit-Unified-Status": {"rejected"}, "Anthropic-Ratelimit-Unified-Reset": {fmt.Sprint(time.Now().Add(9000 * time.Second).Unix())}}, body: body},
		"overloaded, not to be repeated": {header: http.Header{"X-Should-Retry": {"false"}}, body: body, status: 529},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			status := c.status
			if status == 0 {
				status = 429
			}
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(status)
				io.WriteString(w, c.body)
			}, func(g *Config) { g.Hold = c.hold })
			got, said, err := s.do(s.call(s.gateway.URL(), "a", `{}`))
			if got != status || said != c.body || err != nil || calls.Load() != 1 {
				t.Errorf("%d calls end with %d %q, %v; want one, %d %q", calls.Load(), got, said, err, status, c.body)
			}
			s.settles(0, 0)
			v, err := s.store.View()
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			if until := v.State.Account(v.State.AccountID(key)).CoolsUntil(time.Now(), "any"); until.IsZero() == c.cools {
				t.Errorf("the others wait until %v, want that they wait: %v", until, c.cools)
			}
		})
	}
}

// A server that rejects on and on: Claude Code gets the real answer before it would give up waiting.
func TestHoldingEnds(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", fmt.Sprint(calls.Add(1)))
		w.WriteHeader(429)
		io.WriteString(w, "limited")
	}, func(c *Config) { c.Hold = 5 * time.Second })
	resp, err := s.client.Do(s.call(s.gateway.URL(), "a", `{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 429 || string(data) != "limited" || err != nil || resp.Header.Get("Request-Id") != fmt.Sprint(calls.Load()) || calls.Load() < 2 {
		t.Errorf("after %d calls: %s %q of %s, %v", calls.Load(), resp.Status, data, resp.Header.Get("Request-Id"), err)
	}
	s.settles(0, 0)
}

// 1. A call is rejected for a second, and held back. 2. Another session's makes all wait longer. 3. The first can't be
// held that long: it is answered with its own rejection, and with the retry-after that fits now.
func TestWhatCantBeHeldIsToldHowLongToWait(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Request-Id", fmt.Sprint(calls.Add(1)))
		w.WriteHeader(429)
		io.WriteString(w, "limited")
	}, func(c *Config) { c.Hold = 3 * time.Second })
	answer := make(chan *http.Response)
	go func() {
		defer close(answer)
		resp, err := s.client.Do(s.call(s.gateway.URL(), "first", `{}`))
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		answer <- resp
	}()
	s.settles(0, 1)
	if _, err := s.store.Update(t.Context(), func(st *turn.State) error {
		st.Open(st.AccountID(key)).Limited(time.Now(), "any", time.Now().Add(time.Minute), "another's")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	resp := <-answer
	if resp == nil {
		return
	}
	if wait, err := strconv.Atoi(resp.Header.Get("Retry-After")); resp.StatusCode != 429 || resp.Header.Get("Request-Id") != fmt.Sprint(calls.Load()) || wait <= 3 || wait > 60 || err != nil {
		t.Errorf("%s %v after %d calls; want the last 429, and a wait of some 57 s", resp.Status, resp.Header, calls.Load())
	}
	s.settles(0, 0)
}

// A call whose turn does not come in time goes without one.
func TestALongLineEnds(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Claude-Code-Session-Id") == "first" {
			<-free
		}
	}, func(c *Config) { c.Rules, c.Hold = turn.Rules{Most: 1}, 300*time.Millisecond })
	done := make(chan struct{})
	go func() { defer close(done); s.do(s.call(s.gateway.URL(), "first", `{}`)) }()
	s.settles(1, 0)
	if status, _, err := s.do(s.call(s.gateway.URL(), "second", `{}`)); status != 200 {
		t.Errorf("the second: %d, %v", status, err)
	}
	close(free)
	<-done
	s.settles(0, 0)
}

// A state that can't be used is our trouble: calls and rejections pass as if we were not there.
func TestABrokenStateOpensTheGateway(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"newer": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"version":99}`), 0o600)
		},
		"no lock": func(dir string) error { return os.Mkdir(filepath.Join(dir, "lock"), 0o700) },
		"gone":    os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			var status, calls atomic.Int64
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(int(status.Load()))
			})
			if err := spoil(s.store.Dir()); err != nil {
				t.Fatal(err)
			}
			for _, want := range []int{429, 200} {
				status.Store(int64(want))
				if got, _, err := s.do(s.call(s.gateway.URL(), "a", `{}`)); got != want || err != nil {
					t.Errorf("%d, %v; want %d", got, err, want)
				}
			}
			if calls.Load() != 2 {
				t.Errorf("%d calls, want 2", calls.Load())
			}
		})
	}
}

// 1. One call has the turn, another waits. 2. Somebody writes garbage. 3. It is set aside at once, and nobody has the turn
// any more: the other gets it.
func TestGarbageSendsNoCallOutOfTheLine(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Claude-Code-Session-Id") == "first" {
			<-hold
		}
		w.WriteHeader(http.StatusOK)
	}, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
	defer close(hold)
	go s.do(s.call(s.gateway.URL(), "first", `{}`))
	s.settles(1, 0)
	answered := make(chan error, 1)
	go func() {
		_, _, err := s.do(s.call(s.gateway.URL(), "second", `{}`))
		answered <- err
	}()
	s.settles(1, 1)
	state := filepath.Join(s.store.Dir(), "state.json")
	if err := errors.Join(os.WriteFile(state+".new", []byte("garbage"), 0o600), os.Rename(state+".new", state)); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil { // the client is out of patience
		t.Fatal(err)
	}
	log, _ := os.ReadFile(filepath.Join(s.store.Dir(), "log"))
	if strings.Count(string(log), "\n") != 1 || !strings.Contains(string(log), "; set aside as state.corrupt-") {
		t.Errorf("the log says\n%s", log)
	}
}
