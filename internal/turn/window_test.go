package turn

import (
	"testing"
	"time"
)

// told says that so much of the 5 h window is used, which resets at a second.
func told(used, resets float64) []Told { return []Told{{Name: "5h", Used: used, ResetsAt: at(resets)}} }

func TestWindow(t *testing.T) {
	const end = 5 * 3600
	for _, test := range []struct {
		name   string
		run    func(a *Account)
		at     float64
		used   float64 // 0: nothing is known
		usedUp float64 // 0: nobody can say
	}{
		{"what one answer says is known, and no pace", func(a *Account) { a.Windowed(at(0), at(0), told(.3, end)) }, 1, .3, 0},
		{"what is used goes on as it did", func(a *Account) {
			a.Windowed(at(0), at(0), told(.3, end))
			a.Windowed(at(600), at(599), told(.4, end))
		}, 601, .4, 600 + 3600},
		{"two steps of one in a hundred are no pace", func(a *Account) {
			a.Windowed(at(0), at(0), told(.3, end))
			a.Windowed(at(600), at(599), told(.31, end))
		}, 601, .31, 0},
		{"it lasts where it resets before", func(a *Account) {
			a.Windowed(at(0), at(0), told(.3, end))
			a.Windowed(at(3600), at(3599), told(.35, end))
		}, 3601, .35, 0},
		{"the present pace is that of the last quarter of an hour or two", func(a *Account) {
			for i := range 20 { // nothing for long, then six in a hundred a minute
				a.Windowed(at(float64(i*600)), at(float64(i*600)), told(.1, end))
			}
			for i := range 10 {
				a.Windowed(at(12000+float64(i*60)), at(12000+float64(i*60)), told(.1+float64(i)*.06, end))
			}
		}, 12541, .64, 12540 + .36/.54*(12540-10800)},
		{"an answer that comes late says what was", func(a *Account) {
			a.Windowed(at(10), at(9), told(.5, end))
			a.Windowed(at(11), at(2), told(.4, end))
		}, 12, .5, 0},
		{"less is believed of a call that was sent since", func(a *Account) {
			a.Windowed(at(10), at(9), told(1, end))
			a.Windowed(at(20), at(15), told(.2, end))
		}, 21, .2, 0},
		{"after its reset nothing is known", func(a *Account) { a.Windowed(at(0), at(0), told(1, 100)) }, 100, 0, 0},
		{"the next window begins anew", func(a *Account) {
			a.Windowed(at(0), at(0), told(.2, 600))
			a.Windowed(at(300), at(300), told(.9, 600))
			a.Windowed(at(700), at(700), told(.01, 700+end))
		}, 701, .01, 0},
		{"one of before says nothing", func(a *Account) {
			a.Windowed(at(700), at(700), told(.01, 700+end))
			a.Windowed(at(701), at(500), told(1, 750))
		}, 702, .01, 0},
		{"what is no window, or has no reset, is none", func(a *Account) {
			a.Windowed(at(0), at(0), []Told{{"overage", .5, at(end)}, {"5h", .5, time.Time{}}, {"7d", -1, at(end)}})
		}, 1, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewState()
			a := s.Open("p")
			test.run(a)
			w, known := a.Window(at(test.at), "5h")
			if known != (test.used > 0) || known && w.Used != test.used {
				t.Errorf("used %v, %v; want %v", w.Used, known, test.used)
			}
			up := w.UsedUp()
			if up.IsZero() != (test.usedUp == 0) || !up.IsZero() && up.Sub(at(test.usedUp)).Abs() > time.Second {
				t.Errorf("used up %v after the begin, want %v s", up.Sub(at(0)), test.usedUp)
			}
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Once only the reserve is left, calls of -p are held until the reset, and those of people are not, nor what others' work waits for.
func TestReserve(t *testing.T) {
	rules := Rules{Reserve: .2}
	call := func(k Key, print bool, rank Rank) Call {
		return Call{Key: k, Event: "e", Rules: rules, Print: print, Rank: rank, News: AtOnce}
	}
	tell(t, "held", rules, func(s story) {
		s.pace().Taken = singles + 1 // two may be on trial
		s.Windowed(at(0), at(0), told(.79, 3600))
		s.Ask(at(1), call(a, true, Normal))
		if s.Admit(at(1), everybody); !s.Holds(a) {
			t.Fatal("it is held before the reserve")
		}
		s.Succeeded(at(2), a)
		s.Windowed(at(2), at(2), told(.8, 3600))
		s.Ask(at(3), call(a, true, Normal))
		s.Ask(at(4), call(b, false, Normal))
		s.Ask(at(4), call(c, true, Urgent))
		if next := s.Admit(at(4), everybody); s.Holds(a) || !s.Holds(b) || !s.Holds(c) || !next.Equal(at(3600)) {
			t.Errorf("turns of a, b, c: %v, %v, %v; next %v", s.Holds(a), s.Holds(b), s.Holds(c), next)
		}
		if h, ok := s.Held(at(5), a); !ok || h != (Hold{at(3600), Reserved}) {
			t.Errorf("held by %+v, %v", h, ok)
		}
		if s.Admit(at(3600), everybody); !s.Holds(a) {
			t.Error("it is held after the reset")
		}
	})
}

// For a while after a reset those who wait at a terminal go before -p, three of four.
func TestInteractiveFirstAfterAReset(t *testing.T) {
	tell(t, "order", Rules{}, func(s story) {
		s.Windowed(at(0), at(0), told(1, 100))
		s.paced(101, .1)
		s.Ask(at(101), Call{Key: a, Event: "e", Print: true})
		s.Ask(at(102), Call{Key: b, Event: "e"})
		for sec, first := range map[float64]Key{103: b, 500: a} {
			s.At = at(sec)
			if line := s.Line(""); line[0].Key != first {
				t.Errorf("at %v s %v goes first", sec, line[0].Key)
			}
		}
	})
}

// When somebody may start who waits for quota: a window that is used up, or a usage limit that no window tells of.
func TestSpent(t *testing.T) {
	for name, test := range map[string]struct {
		run   func(a *Account)
		share float64
		until float64
	}{
		"nothing is known":       {func(*Account) {}, 1, 0},
		"there is some":          {func(a *Account) { a.Windowed(at(0), at(0), told(.9, 100)) }, 1, 0},
		"that is the reserve":    {func(a *Account) { a.Windowed(at(0), at(0), told(.9, 100)) }, .9, 100},
		"it is used up":          {func(a *Account) { a.Windowed(at(0), at(0), told(1.02, 100)) }, 1, 100},
		"the later of two":       {func(a *Account) { a.Windowed(at(0), at(0), append(told(1, 100), Told{"7d", 1, at(900)})) }, 1, 900},
		"a usage limit of hours": {func(a *Account) { a.Limited(at(0), "", at(7200), UsageLimit) }, 1, 7200},
		"one of a minute":        {func(a *Account) { a.Limited(at(0), "opus-5", at(60), UsageLimit) }, 1, 60},
		"a rate limit is none":   {func(a *Account) { a.Limited(at(0), "", at(60), "rate limit") }, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var a Account
			test.run(&a)
			until := a.Spent(at(1), test.share)
			if want := at(test.until); until.IsZero() != (test.until == 0) || !until.IsZero() && !until.Equal(want) {
				t.Errorf("until %v, want %v", until, want)
			}
			if until := a.Spent(at(8000), test.share); !until.IsZero() {
				t.Errorf("later: until %v", until)
			}
		})
	}
}

// A session is told once that a window nears its end, and again only in the next.
func TestNearsItsEnd(t *testing.T) {
	var a Account
	var one Session
	for _, step := range []struct {
		sec, used, resets float64
		told              bool
	}{{0, .89, 3600, false}, {1, .9, 3600, true}, {2, .95, 3600, false}, {3, 1, 3600, false}, {3700, .3, 9000, false}, {3800, .93, 9000, true}} {
		a.Windowed(at(step.sec), at(step.sec), told(step.used, step.resets))
		w, ok := one.NearsEnd(at(step.sec), &a)
		if ok != step.told || ok && (w.Used != step.used || w.Name != "5h") {
			t.Errorf("at %g: %+v, %v", step.sec, w, ok)
		}
	}
}

// What a window rejects says nothing of the pace.
func TestAWindowIsNoPace(t *testing.T) {
	tell(t, "rejected", Rules{}, func(s story) {
		s.askFromGateway(0, a)
		s.Sent(at(0), a, at(0))
		s.Rejected(at(.1), a, Rejection{In: 40 * time.Second, Limit: true, Window: true})
		l := s.Class("")
		if l.Pace.Rate != 0 || !l.CoolDown.Until.Equal(at(40.1)) || l.CoolDown.Why != UsageLimit {
			t.Errorf("pace %v, cool-down %+v", l.Pace.Rate, l.CoolDown)
		}
	})
}
