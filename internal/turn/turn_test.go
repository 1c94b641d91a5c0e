package turn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

var (
	a, b, c = Key{Session: "a"}, Key{Session: "b"}, Key{Session: "c"}
	agent   = Key{Session: "a", Agent: "1"}
	strict  = Rules{Most: 1}
)

// story drives one pool from outside; every step says when, in seconds.
type story struct {
	*testing.T
	*Pool
}

func (s story) ask(sec float64, k Key, event string) {
	pid := int(k.Session[0])
	s.Ask(at(sec), Ticket{Key: k, Event: event, Process: Process{PID: pid}, Waiter: Process{PID: 1000 + pid}})
}

// askFromGateway asks as a gateway does, which waits itself and tells rejections at once.
func (s story) askFromGateway(sec float64, k Key) {
	s.Ask(at(sec), Ticket{Key: k, Event: "e", Process: Process{PID: 1}, Waiter: Process{PID: 1}})
}

func (s story) admit(sec float64, r Rules, want float64) {
	s.Helper()
	next := s.Admit(at(sec), r)
	switch {
	case want == 0 && !next.IsZero():
		s.Errorf("Admit at %g s: come back at %g, want when something happens", sec, next.Sub(simEpoch).Seconds())
	case want != 0 && !next.Equal(at(want)):
		s.Errorf("Admit at %g s: come back at %g, want at %g", sec, next.Sub(simEpoch).Seconds(), want)
	}
}

// holds says who has the turn, as "a/e1 b/e2".
func (s story) holds(want string) {
	s.Helper()
	var list []string
	for _, g := range s.Grants {
		list = append(list, g.Session+g.Agent+"/"+g.Event)
	}
	if got := strings.Join(list, " "); got != want {
		s.Errorf("turns of %q, want %q", got, want)
	}
}

func (s story) queue(want string) {
	s.Helper()
	var list []string
	for _, t := range s.Queue {
		list = append(list, t.Session+t.Agent+"/"+t.Event)
	}
	if got := strings.Join(list, " "); got != want {
		s.Errorf("queue %q, want %q", got, want)
	}
}

// paced gives the pool a pace and an empty bucket.
func (s story) paced(sec, rate float64) {
	s.Pace = Pace{Rate: rate, At: at(sec), Since: at(sec), Used: at(sec)}
	s.At = at(sec)
}

func (s story) rejected(sec float64, k Key, when, in float64, attempt int) {
	s.Retrying(at(sec), k, Retry{Rejected: at(when), In: seconds(in), Attempt: attempt})
}

func everybody(Process) bool { return true }

func all(but ...int) func(Process) bool {
	return func(p Process) bool {
		for _, pid := range but {
			if p.PID == pid {
				return false
			}
		}
		return true
	}
}

