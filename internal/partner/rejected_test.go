package partner

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/turn"
)

// after is what a rejection says of when to come again.
func after(seconds int) map[string]string {
	return map[string]string{"retry-after": strconv.Itoa(seconds)}
}

// headersOf are those of an answer, as the module sees them.
func headersOf(a fakeapi.Answer) map[string]string {
	all := map[string]string{}
	for name, values := range a.Header {
		all[strings.ToLower(name)] = values[0]
	}
	return all
}

// What is rejected for a limit is sent again, before those who came later, and when the server said; all others wait for it too.
func TestRejectedRequestsAreSentAgainFirst(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 529} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			s := newStand(t, oneByOne)
			first, second := request("1", "a"), request("2", "b")
			s.asks("ask", first)
			waits := s.asking("ask", second)
			s.settles(1, 1)
			begun := time.Now()
			if v := s.answered(first, status, after(1)); v != "again" {
				t.Fatalf("verdict %q, want again", v)
			}
			other := s.asking("ask", request("3", "c"))
			s.asks("ask", first)
			if took := time.Since(begun); took < 900*time.Millisecond {
				t.Errorf("it is sent again after %v, want 1s", took)
			}
			select {
			case <-waits:
				t.Error("who came later goes with it")
			case <-other:
				t.Error("who came last goes with it")
			default:
			}
			s.answered(first, 200, nil)
			s.tell("used", words{"session": "a"})
			s.goes(waits)
		})
	}
}

// Without a word of when to come again it may be money that ran out, which Claude Code reads in the body; no cloud says when.
func TestARejectionWithoutATime(t *testing.T) {
	t.Parallel()
	for cloud, want := range map[bool]string{false: "pass", true: "again"} {
		s := newStand(t, oneByOne)
		of := request("1", "a").with(words{"cloud": cloud})
		s.asks("ask", of)
		if v := s.answered(of, 429, nil); v != want {
			t.Errorf("on a cloud %t: verdict %q, want %q", cloud, v, want)
		}
	}
}

// Headers tell the limit; a call that came with room is counted by them.
func TestHeadersNameTheLimit(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	of := request("1", "a")
	s.asks("ask", of)
	s.answered(of, 200, map[string]string{"anthropic-ratelimit-requests-limit": "30", "anthropic-ratelimit-requests-remaining": "0",
		"anthropic-ratelimit-requests-reset": time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339)})
	s.tell("used", words{"session": "a"})
	s.settles(0, 0)
	begun := time.Now()
	s.asks("ask", request("2", "b"))
	if took := time.Since(begun); took < time.Second {
		t.Errorf("the next goes after %v, want about 2s, of 30 a minute", took)
	}
}

// What waiting does not lift, and what is no limit, is Claude Code's at once, and nobody else waits.
func TestSomeAnswersArePassedOn(t *testing.T) {
	t.Parallel()
	spent := headersOf(fakeapi.SpendLimited())
	spent["x-should-retry"] = "false"
	for name, answer := range map[string]struct {
		status  int
		headers map[string]string
	}{
		"not understood": {400, nil}, "no key": {401, nil}, "too large": {413, nil}, "trouble of the server's own": {500, nil},
		"spent": {429, spent}, "not to be sent again": {429, map[string]string{"x-should-retry": "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, oneByOne, unattended)
			of := request("1", "a")
			s.asks("ask", of)
			if v := s.answered(of, answer.status, answer.headers); v != "pass" {
				t.Errorf("verdict %q, want pass", v)
			}
			s.settles(0, 0)
		})
	}
}

// A lost connection is tried again twice, not at once, and then is Claude Code's.
func TestLostConnectionsAreTriedAgain(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	of := request("1", "a")
	s.asks("ask", of)
	for _, least := range []time.Duration{500 * time.Millisecond, time.Second} {
		begun := time.Now()
		if v := s.answered(of, 0, nil); v != "again" {
			t.Fatalf("verdict %q, want again", v)
		}
		s.asks("ask", of)
		if took := time.Since(begun); took < least-50*time.Millisecond {
			t.Errorf("tried again after %v, want %v", took, least)
		}
	}
	if v := s.answered(of, 0, nil); v != "pass" {
		t.Errorf("the third time: verdict %q, want pass", v)
	}
	s.settles(0, 0)
}

