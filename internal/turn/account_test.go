package turn

import (
	"encoding/json"
	"testing"
	"time"
)

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

// Who looks up writes nothing, whenever it is and whatever there is.
func TestLookingUpWritesNothing(t *testing.T) {
	sc := normal(scenario{sessions: 6, calls: 4, rpm: 60, burst: 2, agents: .5, mute: true, rules: Rules{Budget: Budget{Calls: 30}, Interactive: true}})
	busy := newSim(sc, *seed0)
	for i := range 40 {
		busy.on(float64(i), func() { looksUp(t, busy.state, at(busy.now+.5), at(busy.now+3600)) })
	}
	busy.run()
	for _, written := range states {
		st := NewState()
		if json.Unmarshal([]byte(written), st) == nil && st.Check() == nil {
			st.Arrive(simEpoch, "here/1")
			looksUp(t, st, simEpoch, at(3600))
		}
	}
	looksUp(t, NewState(), simEpoch)
}

func looksUp(t *testing.T, st *State, times ...time.Time) {
	before := mustJSON(st)
	for _, now := range times {
		for _, id := range []string{"p", "unknown"} {
			p := st.Account(id)
			p.SetBack(now)
			p.Spending(now)
			for _, class := range []string{"", "unknown"} {
				p.Class(class).CoolDown.Unasked(now, everybody)
				p.CoolsUntil(now, class)
				for _, c := range append(append(p.Turns(class), p.Line(class)...), &Call{Key: Key{"unknown", "", class}}) {
					p.Held(now, c.Key)
					p.Granted(c.Key, c.Event)
					p.Holds(c.Key)
					p.Waits(c.Key)
					p.Knows(c.Key)
					p.Fades(c.Key)
				}
			}
		}
		st.Guessed()
		st.Local(Process{Host: "there/1"}, now)
		if err := st.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if after := mustJSON(st); after != before {
		t.Fatalf("the state was\n%s\nand is\n%s", before, after)
	}
}
