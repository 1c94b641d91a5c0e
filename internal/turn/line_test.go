package turn

import (
	"testing"
	"time"
)

func TestTurns(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules Rules
		run   func(s story)
	}{
		{"the first to ask is the first to go", strict, func(s story) {
			s.ask(0, b, "e")
			s.ask(1, a, "e")
			s.ask(2, c, "e")
			s.admit(2, 122)
			s.holds("b/e")
			s.queue("a/e c/e")
			if got := names(s.Line("")); got != "a/e c/e" {
				s.Errorf("the line is %q", got)
			}
			s.Succeeded(at(3), b)
			s.admit(3, 123)
			s.holds("a/e")
		}},
		{"an event delivered twice is one ticket", strict, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.ask(1, a, "e")
			s.queue("a/e b/e")
			s.admit(1, 121)
			s.ask(2, a, "e")
			s.holds("a/e")
			s.queue("b/e")
		}},
		{"a new event gives back the turn of an interrupted call and its announced retry", strict, func(s story) {
			s.ask(0, a, "e1")
			s.admit(0, 0)
			s.rejected(1, a, .5, 30, 1)
			s.ask(5, a, "e2")
			s.holds("")
			s.queue("a/e2")
			if s.retries() > 0 {
				s.Errorf("retries %v, want none", s.retries())
			}
		}},
		{"a session and its subagents are callers of their own", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, agent, "e")
			s.admit(0, 2)
			s.Succeeded(at(1), a)
			s.admit(1, 0)
			s.holds("a1/e")
		}},
		{"strict turns let one call go until it is given back, whatever the pace", strict, func(s story) {
			s.pace().Window = 10
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 120)
			s.admit(60, 120)
			s.holds("a/e")
			s.Ended(at(61), a)
			s.admit(61, 0)
			s.holds("b/e")
		}},
		{"in strict turns a call that Claude Code retries keeps its turn", strict, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 120)
			s.rejected(.5, a, .1, 200, 1)
			s.sweep(300, everybody)
			s.admit(300, 320.1)
			s.holds("a/e")
			s.sweep(321, everybody)
			s.admit(321, 0)
			s.holds("b/e")
		}},
		{"a number caps the calls in flight", Rules{Most: 2}, func(s story) {
			s.pace().Window = 10
			for _, k := range []Key{a, b, c} {
				s.ask(0, k, "e")
			}
			s.admit(0, 120)
			s.holds("a/e b/e")
		}},
		{"before the first 429 calls go as fast as others are accepted", Rules{}, func(s story) {
			for _, k := range []Key{a, b, c, agent} {
				s.ask(0, k, "e")
			}
			s.admit(0, 2)
			s.holds("a/e")
			s.Sent(at(1.5), a, at(1.4)) // its session has just started, on a busy machine
			s.admit(1.5, 2)
			s.admit(2, 4)
			s.holds("a/e b/e c/e")
			s.Sent(at(2.1), b, at(2))
			s.admit(2.1, 2.6)
			s.admit(2.6, 0)
		}},
		{"a session that runs its tools holds nothing", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.Succeeded(at(.5), a)
			s.holds("")
			s.ask(.5, b, "e")
			s.admit(.5, 0)
			s.holds("b/e")
		}},
		{"the gap is between two calls of one session, and holds nobody else", Rules{Gap: 2 * time.Second}, func(s story) {
			s.pace().Window = 10
			s.ask(0, a, "e1")
			s.admit(0, 0)
			s.Succeeded(at(.5), a)
			s.ask(.6, a, "e2")
			s.ask(.7, agent, "e")
			s.ask(.8, b, "e")
			s.admit(.8, 2)
			s.holds("b/e")
			s.admit(2, 4)
			s.holds("b/e a/e2")
		}},
		{"a waiter that gives up frees its place", Rules{}, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.Withdraw(s.At, a, "e")
			s.queue("b/e")
		}},
		{"a turn given to a waiter that gave up is as if it had not been given", Rules{}, func(s story) {
			s.paced(0, .1)
			s.pace().Level = 1
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 10)
			s.holds("a/e")
			s.Withdraw(s.At, a, "e")
			s.admit(0, 0)
			s.holds("b/e")
			if len(s.sentTimes("")) != 1 || s.trials() != 1 {
				s.Errorf("%d calls logged, %d on trial, want 1, 1", len(s.sentTimes("")), s.trials())
			}
		}},
		{"who dies in the line holds nobody up", Rules{}, func(s story) {
			for _, k := range []Key{a, b, c} {
				s.ask(0, k, "e")
			}
			s.Admit(at(1), all('a', 1000+'b'))
			s.holds("c/e")
			s.queue("")
		}},
		{"the turn of a dead process is free at once", strict, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 120)
			s.rejected(1, a, .5, 100, 1)
			s.sweep(2, all('a'))
			s.holds("")
			if s.retries() > 0 {
				s.Errorf("retries %v, want none", s.retries())
			}
			s.admit(2, 80.5) // what the server said holds for the others: 100 s, less the most that Claude Code adds
			s.admit(80.5, 0)
			s.holds("b/e")
		}},
		{"the turn of a dead waiter is not free: its call runs", strict, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.sweep(2, all(1000+'a'))
			s.holds("a/e")
		}},
		{"a lease lapses two minutes after the last sign of life", strict, func(s story) {
			s.ask(0, a, "e")
			s.ask(0, b, "e")
			s.admit(0, 120)
			s.SeenAlive(at(100), a)
			s.sweep(219, everybody)
			s.admit(219, 220)
			s.holds("a/e")
			s.sweep(220, everybody)
			s.admit(220, 0)
			s.holds("b/e")
		}},
	} {
		tell(t, test.name, test.rules, test.run)
	}
}
