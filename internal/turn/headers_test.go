package turn

import (
	"math"
	"testing"
	"time"

	"afteryou/internal/limit"
)

func TestHeaders(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules Rules
		run   func(s story)
	}{
		{"a late answer does not take the level away that came in meanwhile", Rules{}, func(s story) {
			requests := limit.Headers{Requests: limit.Resource{Limit: 60, Remaining: 0}}
			s.paced(0, 1)
			s.pace().Limit, s.pace().Level = 1, 1
			s.askFromGateway(0, a)
			s.admit(0, 0)
			s.Sent(at(0), a, at(0))
			s.askFromGateway(1.1, b)
			s.admit(1.1, 0)
			s.Sent(at(1.1), b, at(1.1))
			level := s.pace().Level
			s.Headers(at(1.5), a, requests) // it may have been counted now, with the other call in it
			if got, want := s.pace().Level, level+.4; math.Abs(got-want) > 1e-6 {
				s.Errorf("level %g, want %g", got, want)
			}
		}},
		{"a rejection before the limit was known says nothing about the pace at it", Rules{}, func(s story) {
			s.pace().Taken = singles + 1
			s.askFromGateway(0, a)
			s.askFromGateway(0, b)
			s.admit(0, 0)
			s.Rejected(at(.1), b, Rejection{In: 2 * time.Second, Limit: true, Headers: limit.Headers{Requests: limit.Resource{Limit: 30, Remaining: 0}}})
			if s.pace().Rate != .5 {
				s.Errorf("rate %g, want .5, as the headers say", s.pace().Rate)
			}
		}},
		{"what remains by a rejection's headers may have come in since its call came", Rules{}, func(s story) {
			s.pace().Limit, s.pace().Rate = .5, .5
			s.askFromGateway(0, a)
			s.admit(0, 0)
			if s.Rejected(at(.3), a, Rejection{In: time.Second, Limit: true, Headers: limit.Headers{Requests: limit.Resource{Limit: 30, Remaining: 1}}}) || s.pace().Limit != .5 {
				s.Error("the headers are not believed any more")
			}
		}},
		{"headers that a rejection contradicts are not believed for a while", Rules{}, func(s story) {
			lie := limit.Headers{Requests: limit.Resource{Limit: 50, Remaining: 42}}
			call := func(sec float64, in int) (first bool) {
				s.askFromGateway(sec, a)
				s.pace().Level = 1
				s.admit(sec, 0)
				s.Sent(at(sec), a, at(sec))
				if in > 0 {
					first = s.Rejected(at(sec+.1), a, Rejection{In: seconds(float64(in)), Limit: true, Headers: lie})
					s.Withdraw(s.At, a, "e")
					s.class("").CoolDown = CoolDown{}
					return first
				}
				s.Headers(at(sec+.1), a, lie)
				s.Accepted(at(sec+.1), a)
				s.Succeeded(at(sec+.2), a)
				return false
			}
			call(0, 0)
			if !call(1, 2) {
				s.Error("the first contradiction is not told")
			}
			if s.pace().Rate != .5 || s.pace().Level > 1e-6 {
				s.Errorf("rate %g, level %g; want those of the rejection, .5 and 0", s.pace().Rate, s.pace().Level)
			}
			for i := range 20 {
				if call(float64(10+3*i), 0); s.pace().Level > .2 && s.pace().Distrust > 0 {
					s.Fatalf("after call %d the headers raise the level to %g", i, s.pace().Level)
				}
			}
			if call(200, 0); s.pace().Level != 1 {
				s.Errorf("level %g after %d calls, want 1: the headers are believed again", s.pace().Level, 20)
			}
			rate := s.pace().Rate
			if call(210, 2) {
				s.Error("the second contradiction is told again")
			}
			if s.pace().Rate != rate || s.pace().Distrust <= 20 {
				s.Errorf("rate %g, %d calls until the headers are believed; want %g, and more than before", s.pace().Rate, s.pace().Distrust, rate)
			}
		}},
		{"a rejection without headers contradicts those that said there was room", Rules{}, func(s story) {
			s.askFromGateway(0, a)
			s.admit(0, 0)
			s.Headers(at(1), a, limit.Headers{Requests: limit.Resource{Limit: 50, Remaining: 42}})
			s.Succeeded(at(1), a)
			s.askFromGateway(2, a)
			s.admit(2, 0)
			rate := s.pace().Rate
			defer func() {
				if s.pace().Rate > rate {
					s.Errorf("the rejection raises the pace from %g to %g", rate, s.pace().Rate)
				}
			}()
			if !s.Rejected(at(2.1), a, Rejection{In: time.Second, Limit: true}) {
				s.Error("it does not")
			}
		}},
		{"an overloaded server contradicts nothing", Rules{}, func(s story) {
			s.askFromGateway(0, a)
			s.admit(0, 0)
			if s.Rejected(at(.1), a, Rejection{Headers: limit.Headers{Requests: limit.Resource{Limit: 50, Remaining: 42}}}) {
				s.Error("it does")
			}
		}},
		{"headers prove how much is left at least, and how fast it comes in", Rules{}, func(s story) {
			requests := func(most, remaining float64) limit.Headers {
				return limit.Headers{Requests: limit.Resource{Limit: most, Remaining: remaining}}
			}
			s.Headers(at(0), a, requests(60, 40))
			if s.pace().Rate != 1 {
				s.Errorf("rate %g, want 1", s.pace().Rate)
			}
			if s.pace().Level != 1 {
				s.Errorf("level %g, want 1 of the 40", s.pace().Level)
			}
			s.Headers(at(1), a, requests(60, 0))
			if s.pace().Level != 1 {
				s.Errorf("level %g, want 1: that less than one was left at some moment proves nothing", s.pace().Level)
			}
			s.Headers(at(2), a, requests(20, 0))
			if s.pace().Rate < .333 || s.pace().Rate > .334 {
				s.Errorf("rate %g after a cut to a third, want 1/3", s.pace().Rate)
			}
			s.Headers(at(3), a, limit.Headers{})
		}},
	} {
		tell(t, test.name, test.rules, test.run)
	}
}
