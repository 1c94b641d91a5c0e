package turn

import (
	"testing"
	"time"

	"afteryou/internal/limit"
)

func (s story) askRanked(sec float64, k Key, event string, r Rank) {
	s.Ask(at(sec), Call{Key: k, Event: event, News: AtOnce, Rank: r, Rules: s.rules})
}

func (s story) line(want string) {
	s.Helper()
	if got := names(s.Line("")); got != want {
		s.Errorf("the line is %q, want %q", got, want)
	}
}

func TestRanks(t *testing.T) {
	prefer := Rules{Interactive: true}
	for _, test := range []struct {
		name  string
		rules Rules
		run   func(s story)
	}{
		{"urgent calls go before all, the last after all, each in the order of asking", Rules{}, func(s story) {
			s.paced(0, .5)
			s.askRanked(0, a, "title", Last)
			s.askRanked(0, b, "title", Last)
			s.askRanked(1, a, "main", Normal)
			s.askRanked(1, b, "main", Normal)
			s.askRanked(1, c, "check", Urgent)
			s.askRanked(1, agent, "check", Urgent)
			s.line("c/check a1/check a/main b/main a/title b/title")
			s.admit(2, 4.01)
			s.holds("c/check")
		}},
		{"who is to go last goes at once where nobody waits", Rules{}, func(s story) {
			s.askRanked(0, a, "title", Last)
			s.admit(0, 0)
			s.holds("a/title")
		}},
		{"after a minute the last stands where it asked", Rules{}, func(s story) {
			s.paced(0, .5)
			s.askRanked(0, a, "title", Last)
			s.askRanked(0, b, "main", Normal)
			s.line("b/main a/title")
			s.pace().Level, s.pace().At = -1, at(59)
			s.askRanked(59.9, c, "main", Normal)
			s.line("b/main c/main a/title")
			s.sweep(60, everybody)
			s.line("a/title b/main c/main")
		}},
		{"an urgent call goes before one that was rejected, which goes before all others", Rules{}, func(s story) {
			s.paced(0, .5)
			s.pace().Level = 1
			for _, k := range []Key{a, b} {
				s.askRanked(0, k, "main", Normal)
			}
			s.admit(0, 2.01)
			s.Rejected(at(.1), a, Rejection{In: time.Second, Limit: true})
			s.askRanked(.2, c, "check", Urgent)
			s.line("c/check a/main b/main")
		}},
		{"a title that was rejected is still the last", Rules{}, func(s story) {
			s.askRanked(0, a, "title", Last)
			s.admit(0, 0)
			s.askRanked(0, b, "main", Normal)
			s.Rejected(at(.1), a, Rejection{In: time.Second, Limit: true})
			s.line("b/main a/title")
		}},
		{"neither an urgent call nor a title counts as one that lets -p wait", prefer, func(s story) {
			s.pace().Taken = 120
			ask := func(k Key, print bool, r Rank) {
				s.Ask(at(0), Call{Key: k, Event: "e", News: AtOnce, Rank: r, Print: print, Rules: s.rules})
			}
			ask(Key{Session: "p", Agent: "title"}, true, Last)
			ask(Key{Session: "p"}, true, Normal)
			ask(Key{Session: "x", Agent: "check"}, false, Urgent)
			for _, k := range []Key{a, b, c, agent} {
				ask(k, false, Normal)
			}
			s.line("xcheck/e a/e b/e c/e p/e a1/e ptitle/e")
		}},
		{"an urgent call is held by its budget as any other, and those with one behind it", Rules{Budget: Budget{Calls: 1}}, func(s story) {
			s.askRanked(0, a, "main", Normal)
			s.admit(0, 0)
			s.Succeeded(at(1), a)
			s.askRanked(2, b, "main", Normal)
			s.askRanked(2, c, "check", Urgent)
			s.line("c/check b/main")
			s.admit(2, 61.01)
			s.sweep(61.01, everybody)
			s.admit(61.01, 62.01)
			s.holds("c/check")
		}},
		{"one call at a time: the urgent one is the next", strict, func(s story) {
			s.askRanked(0, a, "main", Normal)
			s.admit(0, 0)
			s.askRanked(1, b, "main", Normal)
			s.askRanked(2, Key{Session: "a", Agent: "check"}, "check", Urgent)
			s.Succeeded(at(3), a)
			s.admit(3, 123)
			s.holds("acheck/check")
		}},
	} {
		tell(t, test.name, test.rules, test.run)
	}
}

// However many urgent and ordinary calls come, a title has its turn a minute after it asked, and what stood before it then.
func TestNobodyWaitsForever(t *testing.T) {
	s := story{t, NewState().Open("p"), Rules{}}
	s.askRanked(0, a, "title", Last)
	for i := range 200 {
		sec := float64(i)
		s.askRanked(sec, b, string(rune('0'+i)), Normal)
		*s.pace() = limit.Pace{Rate: 1, Level: 1, At: at(sec), Used: at(sec)}
		s.Admit(at(sec), everybody)
		if s.Granted(a, "title") {
			if sec != 60 {
				t.Errorf("the title had its turn after %g s, want 60", sec)
			}
			return
		}
	}
	t.Error("the title never had its turn")
}
