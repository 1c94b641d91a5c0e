package turn

import (
	"fmt"
	"math"
	"testing"
	"time"

	"afteryou/internal/limit"
)

func TestRejections(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules Rules
		run   func(s story)
	}{
		{"the first 429 sets the pace to what its wait says", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.rejected(.2, a, .1, 4, 1)
			if s.pace().Rate != .25 || s.pace().Level != 0 || !s.pace().Hot {
				s.Errorf("rate %g, level %g, hot %v, want 0.25, 0, true", s.pace().Rate, s.pace().Level, s.pace().Hot)
			}
		}},
		{"nobody starts while a retry is announced", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.ask(0, b, "e")
			s.rejected(.5, a, .1, 4, 1)
			s.admit(.5, 4.5) // the token first
			s.pace().Level = 1
			s.admit(.5, 4.1)
			if until := s.CoolsUntil(at(.5), ""); !until.Equal(at(4.1)) {
				s.Errorf("CoolsUntil = %v, want 4.1 s", until)
			}
			s.pace().Level = 1
			s.admit(4.1, 8.1) // the retry took the token
			s.Succeeded(at(4.5), a)
			s.admit(8.1, 0)
			s.holds("b/e")
		}},
		{"a token that lacks next to nothing is there, and nobody comes back at the same moment", Rules{}, func(s story) {
			for _, lack := range []float64{1e-12, 2e-9, 1e-6, 2e-6, 1e-3} {
				s.Account = NewState().Open("p")
				s.paced(0, 5)
				s.pace().Level = 1 - lack
				s.ask(0, a, "e")
				if next := s.Admit(at(0), everybody); !next.IsZero() && !next.After(at(0)) {
					s.Errorf("with %g lacking: come back at %v", lack, next)
				}
			}
		}},
		{"a row of an earlier call that comes late is no call of its own", Rules{}, func(s story) {
			s.ask(0, a, "e1")
			s.admit(0, 0)
			s.Succeeded(at(.2), a)
			s.ask(.3, a, "e2")
			s.admit(.3, 0)
			s.Sent(at(.4), a, at(.05))
			s.Sent(at(.5), a, at(.35))
			s.Sent(at(.6), a, at(.5))
			if got := len(s.sentTimes("")); got != 3 {
				s.Errorf("%d calls logged, want two with a turn and one without", got)
			}
		}},
		{"a row of an earlier call that was sent just before the next was let go is the earlier's", Rules{}, func(s story) {
			s.ask(0, a, "e1")
			s.admit(0, 0)
			s.Succeeded(at(.1), a)
			s.ask(.12, a, "e2")
			s.admit(.12, 0)
			s.Sent(at(.2), a, at(.1))
			s.Sent(at(.2), a, at(.14))
			if got := len(s.sentTimes("")); got != 2 {
				s.Errorf("%d calls logged, want 2", got)
			}
		}},
		{"a call let go before the cut and sent after it does not cut again", Rules{}, func(s story) {
			s.paced(0, .5)
			for _, k := range []Key{a, b} {
				s.pace().Level = 1
				s.ask(0, k, "e")
				s.admit(0, 0)
			}
			s.rejected(.1, a, .05, 2, 1)
			s.Sent(at(.3), b, at(.2))
			s.rejected(.4, b, .3, 2, 1)
			if s.pace().Rate != .5*.9 {
				s.Errorf("rate %g, want 0.45", s.pace().Rate)
			}
		}},
		{"a retry reported twice counts once", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.rejected(.5, a, .1, 4, 1)
			before := mustJSON(s.Account)
			s.rejected(.5, a, .1, 4, 1)
			if after := mustJSON(s.Account); after != before {
				s.Errorf("after the second report %s, want %s", after, before)
			}
			s.admit(5, 0)
			s.rejected(6, a, .1, 4, 1)
			if s.retries() > 0 {
				s.Errorf("retries %v, want none: it fired", s.retries())
			}
		}},
		{"a retry that nobody reported in time counts when it is", Rules{}, func(s story) {
			s.paced(0, .1)
			s.pace().Level = 1
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.rejected(20, a, .1, 4, 1)
			if s.retries() > 0 || len(s.sentTimes("")) != 1 || !s.sentTimes("")[0].Equal(at(4.1)) {
				s.Errorf("retries %v, log %v, want none, 4.1 s", s.retries(), s.sentTimes(""))
			}
		}},
		{"the retries of one call cut the pace once", Rules{}, func(s story) {
			s.paced(0, .1)
			s.pace().Level = 1
			s.ask(1, a, "e")
			s.admit(1, 0)
			s.rejected(1.5, a, 1.1, 2, 1)
			s.rejected(3.5, a, 3.2, 3, 2)
			s.rejected(6.5, a, 6.4, 4, 3)
			if math.Abs(s.pace().Rate-.09) > 1e-9 {
				s.Errorf("rate %g, want 0.09", s.pace().Rate)
			}
		}},
		{"calls sent before the cut do not cut again", Rules{}, func(s story) {
			s.paced(0, .5)
			for i, k := range []Key{a, b, c} {
				s.pace().Level = 1
				s.ask(float64(i)/10, k, "e")
				s.admit(float64(i)/10, 0)
			}
			for _, k := range []Key{a, b, c} {
				s.rejected(.5, k, .4, 2, 1)
			}
			if s.pace().Rate != .5*.9 {
				s.Errorf("rate %g, want 0.45", s.pace().Rate)
			}
		}},
		{"a cut never takes more than half", Rules{}, func(s story) {
			s.paced(0, 10)
			s.pace().Empty = []limit.Moment{{At: at(1)}}
			s.pace().Level = 1
			s.ask(20, a, "e")
			s.admit(20, 0)
			s.rejected(20.2, a, 20.1, 2, 1)
			if s.pace().Rate != 5 {
				s.Errorf("rate %g, want 5", s.pace().Rate)
			}
		}},
		{"a request row sets right when the call was sent", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.Sent(at(1), a, at(.4))
			s.Sent(at(1), a, at(.4))
			if len(s.sentTimes("")) != 1 || !s.sentTimes("")[0].Equal(at(.4)) {
				s.Errorf("log %v, want one call at 0.4 s", s.sentTimes(""))
			}
		}},
		{"a call that no gate preceded counts against the pace, once", Rules{}, func(s story) {
			s.paced(0, .1)
			s.pace().Level = .5
			for range 2 {
				s.Sent(at(1), c, at(.9))
			}
			s.ask(1, a, "e")
			s.admit(1, 15) // .5 + .1 - 1
			s.Sent(at(2), c, at(1.9))
			s.admit(2, 22) // never below -1
		}},
		{"a request row of a retry is that retry, early or late", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.rejected(.5, a, .1, 4, 1)
			s.Sent(at(4.08), a, at(4.07))
			if s.retries() > 0 || len(s.sentTimes("")) != 1 {
				s.Errorf("retries %v, log %v, want none, one call", s.retries(), s.sentTimes(""))
			}
			s.rejected(4.5, a, 4.09, 4, 2)
			s.Sent(at(8.5), a, at(8.2))
			if s.retries() > 0 || len(s.sentTimes("")) != 1 || !s.sentTimes("")[0].Equal(at(8.2)) {
				s.Errorf("retries %v, log %v, want none, 8.2 s", s.retries(), s.sentTimes(""))
			}
		}},
		{"at the gateway a rejected call goes back to the head of the line", Rules{}, func(s story) {
			s.pace().Window = 10
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 0)
			s.ask(0, c, "e")
			s.Rejected(at(.2), b, Rejection{In: 3 * time.Second, Limit: true})
			s.queue("b/e c/e")
			s.admit(.2, 3.2)
		}},
		{"where nothing tells of a rejection but the next try, calls after it are in doubt", Rules{}, func(s story) {
			mute := func(sec float64, k Key) {
				s.Ask(at(sec), Call{Key: k, Event: "e", Process: Process{PID: 1}, Waiter: Process{PID: 2}, News: ByNext})
			}
			s.pace().Window = 1
			mute(0, a)
			mute(0, b)
			mute(0, c)
			s.admit(0, 2.5) // 1 s without news proves nothing
			s.holds("a/e b/e")
			s.Sent(at(.1), b, at(.1))
			s.Retrying(at(1.2), a, Retry{Rejected: at(0), In: 1200 * time.Millisecond, Attempt: 1})
			s.pace().Level = 1
			s.admit(1.2, 2.1) // when b's next try would be known, had it been rejected
			s.Succeeded(at(1.5), b)
			s.pace().Level = 1
			s.admit(1.5, 0)
			s.holds("a/e c/e")
		}},
		{"only its answer raises the pace where nothing tells of a rejection", Rules{}, func(s story) {
			s.paced(0, .5)
			s.Ask(at(0), Call{Key: a, Event: "e", Process: Process{PID: 1}, Waiter: Process{PID: 2}, News: ByNext})
			s.admit(0, 2)
			s.admit(2, 0)
			s.sweep(30, everybody)
			if s.pace().Rate != .5 {
				s.Errorf("rate %g after a long silence, want 0.5", s.pace().Rate)
			}
			s.Succeeded(at(31), a)
			if s.pace().Rate <= .5 {
				s.Errorf("rate %g after the answer, want more", s.pace().Rate)
			}
		}},
		{"a limit of calls that is named is the pace", Rules{}, func(s story) {
			named := func(sec float64, k Key, when, most float64) {
				s.Retrying(at(sec), k, Retry{Rejected: at(when), In: seconds(1), Attempt: 1, Named: limit.Headers{Requests: limit.Resource{Limit: most}}})
			}
			s.pace().Window = 1
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 0)
			named(.2, a, .1, 30)
			if r := s.pace().Rate; r < .5 || r > .51 {
				s.Errorf("rate %g, want 30 a minute, and what calls lose on their way", r)
			}
			was := s.pace().Rate
			named(.3, b, .1, 30)
			if s.pace().Rate != was {
				s.Errorf("rate %g, cut from %g by a call of before", s.pace().Rate, was)
			}
			for range 60 - 1 {
				s.Calls = append(s.Calls, &Call{Key: c, Phase: Over, Sent: s.At, Trial: true, Paced: true})
				s.Succeeded(s.At, c)
			}
			if s.pace().Rate != was {
				s.Errorf("rate %g, want no more than what was named", s.pace().Rate)
			}
		}},
		{"a limit of tokens that is named holds until the call fits, and says nothing about the pace", Rules{}, func(s story) {
			s.made(-5, a, limit.Costs{Input: 1000})
			s.pace().Window = 5
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.ask(.2, b, "e")
			s.admit(.2, 0)
			s.Retrying(at(.4), b, Retry{Rejected: at(.3), In: seconds(1.25), Attempt: 1, Named: limit.Headers{Input: limit.Resource{Limit: 60000}}})
			if s.pace().Rate != 0 {
				s.Errorf("a pace of %g was learned", s.pace().Rate)
			}
			s.ask(.4, c, "e")
			s.admit(.4, 2.399) // the server lacked 1000 of b's 1000; c takes as many
			s.Succeeded(at(1.7), b)
			s.Used(at(1.8), b, at(1.7), limit.Costs{Input: 400}) // less than was thought
			s.admit(1.8, 0)
			s.holds("a/e c/e")
		}},
		{"a call that may never fit holds nobody back", Rules{}, func(s story) {
			s.made(-5, a, limit.Costs{Input: 1000})
			s.ask(0, a, "e")
			s.admit(0, 0)
			named := limit.Headers{Input: limit.Resource{Limit: 60000}}
			for n := 1; n <= large; n++ {
				s.Retrying(at(float64(60*n)), a, Retry{Rejected: at(float64(60 * n)), In: time.Minute, Attempt: n, Named: named})
				s.ask(float64(60*n), b, fmt.Sprint(n))
				next := s.Admit(at(float64(60*n)), everybody)
				if held := next.After(at(float64(60*n + 10))); held != (n < large) {
					s.Errorf("after %d rejections: come back at %v", n, next.Sub(simEpoch))
				}
			}
		}},
		{"a limit of tokens that is named is of no use where nobody knows what calls take", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.Retrying(at(.2), a, Retry{Rejected: at(.1), In: seconds(4), Attempt: 1, Named: limit.Headers{Input: limit.Resource{Limit: 60000}}})
			if s.pace().Rate != .25 || s.class("").Tokens.Input.Rate != 0 {
				s.Errorf("rate %g, tokens %+v, want what the wait says and nothing", s.pace().Rate, s.class("").Tokens)
			}
		}},
	} {
		tell(t, test.name, test.rules, test.run)
	}
}

// Where nobody says how long to wait, two rejections tell the pace: between them the server let through what it let through.
func TestNobodySaysHowLong(t *testing.T) {
	tell(t, "a pace from two rejections", Rules{}, func(s story) {
		rejected := func(sec float64, k Key) {
			s.askFromGateway(sec, k)
			s.admit(sec, 0)
			s.Rejected(at(sec+.1), k, Rejection{Limit: true})
			s.Withdraw(at(sec+.1), k, "e")
		}
		s.pace().Taken = singles + 1
		s.askFromGateway(0, a)
		s.admit(0, 0)
		rejected(0, b)
		first := s.pace().Rate
		if first > 1 || first < .5 {
			s.Errorf("after the first rejection the pace is %g", first)
		}
		for i := range 4 {
			sec := 2 + 2*float64(i)
			s.Succeeded(at(sec), a)
			s.askFromGateway(sec, a)
			s.admit(sec, 0)
		}
		s.pace().Level = 1
		rejected(9, b)
		if got := s.pace().Rate; got < 4/9. || got > 5/9. {
			s.Errorf("4 calls in 9 s between two rejections, and the pace is %.3f", got)
		}
	})
}
