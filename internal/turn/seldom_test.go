package turn

import (
	"fmt"
	"testing"
	"time"

	"afteryou/internal/limit"
)

// What happens seldom: two calls of a key at once, what is told of a call that nobody knows of, calls that were never thought of.
func TestSeldom(t *testing.T) {
	tokens := limit.Headers{Input: limit.Resource{Limit: 60000}}
	for _, test := range []struct {
		name  string
		rules Rules
		run   func(s story)
	}{
		{"a call that may never fit holds nobody when it is given up", Rules{}, func(s story) {
			s.made(-5, a, limit.Costs{Input: 1000})
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.Retrying(at(1), a, Retry{Rejected: at(1), In: time.Minute, Attempt: large, Named: tokens})
			if until := s.CoolsUntil(at(2), ""); !until.IsZero() {
				s.Errorf("all wait until %v", until)
			}
			s.Ended(at(3), a)
			if until := s.CoolsUntil(at(3), ""); !until.IsZero() {
				s.Errorf("given up, all wait until %v", until)
			}
		}},
		{"of two turns of a key the one that is withdrawn goes", Rules{}, func(s story) {
			s.pace().Window = 5
			s.ask(0, a, "e1")
			s.ask(0, a, "e2")
			s.admit(0, 0)
			s.holds("a/e1 a/e2")
			s.Withdraw(at(0), a, "e2")
			s.holds("a/e1")
		}},
		{"the row of an answer that comes after the next turn tells of the call that was answered", Rules{Budget: Budget{Input: 1e6}}, func(s story) {
			s.pace().Window = 5
			s.ask(0, a, "e1")
			s.admit(0, 0)
			s.Sent(at(.1), a, at(.1))
			s.ask(6, a, "e2") // no budget is known to be over: the first may take anything
			s.admit(6, 7)
			s.admit(12, 0)
			s.holds("a/e2")
			s.Sent(at(12.1), a, at(12.1))
			s.Used(at(12.2), a, at(5.9), limit.Costs{Input: 700})
			if last := s.last(a); !last.Own || last.Expected.Input != 700 {
				s.Errorf("the next is expected to take %v, want 700", last.Expected)
			}
			s.Used(at(14), a, at(13), limit.Costs{Input: 300})
			if took, _, _ := s.Spending(at(14)); took.Input != 1000 {
				s.Errorf("%v spent, want 700 and 300", took)
			}
		}},
		{"a call that nobody knew of is rejected for want of tokens: that tells nothing of the pace", Rules{}, func(s story) {
			s.made(-100, a, limit.Costs{Input: 1000})
			s.paced(0, 2)
			s.Retrying(at(1), a, Retry{Rejected: at(.9), In: time.Second, Attempt: 1, Named: tokens})
			if s.pace().Rate != 2 {
				s.Errorf("the pace is cut to %g", s.pace().Rate)
			}
		}},
		{"the first 429 after minutes of calls sets the pace to what they were", Rules{}, func(s story) {
			for _, minutes := range []float64{.5, 1.01, 1.3, 2.01, 5.02} {
				s.Account = NewState().Open("p")
				i := 0.0
				for ; i < 60*minutes*4; i++ {
					s.Sent(at(i/4), Key{Session: fmt.Sprint(i)}, at(i/4))
					s.sweep(i/4, everybody)
				}
				s.ask(i/4, a, "e")
				s.admit(i/4, 0)
				s.rejected(i/4+.1, a, i/4+.1, .5, 1)
				if r := s.pace().Rate; r < 3.5 || r > 4.5 {
					s.Errorf("after %g minutes of 4 calls a second the pace is %.2f", minutes, r)
				}
			}
		}},
		{"a bucket that was full for a while gives what it holds, and no more", Rules{}, func(s story) {
			s.made(-5, a, limit.Costs{Input: 2000})
			s.class("").Tokens.Input = limit.Bucket{Rate: 100, Level: 3000, Top: 3000, At: at(-4)}
			s.ask(20, a, "e")
			s.admit(20, 0)
			if level := s.class("").Tokens.Input.Level; level != 1000 || !s.class("").Tokens.Input.At.Equal(at(20)) {
				s.Errorf("%g left at %v, want 1000", level, s.class("").Tokens.Input.At)
			}
		}},
		{"a call that lacked tokens is withdrawn: the key's next is expected to take as many", Rules{}, func(s story) {
			s.class("").Tokens.Input = limit.Bucket{Rate: 1000, Top: 9000, At: at(0)}
			s.askFromGateway(0, a)
			s.lacksTokens(0, a)
			s.Withdraw(at(1), a, "e")
			if cost, _ := s.expect(&Call{Key: a}); cost.Input < 40000 || s.Waits(a) {
				s.Errorf("the next is expected to take %v; it waits %v", cost, s.Waits(a))
			}
		}},
		{"a key that never had an answer is expected to take what first calls take by now", Rules{}, func(s story) {
			s.pace().Window = 5
			s.made(-5, b, limit.Costs{Input: 1000})
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.made(1, c, limit.Costs{Input: 2000})
			s.rejected(3, a, .1, 10, 1)
			s.Sent(at(11), a, at(10.1))
			if last := s.last(a); last.Expected.Input != 1100 {
				s.Errorf("expected %v, want 1100", last.Expected)
			}
		}},
		{"the gap is kept after a call that was rejected, too", Rules{Gap: 4 * time.Second}, func(s story) {
			s.pace().Window = 5
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.ask(1, agent, "e")
			s.Retrying(at(1), a, Retry{Rejected: at(.1), In: 5 * time.Hour, Attempt: 1})
			s.admit(1, 4.1)
		}},
		{"a call that was sent after the bucket was seen empty counts as one that it gave since", Rules{}, func(s story) {
			s.pace().Window = 5
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 0)
			s.rejected(.2, a, .1, 2, 1)
			empty := s.pace().Empty[0]
			s.Sent(at(.3), b, at(.25))
			if got := s.pace().Empty[0]; empty.Sent != 1 || got.Sent != 0 || s.last(b).Nth != 1 {
				s.Errorf("%d, then %d calls before it, b's is number %d; want 1, 0, 1", empty.Sent, got.Sent, s.last(b).Nth)
			}
		}},
		{"a turn to wake a session lapses while another waits to wake it", Rules{}, func(s story) {
			s.At = at(0)
			s.Calls = []*Call{{Key: a, Event: WakeEvent}, {Key: a, Event: WakeEvent, Phase: Granted, Granted: at(0)}, {Key: b, Phase: Granted, Granted: at(0), Seen: at(0)}}
			s.sweep(60, everybody)
			s.holds("b/")
		}},
		{"where nothing is known of a class, the most that first calls take in another is expected", Rules{Budget: Budget{Input: 1000}}, func(s story) {
			s.class("x").First.Input, s.class("y").First.Input, s.class("z").First.Input = 900, 100, 200
			s.Budgeted = at(0)
			s.Calls = []*Call{{Key: b, Phase: Over, Sent: at(0), Came: at(0), Done: at(0), Took: limit.Costs{Input: 200}}}
			for i := range 30 {
				s.ask(10, a, fmt.Sprint(i))
				s.admit(10, 60.01)
				s.Withdraw(at(10), a, fmt.Sprint(i))
			}
		}},
	} {
		tell(t, test.name, test.rules, test.run)
	}
}

// A budget is kept in time about linear in what it is kept over.
func TestBudgetOfManyCalls(t *testing.T) {
	s := story{t, NewState().Open("p"), Rules{Budget: Budget{Calls: 1e6, Input: 1e9, Output: 1e9}}}
	s.ask(0, a, "first")
	s.class("").First = limit.Costs{Input: 1, Output: 1}
	for i := range many - 10 {
		s.Calls = append(s.Calls, &Call{Key: Key{Session: "s", Agent: fmt.Sprint(i)}, Phase: Over, Sent: at(0), Expected: limit.Costs{Input: 1, Output: 1}})
	}
	from := time.Now()
	s.Admit(at(1), everybody)
	if took := time.Since(from); took > time.Second {
		t.Errorf("%v to let one of %d calls go", took, len(s.Calls))
	}
	s.holds("a/first")
}
