package turn

import (
	"math"
	"testing"
	"time"

	"afteryou/internal/fleet"
)

// shared is an account on a known limit of one call a second, with calls in line that wait for other machines too.
func shared(calls int) (*State, *Account) {
	s := NewState()
	a := s.Open("p")
	p := &a.class("").Pace
	p.Rate, p.Limit, p.Level, p.At, p.Used = 1, 1, 1, at(0), at(0)
	for i := range calls {
		a.Ask(at(1), Call{Key: Key{Session: string(rune('a' + i))}, Event: "e", News: AtOnce, Rules: Rules{Shared: true}})
	}
	return s, a
}

// meet is one exchange of the first in line.
func meet(a *Account, s float64, ticket string, ans fleet.Answer) fleet.Ask {
	ask := a.AskFleet(at(s), "", ticket)
	a.HeardFleet(at(s), "", ask, ans)
	return ask
}

// 1. Two wait. 2. The first is granted a call: it goes, the second waits for one of its own. 3. That one is told to wait and asks with
// the same ticket.
func TestACallOfAFleetNeedsAGrant(t *testing.T) {
	_, a := shared(2)
	if next := a.Admit(at(1), everybody); len(a.Turns("")) != 0 || next.IsZero() || !a.FleetDue(at(1), "", true).Equal(at(1)) {
		t.Fatalf("%d go unasked; next at %v", len(a.Turns("")), next)
	}
	if h, _ := a.Held(at(1), Key{Session: "a"}); h.Why != Elsewhere {
		t.Errorf("the first is held by %q", h.Why)
	}
	ask := meet(a, 1.1, "t1", fleet.Answer{Granted: true, Machines: 2, Demand: 4, Sent: 1, Belief: fleet.Belief{Version: 1, Rate: 1, Text: a.Class("").Pace.Teach()}})
	if ask.Ticket != "t1" || ask.Demand != 2 || ask.Rate != 1 || !ask.News {
		t.Errorf("it asked %+v", ask)
	}
	if a.Admit(at(1.1), everybody); !a.Granted(Key{Session: "a"}, "e") || a.Granted(Key{Session: "b"}, "e") {
		t.Fatal("the first has no turn, or the second has")
	}
	meet(a, 1.2, "t2", fleet.Answer{Wait: 700 * time.Millisecond, Ahead: 1, Line: 2, Machines: 2, Sent: 2})
	if due := a.FleetDue(at(1.2), "", true); !due.Equal(at(1.9)) {
		t.Errorf("it asks again at %v", due)
	}
	if ask := a.AskFleet(at(1.9), "", "t3"); ask.Ticket != "t2" || ask.Loose != 0 {
		t.Errorf("it asks again %+v", ask)
	}
}

// A call that nobody asks for goes by the pace, a second later.
func TestACallGoesThoughNobodyAsks(t *testing.T) {
	_, a := shared(1)
	if next := a.Admit(at(1), everybody); !next.Equal(at(2)) {
		t.Errorf("it is held until %v", next)
	}
	if a.Admit(at(2), everybody); len(a.Turns("")) != 1 {
		t.Error("it does not go")
	}
}

// 1. This machine has a third of all calls. 2. Nobody can be asked: it goes at a third of the pace, and asks seldom. 3. Who can be
// asked again says what the pace is. 4. Else a quiet minute later it is whole, as it is where the limit is shared no more.
func TestAMachineGoesOnAlone(t *testing.T) {
	s, a := shared(1)
	meet(a, 1, "", fleet.Answer{Machines: 3, Demand: 3, Belief: fleet.Belief{Version: 4, Rate: 1, Text: a.Class("").Pace.Teach()}})
	now := 2.0
	for i, want := range []float64{5, 10, 10, 10, 10, 10} {
		first := s.FleetFailed(at(now), .5)
		s.FleetFailed(at(now), .5) // another process, as late
		f := a.Class("").Fleet
		if first != (i == 0) || f.Broken.Sub(at(now)).Seconds() != want || math.Abs(a.Class("").Pace.Rate-1./3) > 1e-9 {
			t.Errorf("failure %d: new %v, until %v later, pace %.3f", i+1, first, f.Broken.Sub(at(now)), a.Class("").Pace.Rate)
		}
		now += want
	}
	a.Admit(at(now), everybody)
	if h, held := a.Held(at(now), Key{Session: "a"}); held && h.Why == Elsewhere {
		t.Error("a call waits for them")
	}
	if ask := a.AskFleet(at(now), "", "t"); ask.Rate != 1 || ask.News {
		t.Errorf("it tells its share for the pace: %+v", ask)
	}
	meet(a, now, "", fleet.Answer{Machines: 3, Demand: 3, Belief: fleet.Belief{Version: 9, Rate: 2, Text: `{"l":2}`}})
	if p := a.Class("").Pace; p.Rate != 2 || a.Class("").Fleet.Alone() {
		t.Errorf("the pace is %v", p.Rate)
	}
	s.FleetFailed(at(now), .5)
	a.Withdraw(at(now), Key{Session: "a"}, "e")
	a.Succeeded(at(now), Key{Session: "a"})
	if a.Sweep(at(now+200), everybody, true); a.Class("").Pace.Rate != 2 || a.Class("").Fleet.Alone() {
		t.Errorf("after a quiet minute: %+v", a.Class(""))
	}
}

// Whatever a server answers, the state can be true, and nobody is held for longer than the longest cool-down.
func FuzzFleetAnswer(f *testing.F) {
	f.Add(true, int64(5000), 3, 4, int64(1000), 7., 2, .5, 1., `{"l":0.5,"g":3}`)
	f.Add(false, int64(-1), -3, 1<<30, int64(1)<<60, 1e300, -2, -1., 1e9, `{`)
	f.Fuzz(func(t *testing.T, granted bool, wait int64, ahead, machines int, cool int64, sent float64, version int, rate, top float64, text string) {
		s, a := shared(2)
		a.Admit(at(1), everybody)
		for i := range 3 {
			meet(a, 1+float64(i), "t", fleet.Answer{Granted: granted, Wait: time.Duration(wait), Ahead: ahead, Line: machines, Machines: machines, Demand: machines,
				Cool: time.Duration(cool), Sent: sent, Belief: fleet.Belief{Version: version, Rate: rate, Top: top, Text: text}})
			a.Admit(at(1+float64(i)), everybody)
		}
		s.FleetFailed(at(5), .5)
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		if until := a.CoolsUntil(at(5), ""); until.After(at(4 + fleet.MostCool.Seconds())) {
			t.Errorf("it cools until %v", until)
		}
	})
}
