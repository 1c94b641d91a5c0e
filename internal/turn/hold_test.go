package turn

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"afteryou/internal/limit"
)

// Each reason for which a call may not go, and until when it holds.
func TestHeld(t *testing.T) {
	named := limit.Headers{Input: limit.Resource{Limit: 60000}}
	for _, test := range []struct {
		why   Reason
		rules Rules
		run   func(s story) // up to when b waits
		at    float64
		until float64
	}{
		{OneAtATime, strict, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 120)
		}, 1, 120},
		{OwnGap, Rules{Gap: 4 * time.Second}, func(s story) {
			s.ask(0, b, "e1")
			s.admit(0, 0)
			s.Sent(at(.1), b, at(.1))
			s.Succeeded(at(1), b)
			s.ask(1, b, "e2")
		}, 1, 4.1},
		{OverBudget, Rules{Budget: Budget{Calls: 1}}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.Sent(at(.1), a, at(.1))
			s.Succeeded(at(1), a)
			s.ask(1, b, "e")
		}, 1, 61.01},
		{WakingOther, Rules{}, func(s story) {
			s.pace().Window = 5
			s.ask(0, a, WakeEvent)
			s.ask(0, b, WakeEvent)
			s.admit(0, 15)
		}, 1, 15},
		{TooLarge, Rules{}, func(s story) {
			s.askFromGateway(0, b)
			for n := range large {
				s.lacksTokens(float64(40*n), b)
			}
		}, 121, 160},
		{Cooling, Rules{}, func(s story) {
			s.Limited(at(0), "", at(90), "x")
			s.ask(1, b, "e")
		}, 1, 90},
		{Announced, Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.ask(1, b, "e")
			s.rejected(1, a, .5, 40, 1)
		}, 1, 40.5},
		{OnTrial, Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 2)
		}, 1, 2},
		{Paced, Rules{}, func(s story) {
			s.paced(0, .1)
			s.ask(0, b, "e")
		}, 1, 10},
		{LackTokens, Rules{}, func(s story) {
			s.made(-5, b, limit.Costs{Input: 1000})
			s.pace().Window = 5
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.Retrying(at(.2), a, Retry{Rejected: at(.1), In: seconds(1.25), Attempt: 1, Named: named})
			s.ask(.2, b, "e")
		}, .2, 2.199},
	} {
		tell(t, string(test.why), test.rules, func(s story) {
			test.run(s)
			h, ok := s.Held(at(test.at), b)
			if !ok || h.Why != test.why || !ceil(h.Until).Equal(at(test.until)) {
				s.Errorf("held until %g s, %v, for %q; want until %g s, for %q", h.Until.Sub(simEpoch).Seconds(), ok, h.Why, test.until, test.why)
			}
			if h, ok := s.Held(at(test.until+1), b); ok && h.Why == test.why && test.why != OneAtATime {
				s.Errorf("held after %g s until %v", test.until, h.Until.Sub(simEpoch))
			}
		})
	}
}

// lacksTokens lets the gateway's call go, which is rejected for want of tokens and told to wait 40 s.
func (s story) lacksTokens(sec float64, k Key) {
	s.Helper()
	if s.Admit(at(sec), everybody); !s.Granted(k, "e") {
		s.Fatalf("%v has no turn at %g s", k, sec)
	}
	s.Sent(at(sec), k, at(sec))
	s.Rejected(at(sec), k, Rejection{In: 40 * time.Second, Limit: true, Headers: limit.Headers{Input: limit.Resource{Limit: 60000, Remaining: 1234}}})
}

// A call at the gateway that lacks tokens again and again may be larger than the limit. It holds the others three times; after
// that they go, and it is tried at its own times all the same.
func TestACallThatMayNeverFitHoldsNobodyAtTheGateway(t *testing.T) {
	s := story{t, NewState().Open("p"), Rules{}}
	s.made(-5, b, limit.Costs{Input: 1000})
	s.askFromGateway(0, a)
	for n := 1; n <= 10; n++ {
		rejected := float64(40 * (n - 1))
		s.lacksTokens(rejected, a)
		for sec := rejected + 1; sec < rejected+40; sec += 5 {
			s.askFromGateway(sec, b)
			s.Admit(at(sec), everybody)
			if held := !s.Holds(b); held != (n < large) {
				s.Errorf("%g s after %d rejections: another is held %v", sec-rejected, n, held)
			}
			if s.Holds(a) {
				s.Fatalf("%g s after %d rejections, told to wait 40 s, it is tried again", sec-rejected, n)
			}
			if s.Holds(b) {
				s.Accepted(at(sec+.2), b)
				s.Succeeded(at(sec+1), b)
			}
		}
		if s.Holds(b) || s.Waits(b) && n >= large {
			s.Errorf("after %d rejections the other still waits", n)
		}
		s.Withdraw(at(rejected+39.5), b, "e")
	}
}

// Three sessions that make one call at a time never make two, whoever else asks, lets others go, and has no such rule.
func TestRulesTravelWithTheCall(t *testing.T) {
	s := story{t, NewState().Open("p"), Rules{}}
	s.pace().Window = 16 - 1
	free := Key{Session: "free"}
	var went []string
	for step := range 400 {
		sec := float64(step) / 2
		for i, k := range []Key{a, b, c} {
			switch {
			case s.Holds(k) && step%7 == i:
				s.Succeeded(at(sec), k)
				went = append(went, k.Session)
			case !s.Holds(k) && !s.Waits(k):
				s.Ask(at(sec), Call{Key: k, Event: fmt.Sprint(step), Rules: strict})
			}
			if !s.Waits(free) { // its call of before was interrupted
				s.Ask(at(sec), Call{Key: free, Event: fmt.Sprint(step)})
			}
			s.Admit(at(sec), everybody)
			if n := len(s.Turns("")); n > 2 || n == 2 && !s.Holds(free) {
				s.Fatalf("at %g s turns of %s", sec, names(s.Turns("")))
			}
		}
	}
	for _, k := range []Key{a, b, c} {
		if n := len(slices.DeleteFunc(slices.Clone(went), func(s string) bool { return s != k.Session })); n < 10 {
			s.Errorf("%v made %d calls in 200 s", k, n)
		}
	}
}