func TestTurns(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(s story)
	}{
		{"the first to ask is the first to go", func(s story) {
			s.ask(0, b, "e")
			s.ask(1, a, "e")
			s.ask(2, c, "e")
			s.admit(2, strict, 122)
			s.holds("b/e")
			s.queue("a/e c/e")
			if place, ok := s.Place(c, Rules{}); place != 2 || !ok {
				s.Errorf("Place(c) = %d, %v, want 2, true", place, ok)
			}
			if place, ok := s.Place(b, Rules{}); place != 0 || ok {
				s.Errorf("Place(b) = %d, %v, want 0, false", place, ok)
			}
			s.Succeeded(at(3), b)
			s.admit(3, strict, 123)
			s.holds("a/e")
		}},
		{"an event delivered twice is one ticket", func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.ask(1, a, "e")
			s.queue("a/e b/e")
			s.admit(1, strict, 121)
			s.ask(2, a, "e")
			s.holds("a/e")
			s.queue("b/e")
		}},
		{"a new event gives back the turn of an interrupted call and its announced retry", func(s story) {
			s.ask(0, a, "e1")
			s.admit(0, strict, 0)
			s.rejected(1, a, .5, 30, 1)
			s.ask(5, a, "e2")
			s.holds("")
			s.queue("a/e2")
			if len(s.Retries) > 0 {
				s.Errorf("retries %v, want none", s.Retries)
			}
		}},
		{"a session and its subagents are callers of their own", func(s story) {
			s.ask(0, a, "e")
			s.ask(0, agent, "e")
			s.admit(0, Rules{}, 2)
			s.Succeeded(at(1), a)
			s.admit(1, Rules{}, 0)
			s.holds("a1/e")
		}},
		{"strict turns let one call go until it is given back, whatever the pace", func(s story) {
			s.Pace.Window = 10
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, strict, 120)
			s.admit(60, strict, 120)
			s.holds("a/e")
			s.Ended(at(61), a)
			s.admit(61, strict, 0)
			s.holds("b/e")
		}},
		{"in strict turns a call that Claude Code retries keeps its turn", func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, strict, 120)
			s.rejected(.5, a, .1, 200, 1)
			s.Sweep(at(300), everybody)
			s.admit(300, strict, 320.1)
			s.holds("a/e")
			s.Sweep(at(321), everybody)
			s.admit(321, strict, 0)
			s.holds("b/e")
		}},
		{"a number caps the calls in flight", func(s story) {
			s.Pace.Window = 10
			for _, k := range []Key{a, b, c} {
				s.ask(0, k, "e")
			}
			s.admit(0, Rules{Most: 2}, 120)
			s.holds("a/e b/e")
		}},
		{"before the first 429 calls go as fast as others are accepted", func(s story) {
			for _, k := range []Key{a, b, c, agent} {
				s.ask(0, k, "e")
			}
			s.admit(0, Rules{}, 2)
			s.holds("a/e")
			s.Sent(at(1.5), a, at(1.4)) // its session has just started, on a busy machine
			s.admit(1.5, Rules{}, 2)
			s.admit(2, Rules{}, 4)
			s.holds("a/e b/e c/e")
			s.Sent(at(2.1), b, at(2))
			s.admit(2.1, Rules{}, 2.6)
			s.admit(2.6, Rules{}, 0)
		}},
		{"a session that runs its tools holds nothing", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.Succeeded(at(.5), a)
			s.holds("")
			s.ask(.5, b, "e")
			s.admit(.5, Rules{}, 0)
			s.holds("b/e")
		}},
		{"the gap is between two calls of one session, and holds nobody else", func(s story) {
			s.Pace.Window = 10
			s.ask(0, a, "e1")
			s.admit(0, Rules{Gap: 2 * time.Second}, 0)
			s.Succeeded(at(.5), a)
			s.ask(.6, a, "e2")
			s.ask(.7, agent, "e")
			s.ask(.8, b, "e")
			s.admit(.8, Rules{Gap: 2 * time.Second}, 2)
			s.holds("b/e")
			s.admit(2, Rules{Gap: 2 * time.Second}, 4)
			s.holds("b/e a/e2")
		}},
		{"a waiter that gives up frees its place", func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.Withdraw(a, "e")
			s.queue("b/e")
		}},
		{"a turn given to a waiter that gave up is as if it had not been given", func(s story) {
			s.paced(0, .1)
			s.Pace.Level = 1
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, Rules{}, 10)
			s.holds("a/e")
			s.Withdraw(a, "e")
			s.admit(0, Rules{}, 0)
			s.holds("b/e")
			if len(s.Pace.Log) != 1 || len(s.Pace.Tries) != 1 {
				s.Errorf("%d calls logged, %d on trial, want 1, 1", len(s.Pace.Log), len(s.Pace.Tries))
			}
		}},
		{"who dies in the queue holds nobody up", func(s story) {
			for _, k := range []Key{a, b, c} {
				s.ask(0, k, "e")
			}
			s.Sweep(at(1), all('a', 1000+'b'))
			s.queue("c/e")
		}},
		{"the turn of a dead process is free at once", func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, strict, 120)
			s.rejected(1, a, .5, 100, 1)
			s.Sweep(at(2), all('a'))
			s.holds("")
			if len(s.Retries) > 0 {
				s.Errorf("retries %v, want none", s.Retries)
			}
			s.admit(2, strict, 80.5) // what the server said holds for the others: 100 s, less the most that Claude Code adds
			s.admit(80.5, strict, 0)
			s.holds("b/e")
		}},
		{"the turn of a dead waiter is not free: its call runs", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, strict, 0)
			s.Sweep(at(2), all(1000+'a'))
			s.holds("a/e")
		}},
		{"a lease lapses two minutes after the last sign of life", func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, strict, 120)
			s.SeenAlive(at(100), a)
			s.Sweep(at(219), everybody)
			s.admit(219, strict, 220)
			s.holds("a/e")
			s.Sweep(at(220), everybody)
			s.admit(220, strict, 0)
			s.holds("b/e")
		}},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(story{t, NewState().Pool("p")}) })
	}
}

