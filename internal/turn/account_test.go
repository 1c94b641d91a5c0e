package turn

import "testing"

// Calls that are told apart by class and those that are not have one budget and cool down together; two classes do not.
func TestClasses(t *testing.T) {
	s := story{t, NewState().Open("p"), Rules{}}
	s.Limited(at(0), "opus", at(10), "x")
	of := func(k Key, class string) Key { return Key{k.Session, k.Agent, class} }
	for _, c := range []Call{{Key: of(a, "haiku")}, {Key: a, Model: "haiku"}, {Key: b, Model: "opus"}} {
		c.Event = "e"
		s.Ask(at(1), c)
	}
	s.admit(1, 10)
	if got := names(s.Turns("haiku")); got != "a/e" {
		t.Errorf("of haiku turns of %q, want a/e", got)
	}
	s.holds("a/e")
	s.queue("b/e")
	s.admit(10, 0)
	s.holds("a/e b/e")
	s.Limited(at(11), "", at(20), "y")
	s.Ask(at(12), Call{Key: of(c, "opus"), Event: "e", Rules: Rules{Budget: Budget{Calls: 5}}})
	s.admit(12, 20)
	s.admit(20, 0)
	if took, _, _ := s.Spending(at(21)); took.Calls != 4 {
		t.Errorf("%v calls, want 4: those of all classes and of none", took.Calls)
	}
}
