package turn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/limit"
)

// An account that nobody uses is kept for what its limit was, and of many the latest used.
func TestMemoriesAreBounded(t *testing.T) {
	s := NewState()
	const accounts = mostRemembered + 20
	for i := range accounts {
		a, k := s.Open(fmt.Sprintf("%012x", i)), Key{Session: fmt.Sprint("s", i), Class: "opus-5"}
		now := at(float64(i))
		a.Ask(now, Call{Key: k, Event: "e"})
		a.Admit(now, everybody)
		a.Headers(now, k, limit.Headers{Requests: limit.Resource{Limit: 60, Remaining: 1}})
		a.Succeeded(now, k)
	}
	s.Forget(at(60), everybody)
	if len(s.Accounts) != accounts {
		t.Fatalf("%d accounts while they are used, want %d", len(s.Accounts), accounts)
	}
	s.Forget(at(3600), everybody)
	s.Forget(at(86400), everybody)
	if len(s.Accounts) != mostRemembered || s.Accounts[fmt.Sprintf("%012x", accounts-1)] == nil {
		t.Errorf("%d accounts a day later, the last used among them: %v; want %d", len(s.Accounts), s.Accounts[fmt.Sprintf("%012x", accounts-1)] != nil, mostRemembered)
	}
	for _, a := range s.Accounts {
		if p := a.Class("opus-5").Pace; p.Rate != 1 || p.Source() != limit.ByHeaders || !a.Dormant(at(86400), "opus-5") {
			t.Fatalf("a day later the pace is %+v", p)
		}
	}
	data, err := s.Encode()
	if err != nil || len(data) > 700*mostRemembered {
		t.Errorf("%d bytes of memories, %v; want at most 700 each", len(data), err)
	}
	s.Forget(at(86400*31), everybody)
	if len(s.Accounts) != 0 {
		t.Errorf("%d accounts a month later", len(s.Accounts))
	}
}

// Who has no limit yet is forgotten as before.
func TestWhatMetNoLimitIsForgotten(t *testing.T) {
	s := NewState()
	a := s.Open("p")
	a.Sent(at(0), Key{Session: "a"}, at(0))
	a.Succeeded(at(1), Key{Session: "a"})
	s.Forget(at(700), everybody)
	s.Forget(at(1400), everybody)
	if len(s.Accounts) != 0 {
		t.Errorf("%s", mustJSON(s))
	}
}

func TestMemory(t *testing.T) {
	told := func(s story, sec, perMinute, left float64) {
		s.Headers(at(sec), a, limit.Headers{Requests: limit.Resource{Limit: perMinute, Remaining: left}})
	}
	for _, test := range []struct {
		name string
		run  func(s story)
	}{
		{"headers of the new day are believed at once", func(s story) {
			s.askFromGateway(0, a)
			s.admit(0, 0)
			told(s, 1, 30, 0)
			s.Succeeded(at(2), a)
			s.sweep(90000, everybody)
			s.askFromGateway(90000, a)
			s.admit(90000, 0)
			if s.pace().Rate != .5 {
				s.Errorf("the day begins with %g a second, want 0.5", s.pace().Rate)
			}
			told(s, 90001, 15, 0)
			if p := s.pace(); p.Rate != .25 || p.Level > .26 {
				s.Errorf("after an answer it is %g, %g left; want 0.25, and what came in at that", p.Rate, p.Level)
			}
			told(s, 90002, 120, 1)
			if s.pace().Rate != 2 {
				s.Errorf("after another it is %g, want 2", s.pace().Rate)
			}
		}},
		{"the first rejection of the new day tells what the limit is by now", func(s story) {
			s.paced(0, .5)
			s.sweep(90000, everybody)
			s.pace().Rate = .5
			s.askFromGateway(90000, a)
			s.admit(90000, 0)
			s.Sent(at(90000), a, at(90000))
			s.Succeeded(at(90001), a)
			s.askFromGateway(90001, b)
			s.admit(90001, 90002.01)
			s.admit(90002.01, 0)
			s.Rejected(at(90002), b, Rejection{In: 2 * time.Second, Limit: true})
			if r := 60 * s.pace().Rate; r < 14.9 || r > 15.1 {
				s.Errorf("the pace is %.2f a minute, want 15: one call was accepted, and the next fits 3 to 4 s later", r)
			}
		}},
		{"a limit that was raised is found by calls that had to wait", func(s story) {
			s.paced(0, .5)
			s.sweep(90000, everybody)
			now, n := 90000., 0
			for ; s.pace().Rate < 1 && now < 90060; n++ {
				k := Key{Session: fmt.Sprint("s", n)}
				s.askFromGateway(now, k)
				for !s.Granted(k, "e") {
					now += .05
					s.Admit(at(now), everybody)
				}
				s.Accepted(at(now+.3), k)
				s.Succeeded(at(now+.3), k)
			}
			if s.pace().Rate < 1 {
				s.Errorf("after %d calls in a minute the pace is %g", n, s.pace().Rate)
			}
		}},
		{"one asks what the limit is, once a minute", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			if s.Wonders(at(0), "") {
				s.Error("asked before any rejection")
			}
			s.rejected(1, a, 1, 5, 1)
			if !s.Wonders(at(2), "") || s.Wonders(at(3), "") {
				s.Error("not asked once")
			}
			s.ask(69, b, "e")
			s.admit(69, 0)
			s.rejected(70, b, 70, 5, 1)
			if !s.Wonders(at(71), "") {
				s.Error("not asked again a minute later")
			}
			s.Told(at(72), "", limit.Headers{Requests: limit.Resource{Limit: 120}}, false)
			if p := s.pace(); p.Limit != 2 || p.Source() != limit.ByMessage {
				s.Errorf("the answer was 120 a minute, the pace is %+v", *p)
			}
			s.rejected(140, c, 140, 5, 1)
			if s.Wonders(at(141), "") {
				s.Error("asked although it is known")
			}
		}},
	} {
		tell(t, test.name, Rules{}, test.run)
	}
}

// Nothing but what a limit was is kept of an account that nobody uses.
func TestAMemoryTellsOfNobody(t *testing.T) {
	s := NewState()
	a := s.Open(s.AccountID("sk-ant-secret"))
	s.Sessions = map[string]*Session{"session": {Process: Process{PID: 1}, Dir: "/home/me", Transcript: "/home/me/t"}}
	k := Key{Session: "session", Class: "opus-5"}
	a.Ask(at(0), Call{Key: k, Event: "e", Process: Process{PID: 1}})
	a.Admit(at(0), everybody)
	a.Headers(at(1), k, limit.Headers{Requests: limit.Resource{Limit: 60, Remaining: 1}})
	s.Forget(at(2), all(1))
	s.Forget(at(90000), all(1))
	data := mustJSON(s)
	if found := slices.DeleteFunc([]string{"session", "/home", "secret"}, func(word string) bool { return !strings.Contains(data, word) }); len(found) > 0 || !strings.Contains(data, `"rate":1`) {
		t.Errorf("%q in %s", found, data)
	}
}