func TestRejections(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(s story)
	}{
		{"the first 429 sets the pace to what its wait says", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.rejected(.2, a, .1, 4, 1)
			if s.Pace.Rate != .25 || s.Pace.Level != 0 || !s.Pace.Hot {
				s.Errorf("rate %g, level %g, hot %v, want 0.25, 0, true", s.Pace.Rate, s.Pace.Level, s.Pace.Hot)
			}
		}},
		{"nobody starts while a retry is announced", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.ask(0, b, "e")
			s.rejected(.5, a, .1, 4, 1)
			s.admit(.5, Rules{}, 4.5) // the token first
			s.Pace.Level = 1
			s.admit(.5, Rules{}, 4.1)
			if until, ok := s.Cooling(at(.5)); !ok || !until.Equal(at(4.1)) {
				s.Errorf("Cooling = %v, %v, want until 4.1 s", until, ok)
			}
			s.Pace.Level = 1
			s.admit(4.1, Rules{}, 8.1) // the retry took the token
			s.Succeeded(at(4.5), a)
			s.admit(8.1, Rules{}, 0)
			s.holds("b/e")
		}},
		{"a token that lacks next to nothing is there, and nobody comes back at the same moment", func(s story) {
			for _, lack := range []float64{1e-12, 2e-9, 1e-6, 2e-6, 1e-3} {
				s.Pool = NewState().Pool("p")
				s.paced(0, 5)
				s.Pace.Level = 1 - lack
				s.ask(0, a, "e")
				if next := s.Admit(at(0), Rules{}); !next.IsZero() && !next.After(at(0)) {
					s.Errorf("with %g lacking: come back at %v", lack, next)
				}
			}
		}},
		{"a row of an earlier call that comes late is no call of its own", func(s story) {
			s.ask(0, a, "e1")
			s.admit(0, Rules{}, 0)
			s.Succeeded(at(.2), a)
			s.ask(.3, a, "e2")
			s.admit(.3, Rules{}, 0)
			s.Sent(at(.4), a, at(.05))
			s.Sent(at(.5), a, at(.35))
			s.Sent(at(.6), a, at(.5))
			if got := len(s.Pace.Log); got != 3 {
				s.Errorf("%d calls logged, want two with a turn and one without", got)
			}
		}},
		{"a row of an earlier call that was sent just before the next was let go is the earlier's", func(s story) {
			s.ask(0, a, "e1")
			s.admit(0, Rules{}, 0)
			s.Succeeded(at(.1), a)
			s.ask(.12, a, "e2")
			s.admit(.12, Rules{}, 0)
			s.Sent(at(.2), a, at(.1))
			s.Sent(at(.2), a, at(.14))
			if got := len(s.Pace.Log); got != 2 {
				s.Errorf("%d calls logged, want 2", got)
			}
		}},
		{"a call let go before the cut and sent after it does not cut again", func(s story) {
			s.paced(0, .5)
			for _, k := range []Key{a, b} {
				s.Pace.Level = 1
				s.ask(0, k, "e")
				s.admit(0, Rules{}, 0)
			}
			s.rejected(.1, a, .05, 2, 1)
			s.Sent(at(.3), b, at(.2))
			s.rejected(.4, b, .3, 2, 1)
			if s.Pace.Rate != .5*.9 {
				s.Errorf("rate %g, want 0.45", s.Pace.Rate)
			}
		}},
		{"a retry reported twice counts once", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.rejected(.5, a, .1, 4, 1)
			before := fmt.Sprint(*s.Pool)
			s.rejected(.5, a, .1, 4, 1)
			if after := fmt.Sprint(*s.Pool); after != before {
				s.Errorf("after the second report %s, want %s", after, before)
			}
			s.admit(5, Rules{}, 0)
			s.rejected(6, a, .1, 4, 1)
			if len(s.Retries) > 0 {
				s.Errorf("retries %v, want none: it fired", s.Retries)
			}
		}},
		{"a retry that nobody reported in time counts when it is", func(s story) {
			s.paced(0, .1)
			s.Pace.Level = 1
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.rejected(20, a, .1, 4, 1)
			if len(s.Retries) > 0 || len(s.Pace.Log) != 1 || !s.Pace.Log[0].Equal(at(4.1)) {
				s.Errorf("retries %v, log %v, want none, 4.1 s", s.Retries, s.Pace.Log)
			}
		}},
		{"the retries of one call cut the pace once", func(s story) {
			s.paced(0, .1)
			s.Pace.Level = 1
			s.ask(1, a, "e")
			s.admit(1, Rules{}, 0)
			s.rejected(1.5, a, 1.1, 2, 1)
			s.rejected(3.5, a, 3.2, 3, 2)
			s.rejected(6.5, a, 6.4, 4, 3)
			if math.Abs(s.Pace.Rate-.09) > 1e-9 {
				s.Errorf("rate %g, want 0.09", s.Pace.Rate)
			}
		}},
		{"calls sent before the cut do not cut again", func(s story) {
			s.paced(0, .5)
			for i, k := range []Key{a, b, c} {
				s.Pace.Level = 1
				s.ask(float64(i)/10, k, "e")
				s.admit(float64(i)/10, Rules{}, 0)
			}
			for _, k := range []Key{a, b, c} {
				s.rejected(.5, k, .4, 2, 1)
			}
			if s.Pace.Rate != .5*.9 {
				s.Errorf("rate %g, want 0.45", s.Pace.Rate)
			}
		}},
		{"a cut never takes more than half", func(s story) {
			s.paced(0, 10)
			s.Pace.Empty = Log{at(1)}
			s.Pace.Level = 1
			s.ask(20, a, "e")
			s.admit(20, Rules{}, 0)
			s.rejected(20.2, a, 20.1, 2, 1)
			if s.Pace.Rate != 5 {
				s.Errorf("rate %g, want 5", s.Pace.Rate)
			}
		}},
		{"a request row sets right when the call was sent", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.Sent(at(1), a, at(.4))
			s.Sent(at(1), a, at(.4))
			if len(s.Pace.Log) != 1 || !s.Pace.Log[0].Equal(at(.4)) {
				s.Errorf("log %v, want one call at 0.4 s", s.Pace.Log)
			}
		}},
		{"a call that no gate preceded counts against the pace, once", func(s story) {
			s.paced(0, .1)
			s.Pace.Level = .5
			for range 2 {
				s.Sent(at(1), c, at(.9))
			}
			s.ask(1, a, "e")
			s.admit(1, Rules{}, 15) // .5 + .1 - 1
			s.Sent(at(2), c, at(1.9))
			s.admit(2, Rules{}, 22) // never below -1
		}},
		{"a request row of a retry is that retry, early or late", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.rejected(.5, a, .1, 4, 1)
			s.Sent(at(4.08), a, at(4.07))
			if len(s.Retries) > 0 || len(s.Pace.Log) != 1 {
				s.Errorf("retries %v, log %v, want none, one call", s.Retries, s.Pace.Log)
			}
			s.rejected(4.5, a, 4.09, 4, 2)
			s.Sent(at(8.5), a, at(8.2))
			if len(s.Retries) > 0 || len(s.Pace.Log) != 1 || !s.Pace.Log[0].Equal(at(8.2)) {
				s.Errorf("retries %v, log %v, want none, 8.2 s", s.Retries, s.Pace.Log)
			}
		}},
		{"a usage limit is shown and holds nobody", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, strict, 0)
			s.rejected(1, a, .5, 3600, 1)
			s.ask(1, b, "e")
			s.admit(1, strict, 0)
			s.holds("b/e")
			if _, ok := s.Cooling(at(1)); ok || !s.Usage.Until.Equal(at(3600.5)) || s.Pace.Rate != 0 {
				s.Errorf("cooling %v, usage until %v, rate %g, want false, 3600.5 s, 0", ok, s.Usage.Until, s.Pace.Rate)
			}
			s.Limited(at(2), at(7200), "5-hour limit")
			if _, ok := s.Cooling(at(2)); ok || s.Usage.Why != "5-hour limit" {
				s.Errorf("cooling %v, usage %+v", ok, s.Usage)
			}
			s.Sweep(at(7201), everybody)
			if s.Usage != (Usage{}) {
				s.Errorf("usage %+v after its end", s.Usage)
			}
		}},
		{"after a limit the whole pool waits until its end", func(s story) {
			s.Limited(at(0), at(90), "rate_limit")
			s.ask(1, a, "e")
			s.admit(1, Rules{}, 90)
			s.admit(90, Rules{}, 0)
			s.holds("a/e")
		}},
		{"a limit without a time cools 30 s, doubling, five times at most", func(s story) {
			now := 0.
			for _, want := range []float64{30, 60, 120, 240, 480} {
				s.Limited(at(now), time.Time{}, "rate_limit")
				s.Limited(at(now+1), time.Time{}, "rate_limit") // another session, same limit
				if until, ok := s.Cooling(at(now)); !ok || !until.Equal(at(now+want)) {
					s.Errorf("Cooling at %g = %v, %v, want for %g s", now, until, ok, want)
				}
				now += want + 1
			}
			if s.CoolDown.GaveUp() {
				s.Error("gave up after five times")
			}
			s.Limited(at(now), time.Time{}, "rate_limit")
			if _, ok := s.Cooling(at(now)); ok || !s.CoolDown.GaveUp() {
				s.Errorf("cooling %v, gave up %v, want false, true", ok, s.CoolDown.GaveUp())
			}
			s.Succeeded(at(now+1), a)
			if s.CoolDown.GaveUp() {
				s.Error("an answer does not begin anew")
			}
		}},
		{"a pace is forgotten after ten quiet minutes", func(s story) {
			s.paced(0, .5)
			s.Sweep(at(59), everybody)
			if s.Pace.Rate != .5 {
				s.Errorf("rate %g, want 0.5", s.Pace.Rate)
			}
			s.Sweep(at(70), everybody)
			s.Sweep(at(300), everybody)
			if s.Pace.Rate != .5*.95 {
				s.Errorf("rate %g after a minute, want 0.475", s.Pace.Rate)
			}
			s.Sweep(at(601), everybody)
			if s.Pace.Rate != 0 {
				s.Errorf("rate %g after ten minutes, want none", s.Pace.Rate)
			}
		}},
		{"at the gateway a rejected call goes back to the head of the line", func(s story) {
			s.Pace.Window = 10
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, Rules{}, 0)
			s.ask(0, c, "e")
			s.Rejected(at(.2), b, Rejection{Sent: at(.1), In: 3 * time.Second, Limit: true})
			s.queue("b/e c/e")
			s.admit(.2, Rules{}, 3.2)
		}},
		{"where nothing tells of a rejection but the next try, calls after it are in doubt", func(s story) {
			mute := func(sec float64, k Key) {
				s.Ask(at(sec), Ticket{Key: k, Event: "e", Process: Process{PID: 1}, Waiter: Process{PID: 2}, Mute: true})
			}
			s.Pace.Window = 1
			mute(0, a)
			mute(0, b)
			mute(0, c)
			s.admit(0, Rules{}, 2.5) // 1 s without news proves nothing
			s.holds("a/e b/e")
			s.Sent(at(.1), b, at(.1))
			s.Retrying(at(1.2), a, Retry{Rejected: at(0), In: 1200 * time.Millisecond, Attempt: 1, Late: true})
			s.Pace.Level = 1
			s.admit(1.2, Rules{}, 2.1) // when b's next try would be known, had it been rejected
			s.Succeeded(at(1.5), b)
			s.Pace.Level = 1
			s.admit(1.5, Rules{}, 0)
			s.holds("a/e c/e")
		}},
		{"only its answer raises the pace where nothing tells of a rejection", func(s story) {
			s.paced(0, .5)
			s.Ask(at(0), Ticket{Key: a, Event: "e", Process: Process{PID: 1}, Waiter: Process{PID: 2}, Mute: true})
			s.admit(0, Rules{}, 2)
			s.admit(2, Rules{}, 0)
			s.Sweep(at(30), everybody)
			if s.Pace.Rate != .5 {
				s.Errorf("rate %g after a long silence, want 0.5", s.Pace.Rate)
			}
			s.Succeeded(at(31), a)
			if s.Pace.Rate <= .5 {
				s.Errorf("rate %g after the answer, want more", s.Pace.Rate)
			}
		}},
		{"a limit of calls that is named is the pace", func(s story) {
			named := func(sec float64, k Key, when, limit float64) {
				s.Retrying(at(sec), k, Retry{Rejected: at(when), In: seconds(1), Attempt: 1, Named: Limits{Requests: Resource{Limit: limit}}})
			}
			s.Pace.Window = 1
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, Rules{}, 0)
			named(.2, a, .1, 30)
			if r := s.Pace.Rate; r < .5 || r > .51 {
				s.Errorf("rate %g, want 30 a minute, and what calls lose on their way", r)
			}
			was := s.Pace.Rate
			named(.3, b, .1, 30)
			if s.Pace.Rate != was {
				s.Errorf("rate %g, cut from %g by a call of before", s.Pace.Rate, was)
			}
			for range pressingNamed - 1 {
				s.Pace.Tries = []Try{{Key: c, At: s.At, Paced: true}}
				s.Succeeded(s.At, c)
			}
			if s.Pace.Rate != was {
				s.Errorf("rate %g, want no more than what was named", s.Pace.Rate)
			}
		}},
		{"a limit of tokens that is named holds until the call fits, and says nothing about the pace", func(s story) {
			s.Used(at(0), a, at(0), Costs{Input: 1000})
			s.Pace.Window = 5
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.ask(.2, b, "e")
			s.admit(.2, Rules{}, 0)
			s.Retrying(at(.4), b, Retry{Rejected: at(.3), In: seconds(1.25), Attempt: 1, Named: Limits{Input: Resource{Limit: 60000}}})
			if s.Pace.Rate != 0 {
				s.Errorf("a pace of %g was learned", s.Pace.Rate)
			}
			s.ask(.4, c, "e")
			s.admit(.4, Rules{}, 2.399) // the server lacked 1000 of b's 1000; c takes as many
			s.Succeeded(at(1.7), b)
			s.Used(at(1.8), b, at(1.7), Costs{Input: 400}) // less than was thought
			s.admit(1.8, Rules{}, 0)
			s.holds("a/e c/e")
		}},
		{"a call that may never fit holds nobody back", func(s story) {
			s.Used(at(0), a, at(0), Costs{Input: 1000})
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			named := Limits{Input: Resource{Limit: 60000}}
			for n := 1; n <= large; n++ {
				s.Retrying(at(float64(60*n)), a, Retry{Rejected: at(float64(60 * n)), In: time.Minute, Attempt: n, Named: named})
				s.ask(float64(60*n), b, fmt.Sprint(n))
				next := s.Admit(at(float64(60*n)), Rules{})
				if held := next.After(at(float64(60*n + 10))); held != (n < large) {
					s.Errorf("after %d rejections: come back at %v", n, next.Sub(simEpoch))
				}
			}
		}},
		{"a limit of tokens that is named is of no use where nobody knows what calls take", func(s story) {
			s.ask(0, a, "e")
			s.admit(0, Rules{}, 0)
			s.Retrying(at(.2), a, Retry{Rejected: at(.1), In: seconds(4), Attempt: 1, Named: Limits{Input: Resource{Limit: 60000}}})
			if s.Pace.Rate != .25 || s.Tokens.Input.Rate != 0 {
				s.Errorf("rate %g, tokens %+v, want what the wait says and nothing", s.Pace.Rate, s.Tokens)
			}
		}},
		{"a late answer does not take the level away that came in meanwhile", func(s story) {
			requests := Limits{Requests: Resource{60, 0}}
			s.paced(0, 1)
			s.Pace.Limit, s.Pace.Level = 1, 1
			s.askFromGateway(0, a)
			s.admit(0, Rules{}, 0)
			s.Sent(at(0), a, at(0))
			s.askFromGateway(1.1, b)
			s.admit(1.1, Rules{}, 0)
			s.Sent(at(1.1), b, at(1.1))
			level := s.Pace.Level
			s.Headers(at(1.5), a, at(0), requests) // it may have been counted now, with the other call in it
			if got, want := s.Pace.Level, level+.4; math.Abs(got-want) > 1e-6 {
				s.Errorf("level %g, want %g", got, want)
			}
		}},
		{"a rejection before the limit was known says nothing about the pace at it", func(s story) {
			s.Pace.Window = 1
			s.askFromGateway(0, a)
			s.askFromGateway(0, b)
			s.admit(0, Rules{}, 0)
			s.Rejected(at(.1), b, Rejection{Sent: at(0), In: 2 * time.Second, Limit: true, Limits: Limits{Requests: Resource{30, 0}}})
			if s.Pace.Rate != .5 {
				s.Errorf("rate %g, want .5, as the headers say", s.Pace.Rate)
			}
		}},
		{"headers that a rejection contradicts are not believed for a while", func(s story) {
			lie := Limits{Requests: Resource{50, 42}}
			call := func(sec float64, in int) (first bool) {
				s.askFromGateway(sec, a)
				s.Pace.Level = 1
				s.admit(sec, Rules{}, 0)
				s.Sent(at(sec), a, at(sec))
				if in > 0 {
					first = s.Rejected(at(sec+.1), a, Rejection{Sent: at(sec), In: seconds(float64(in)), Limit: true, Limits: lie})
					s.Withdraw(a, "e")
					s.CoolDown = CoolDown{}
					return first
				}
				s.Headers(at(sec+.1), a, at(sec), lie)
				s.Accepted(at(sec+.1), a)
				s.Succeeded(at(sec+.2), a)
				return false
			}
			call(0, 0)
			if !call(1, 2) {
				s.Error("the first contradiction is not told")
			}
			if s.Pace.Rate != .5 || s.Pace.Level > 1e-6 {
				s.Errorf("rate %g, level %g; want those of the rejection, .5 and 0", s.Pace.Rate, s.Pace.Level)
			}
			for i := range distrusted {
				if call(float64(10+3*i), 0); s.Pace.Level > .2 && s.Pace.Distrust > 0 {
					s.Fatalf("after call %d the headers raise the level to %g", i, s.Pace.Level)
				}
			}
			if call(200, 0); s.Pace.Level != 1 {
				s.Errorf("level %g after %d calls, want 1: the headers are believed again", s.Pace.Level, distrusted)
			}
			rate := s.Pace.Rate
			if call(210, 2) {
				s.Error("the second contradiction is told again")
			}
			if s.Pace.Rate != rate || s.Pace.Distrust <= distrusted {
				s.Errorf("rate %g, %d calls until the headers are believed; want %g, and more than before", s.Pace.Rate, s.Pace.Distrust, rate)
			}
		}},
		{"a rejection without headers contradicts those that said there was room", func(s story) {
			s.askFromGateway(0, a)
			s.admit(0, Rules{}, 0)
			s.Headers(at(1), a, at(0), Limits{Requests: Resource{50, 42}})
			s.Succeeded(at(1), a)
			s.askFromGateway(2, a)
			s.admit(2, Rules{}, 0)
			rate := s.Pace.Rate
			defer func() {
				if s.Pace.Rate > rate {
					s.Errorf("the rejection raises the pace from %g to %g", rate, s.Pace.Rate)
				}
			}()
			if !s.Rejected(at(2.1), a, Rejection{Sent: at(2), In: time.Second, Limit: true}) {
				s.Error("it does not")
			}
		}},
		{"an overloaded server contradicts nothing", func(s story) {
			s.askFromGateway(0, a)
			s.admit(0, Rules{}, 0)
			if s.Rejected(at(.1), a, Rejection{Sent: at(0), Limits: Limits{Requests: Resource{50, 42}}}) {
				s.Error("it does")
			}
		}},
		{"headers prove how much is left at least, and how fast it comes in", func(s story) {
			requests := func(limit, remaining float64) Limits { return Limits{Requests: Resource{limit, remaining}} }
			s.Headers(at(0), a, at(0), requests(60, 40))
			if s.Pace.Rate != 1 {
				s.Errorf("rate %g, want 1", s.Pace.Rate)
			}
			if s.Pace.Level != 1 {
				s.Errorf("level %g, want 1 of the 40", s.Pace.Level)
			}
			s.Headers(at(1), a, at(1), requests(60, 0))
			if s.Pace.Level != 1 {
				s.Errorf("level %g, want 1: that less than one was left at some moment proves nothing", s.Pace.Level)
			}
			s.Headers(at(2), a, at(2), requests(20, 0))
			if s.Pace.Rate < .333 || s.Pace.Rate > .334 {
				s.Errorf("rate %g after a cut to a third, want 1/3", s.Pace.Rate)
			}
			s.Headers(at(3), a, at(2), Limits{})
		}},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(story{t, NewState().Pool("p")}) })
	}
}

