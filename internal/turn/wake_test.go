package turn

import "testing"

func TestSessionsAreWokenOneByOne(t *testing.T) {
	asleep := func(s story) { // all three want to be woken, and a may
		for _, k := range []Key{a, b, c} {
			s.ask(0, k, WakeEvent)
		}
		s.pace().Window = 16 - 1 // the pace lets everybody go
		s.admit(0, 15)
		s.holds("a/wake")
		s.queue("b/wake c/wake")
	}
	for _, tt := range []struct {
		name string
		tell func(s story)
	}{
		{"the next one's time comes when the call of the one before was taken", func(s story) {
			asleep(s)
			s.ask(0.5, a, "e1")
			s.holds("a/e1")
			s.admit(0.5, 1.5)
			s.holds("a/e1")
			s.admit(1.5, 16.5)
			s.holds("a/e1 b/wake")
		}},
		{"or its turn was given back", func(s story) {
			asleep(s)
			s.ask(0.5, a, "e1")
			s.Succeeded(at(0.7), a)
			s.admit(0.7, 15.7)
			s.holds("b/wake")
			s.ask(1, b, "e1")
			s.Ended(at(1.1), b)
			s.admit(1.1, 0)
			s.holds("c/wake")
		}},
		{"or it did not wake up", func(s story) {
			asleep(s)
			s.sweep(15, everybody)
			if n := len(s.sentTimes("")); n != 0 {
				s.Errorf("%d calls count, want none", n)
			}
			s.admit(15, 30)
			s.holds("b/wake")
		}},
		{"or it was gone", func(s story) {
			asleep(s)
			s.sweep(1, all('a'))
			s.admit(1, 16)
			s.holds("b/wake")
		}},
		{"a call that is rejected wakes nobody until the limit is over", func(s story) {
			asleep(s)
			s.ask(0.5, a, "e1")
			s.rejected(0.6, a, 0.6, 30, 1)
			s.Ended(at(0.7), a)
			s.Limited(at(0.7), "", at(60), "a test")
			s.admit(5, 60)
			s.holds("")
		}},
		{"a prompt of somebody else passes them by", func(s story) {
			asleep(s)
			s.ask(0.1, Key{Session: "d"}, "e1")
			s.admit(0.1, 15)
			s.holds("a/wake d/e1")
		}},
		{"who goes on by himself keeps his place in the line", func(s story) {
			asleep(s)
			s.ask(0.1, Key{Session: "d"}, "e1")
			s.ask(0.2, c, "e1")
			s.queue("b/wake c/e1 d/e1")
			s.admit(0.2, 15)
			s.holds("a/wake c/e1 d/e1")
		}},
		{"asked for twice, a turn to wake is one", func(s story) {
			asleep(s)
			s.ask(0.1, a, WakeEvent)
			s.ask(0.1, b, WakeEvent)
			s.queue("b/wake c/wake")
			s.holds("a/wake")
		}},
		{"the call counts once, when it is sent", func(s story) {
			s.paced(0, 0.1)
			s.pace().Level = 1
			s.ask(0, a, WakeEvent)
			s.admit(0, 0)
			s.ask(0.5, a, "e1")
			if n := len(s.sentTimes("")); n != 1 || !s.sentTimes("")[0].Equal(at(0.5)) {
				s.Errorf("calls %v, want one at %v", s.sentTimes(""), at(0.5))
			}
			if l := s.pace().Level; l < 0 || l > 0.1 {
				s.Errorf("level %g, want 0 to 0.1", l)
			}
			s.Sent(at(0.6), a, at(0.6)) // its row
			if n := len(s.sentTimes("")); n != 1 {
				s.Errorf("%d calls, want one", n)
			}
		}},
	} {
		tell(t, tt.name, Rules{}, tt.tell)
	}
}