// The person may stop a request while it waits to be tried again: it stands in line no more.
func TestALostConnectionMayBeStopped(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	of := request("1", "a")
	s.asks("ask", of)
	s.answered(of, 0, nil)
	s.tell("gone", words{"id": "1", "session": "a"})
	time.Sleep(time.Second) // longer than it would have waited
	settles(t, s.store, time.Second, 0, 0)
}

// A limit that lasts longer than Claude Code waits for an answer is handed on; the turn rests until it is over, and goes on then.
func TestWhatLastsLongerRests(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne, unattended)
	of := request("1", "a").with(words{"patience": 2, "dir": "/work", "gate": "module"})
	s.asks("ask", of)
	begun := time.Now()
	if v := s.answered(of, 429, after(3)); v != "later" {
		t.Fatalf("verdict %q, want later", v)
	}
	s.settles(0, 0)
	s.until("the state says what holds it", func() (stopped bool) {
		view(t, s.store, func(st *turn.State) { stopped = st.Sessions["a"] != nil && st.Sessions["a"].Stop.Why != "" })
		return stopped
	})
	s.asks("rest", words{"id": "2", "session": "a"})
	if took := time.Since(begun); took < 2900*time.Millisecond || took > 8*time.Second {
		t.Errorf("it rests for %v, want 3s", took)
	}
	s.asks("ask", request("3", "a"))
	s.answered(request("3", "a"), 200, nil)
	s.tell("used", words{"session": "a"})
	s.until("the state says that it goes on", func() (stopped bool) {
		view(t, s.store, func(st *turn.State) { stopped = st.Sessions["a"].Stop.Since.IsZero() })
		return stopped
	})
}

// A turn that was to rest and asks anew goes on: Claude Code tried again by itself, or the person stopped it and typed.
func TestATurnThatAsksAnewRestsNoMore(t *testing.T) {
	t.Parallel()
	s := newStand(t, unattended)
	of := request("1", "a").with(words{"patience": 2, "dir": "/work", "gate": "module"})
	s.asks("ask", of)
	if v := s.answered(of, 529, after(3)); v != "later" {
		t.Fatalf("verdict %q, want later", v)
	}
	s.asks("ask", request("2", "a"))
	s.answered(request("2", "a"), 200, nil)
	s.tell("used", words{"session": "a"})
	s.until("the state says that it goes on", func() (goes bool) {
		view(t, s.store, func(st *turn.State) { goes = st.Sessions["a"] != nil && st.Sessions["a"].Stop.Since.IsZero() })
		return goes
	})
	if a := s.tell("rest", words{"id": "3", "session": "a"}); !a.Go {
		t.Errorf("rest is told %+v, want to go", a)
	}
}

// A subscription's window: the person at a terminal has Claude Code's own menu; without one the turn rests, if the wait is not too long.
func TestAUsageWindow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		resets time.Duration
		with   func(*Config)
		want   string
	}{
		"on a terminal":             {time.Hour / 2, func(*Config) {}, "pass"},
		"without one":               {time.Hour / 2, unattended, "later"},
		"longer than is to be":      {3 * time.Hour, unattended, "pass"},
		"over before long, with -p": {30 * time.Second, unattended, "again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, c.with)
			of := request("1", "a")
			s.asks("ask", of)
			now := time.Now()
			if v := s.answered(of, http.StatusTooManyRequests, headersOf(fakeapi.UsageLimited(now.Add(c.resets), now))); v != c.want {
				t.Errorf("verdict %q, want %q", v, c.want)
			}
		})
	}
}

// A request of a kind that stands beside the turns is never made to rest: no step of a turn sends it again.
func TestSideRequestsDoNotRest(t *testing.T) {
	t.Parallel()
	s := newStand(t, unattended)
	of := request("1", "a").with(words{"kind": "check", "patience": 2})
	s.asks("ask", of)
	if v := s.answered(of, 429, after(30)); v != "pass" {
		t.Errorf("verdict %q, want pass", v)
	}
	s.settles(0, 0)
}

// Who waited as long as Claude Code bears goes without a turn, and what it is answered is Claude Code's.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	s.asks("ask", request("1", "a"))
	of := request("2", "b").with(words{"patience": 2})
	begun := time.Now()
	s.asks("ask", of)
	if took := time.Since(begun); took < 1500*time.Millisecond || took > 5*time.Second {
		t.Errorf("it waits for %v, want 90%% of 2s", took)
	}
	s.settles(1, 0)
	if v := s.answered(of, 429, after(1)); v == "again" {
		t.Error("it is sent again, though it has no turn")
	}
	s.settles(1, 0)
}