func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-10 * time.Hour, -10 * time.Second, -time.Second, time.Second, time.Minute, 10 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			s := story{t, NewState().Pool("p")}
			s.paced(0, .5)
			for i := range 10 {
				s.Ask(at(float64(i)/100), Ticket{Key: Key{Session: fmt.Sprint(i)}, Event: "e"})
			}
			s.Limited(at(1), at(2), "")
			s.Admit(at(2), Rules{})
			s.rejected(2.2, Key{Session: "0"}, 2.1, 5, 1)
			s.Sent(at(2.3), c, at(2.2))
			granted := len(s.Grants)
			// The clock jumps; a minute passes.
			now := at(2.3).Add(jump)
			end := now.Add(time.Minute)
			for steps := 0; now.Before(end); steps++ {
				if steps > 200 {
					t.Fatal("Admit called 200 times in a minute")
				}
				s.Sweep(now, everybody)
				next := s.Admit(now, Rules{})
				if next.IsZero() {
					break
				}
				if !next.After(now) {
					t.Fatalf("Admit at %v: come back at %v", now, next)
				}
				if wait := next.Sub(now); wait > 10*time.Second {
					t.Fatalf("Admit: come back in %v", wait)
				}
				if n := len(s.Grants) - granted; n > 1 {
					t.Fatalf("%d turns at once", n)
				}
				granted = len(s.Grants)
				now = next
			}
			if len(s.Queue) > 0 {
				t.Errorf("%d still wait after a minute", len(s.Queue))
			}
		})
	}
	t.Run("reports from before and after a step back count", func(t *testing.T) {
		s := story{t, NewState().Pool("p")}
		s.paced(0, 10)
		s.Sent(at(1), a, at(.9))
		s.Sent(at(-3600), a, at(.95))
		s.Sent(at(-3599), a, at(-3599.5))
		s.rejected(-3598, a, -3598.5, .3, 1)
		if len(s.Retries) > 0 {
			t.Error("a retry of the new time is still pending after it")
		}
		s.rejected(-3590, a, -3590.5, 1, 1)
		if len(s.Retries) != 1 {
			t.Error("a retry of the new time was taken for an old one")
		}
	})
}

func TestState(t *testing.T) {
	t.Run("twenty busy sessions fit into 20 KB and come back the same", func(t *testing.T) {
		st := NewState()
		p := st.Pool("0123456789abcdef")
		s := story{t, p}
		for i := range 400 {
			k := Key{Session: fmt.Sprintf("01234567-89ab-cdef-0123-%012d", i%20)}
			now := float64(i) / 4
			if _, queued := p.Place(k, Rules{}); queued {
				p.Succeeded(at(now), k)
				p.Admit(at(now), Rules{})
				continue
			}
			p.Ask(at(now), Ticket{Key: k, Event: fmt.Sprintf("toolu_01ABCDEFGHIJKLMNOPQ%04d", i), Process: Process{PID: 10000 + i%20, Start: 123456789}, Waiter: Process{PID: 20000 + i, Start: 123456789}})
			p.Admit(at(now), Rules{})
			p.Sent(at(now), k, at(now))
			if i%7 == 0 {
				s.rejected(now+.01, k, now+.005, 2, 1)
			}
			if i%3 == 0 {
				p.Succeeded(at(now+.02), k)
			}
		}
		data, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 20<<10 {
			t.Errorf("%d bytes, want at most 20 KB", len(data))
		}
		var again State
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if got := mustJSON(again); got != string(data) {
			t.Errorf("read again:\n%s\nwant\n%s", got, data)
		}
		t.Logf("%d bytes: %d queued, %d turns, %d callers, %d calls logged", len(data), len(p.Queue), len(p.Grants), len(p.Callers), len(p.Pace.Log))
	})
	t.Run("a session that is gone takes everything with it, the pool when it was the last", func(t *testing.T) {
		st := NewState()
		p := st.Pool("p")
		st.Sessions = map[string]*Session{"a": {Pool: "p", Process: Process{PID: 1}}, "b": {Pool: "p", Process: Process{PID: 2}}}
		p.Ask(at(0), Ticket{Key: a, Event: "e"})
		p.Ask(at(0), Ticket{Key: b, Event: "e"})
		p.Admit(at(0), Rules{})
		st.Forget(at(1), all(1))
		if len(st.Sessions) != 1 || len(p.Queue) != 1 || len(p.Grants) != 0 {
			t.Errorf("%s", mustJSON(st))
		}
		st.Forget(at(700), all(1, 2))
		st.Forget(at(1400), all(1, 2))
		if len(st.Sessions) != 0 || len(st.Pools) != 0 {
			t.Errorf("%s", mustJSON(st))
		}
	})
}

func mustJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// FuzzState reads states that others wrote, or that a disk spoiled, and goes on with them.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"pools":{"p":{"queue":[{"session":"a"}],"at":"2026-03-01T09:00:00Z","pace":{"rate":0.5,"level":1,"log":[1772355600000,5,5],"tries":[{"session":"a","at":"2026-03-01T09:00:00Z"}]}}}}`), int64(1000))
	f.Add([]byte(`{"pools":{"p":{"at":"2026-03-01T09:00:00Z","retries":[{"session":"a","rejected":"2026-03-01T09:00:00Z","in":5000000000}]}}}`), int64(-1))
	f.Add([]byte(`{"pools":{"p":{"at":"2100-01-01T00:00:00Z","retries":[{"session":"a","rejected":"2000-01-01T00:00:00Z","in":1}]}}}`), int64(0))
	f.Add([]byte(`{"pools":{"p":{"at":"2026-03-01T09:00:00Z","pace":{"window":1},"costs":{"input":1e9},"tokens":{"input":{"rate":1,"top":1e9,"at":"2026-03-01T09:00:00Z"}}}}}`), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, ms int64) {
		st := NewState()
		if json.Unmarshal(data, st) != nil || st.Check() != nil {
			t.Skip()
		}
		now := simEpoch.Add(time.Duration(ms%1e10) * time.Millisecond)
		st.Forget(now, everybody)
		p := st.Pool("p")
		p.Queue = nil
		alone := now
		p.Ask(alone, Ticket{Key: b, Event: "alone"})
		for range 2 * many {
			next := p.Admit(alone, Rules{})
			if p.Granted(b, "alone") {
				break
			}
			if next.Sub(now) > 3*time.Hour || next.IsZero() {
				t.Fatalf("with nobody before it a call waits until %v, from %v on", next, now)
			}
			alone = next
			p.Sweep(alone, everybody)
		}
		now = latest(now, p.At)
		p.Ask(now, Ticket{Key: a, Event: "e"})
		if next := p.Admit(now, Rules{}); !next.IsZero() && !next.After(now) {
			t.Errorf("Admit: come back at %v, which is not after %v", next, now)
		}
		p.Sent(now, a, now)
		p.Retrying(now, a, Retry{Rejected: now, In: time.Second, Attempt: 1})
		p.Rejected(now, a, Rejection{Sent: now, In: time.Second, Limit: true, Limits: Limits{Requests: Resource{50, 42}}})
		p.Headers(now, a, now, Limits{Requests: Resource{60, 1}, Input: Resource{1000, 10}})
		p.Succeeded(now, a)
		written := new(State)
		if err := cmp.Or(json.Unmarshal([]byte(mustJSON(st)), written), written.Check()); err != nil {
			t.Errorf("what became of it is refused: %v", err)
		}
	})
}
