package turn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// In no minute do more calls come to the server than the budget says, however late transcripts are read and turns are
// used. Tokens go beyond theirs by no more than calls took beyond what their key's calls took before; and the
// budget is used.
func TestBudgets(t *testing.T) {
	t.Parallel()
	for name, sc := range map[string]scenario{
		"calls":                    {rules: Rules{Budget: Budget{Calls: 30}}},
		"calls, at the gateway":    {rules: Rules{Budget: Budget{Calls: 30}}, gateway: true, headers: 1},
		"calls, short":             {rules: Rules{Budget: Budget{Calls: 20}}, latency: .3, tool: .3},
		"calls, long":              {rules: Rules{Budget: Budget{Calls: 5}}, latency: 100, calls: 4},
		"calls, reports late":      {rules: Rules{Budget: Budget{Calls: 30}}, drowsy: .5},
		"calls, no rows":           {rules: Rules{Budget: Budget{Calls: 30}}, norows: true},
		"calls, subagents":         {rules: Rules{Budget: Budget{Calls: 30}}, agents: .4},
		"calls, a call late":       {rules: Rules{Budget: Budget{Calls: 4}}, calls: 4},
		"tokens":                   {rules: Rules{Budget: Budget{Input: 100000}}},
		"tokens, at the gateway":   {rules: Rules{Budget: Budget{Input: 100000}}, gateway: true, headers: 1},
		"tokens, unlike sessions":  {rules: Rules{Budget: Budget{Input: 100000}}, unlike: true},
		"tokens, reports late":     {rules: Rules{Budget: Budget{Input: 100000}}, drowsy: .2},
		"less than what one takes": {rules: Rules{Budget: Budget{Input: 2000}}, calls: 2, sessions: 3},
		"both":                     {rules: Rules{Budget: Budget{Calls: 30, Input: 100000}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc.class, sc.rpm, sc.burst = name, 10000, 10000
			sc = normal(sc)
			if name == "calls, a call late" {
				sc.lag = 90
			}
			for seed := range *seeds {
				s := newSim(sc, *seed0+seed).run()
				for _, f := range s.faults {
					t.Errorf("seed %d: %s", seed, f)
				}
				if s.rejected > 0 || s.left > 0 {
					t.Errorf("seed %d: %d rejections, %d sessions did not end", seed, s.rejected, s.left)
				}
				fullest(t, s)
			}
		})
	}
}

// fullest holds the fullest minute of a run to the budget.
func fullest(t *testing.T, s *sim) {
	t.Helper()
	b := s.rules.Budget
	slices.Sort(s.tries)
	slices.SortFunc(s.took, func(a, b *simCall) int { return int(math.Copysign(1, a.came-b.came)) })
	most, from := 0, 0
	for to := range s.tries {
		for s.tries[from] <= s.tries[to]-60 {
			from++
		}
		most = max(most, to-from+1)
	}
	if b.Calls > 0 && float64(most) > b.Calls {
		t.Errorf("%d calls in a minute, the budget is %g", most, b.Calls)
	}
	if b.Calls > 0 && b.Input == 0 && s.lag < 10 && float64(most) < b.Calls && len(s.tries) > int(b.Calls) {
		t.Errorf("never more than %d calls in a minute, the budget is %g", most, b.Calls)
	}
	if b.Input == 0 {
		return
	}
	from = 0
	took, beyond, worst := 0.0, 0.0, 0.0
	for _, c := range s.took {
		took += c.cost
		beyond += max(0, c.cost-c.thought)
		for ; s.took[from].came <= c.came-60; from++ {
			took -= s.took[from].cost
			beyond -= max(0, s.took[from].cost-s.took[from].thought)
		}
		worst = max(worst, took)
		if took > b.Input+beyond+1e-6 {
			t.Errorf("at %.1f s: %.0f tokens in a minute, the budget is %g, calls took %.0f more than expected", c.came, took, b.Input, beyond)
		}
	}
	t.Logf("at most %d calls and %.0f tokens in a minute", most, worst)
}

// Interactive sessions go first, and neither kind waits for ever: a call of -p is given the turn at the latest when each
// of -p before it and itself let three pass; an interactive one, when each three before it let one pass.
func TestPriority(t *testing.T) {
	t.Parallel()
	for seed := range 200 * *seeds {
		r := rand.New(rand.NewPCG(seed, 3))
		p := NewState().Pool("p")
		type wait struct {
			ahead [2]int // of each kind, when it asked
			given int    // turns since
			print bool
		}
		waiting := map[string]*wait{}
		rules := Rules{Most: 1 + r.IntN(3), Interactive: true}
		prints := r.Float64()
		now, n := 0.0, 0
		for range 300 {
			now += r.Float64()
			if r.Float64() < .5 {
				n++
				k := Key{Session: string(rune('a'+n%26)) + string(rune('a'+n/26))}
				w := &wait{print: r.Float64() < prints}
				for _, q := range p.Queue {
					if q.Print {
						w.ahead[1]++
					} else {
						w.ahead[0]++
					}
				}
				waiting[k.Session] = w
				p.Ask(at(now), Ticket{Key: k, Print: w.print})
			} else if len(p.Grants) > 0 {
				p.Succeeded(at(now), p.Grants[r.IntN(len(p.Grants))].Key)
			}
			for {
				had := len(p.Grants)
				one := rules
				one.Most = min(rules.Most, had+1) // one by one, to see who is next
				p.Pace = Pace{Window: 1000}
				p.Admit(at(now), one)
				if len(p.Grants) == had {
					break
				}
				g := p.Grants[len(p.Grants)-1]
				w := waiting[g.Session]
				delete(waiting, g.Session)
				for _, w := range waiting {
					w.given++
				}
				most := (w.ahead[1]+1)*(share+1) - 1
				if !w.print {
					most = w.ahead[0] + w.ahead[0]/share + 1
				}
				if w.given > most {
					t.Fatalf("seed %d: %v (print %v) waited for %d turns, with %v before it; want at most %d", seed, g.Session, w.print, w.given, w.ahead, most)
				}
			}
		}
	}
}

// What every session asks for counts for all of them, and where no budget is asked for nothing is kept.
func TestAccount(t *testing.T) {
	s := story{t, NewState().Pool("p")}
	s.Pace.Window = 100
	ask := func(sec float64, k Key, b Budget) {
		s.Ask(at(sec), Ticket{Key: k, Event: "e", Budget: b})
		s.Admit(at(sec), Rules{})
	}
	ask(0, a, Budget{})
	s.Sent(at(.1), a, at(.1))
	s.Succeeded(at(1), a)
	if _, _, ok := s.Spending(at(1)); ok || len(s.Account.Calls) > 0 {
		t.Error("an account is kept without a budget")
	}
	ask(2, b, Budget{Calls: 2})
	s.Sent(at(2.1), b, at(2.1))
	s.Succeeded(at(3), b)
	if took, of, ok := s.Spending(at(3)); !ok || took.Calls != 2 || of.Calls != 2 {
		t.Errorf("spent %v of %v, %v; want 2 calls of 2: what came before the budget counts", took, of, ok)
	}
	ask(4, b, Budget{Calls: 2})
	s.queue("b/e")
	ask(5, c, Budget{})
	s.holds("c/e") // has no budget, and is not held by another's
	s.queue("b/e")
	s.Ended(at(5.1), c)
	s.admit(6, Rules{}, 63.01) // not when a's call counts no more: c's counts as well
	s.admit(63.01, Rules{}, 0)
	s.holds("b/e")
	s.Sweep(at(1000), func(Process) bool { return true })
	if s.Account.Calls != nil || !s.Account.Asked.IsZero() {
		t.Errorf("after a long time: %+v", s.Account)
	}
}

// The clock is put back by hours: nobody waits for them to come again.
func TestBudgetWhenTheClockJumps(t *testing.T) {
	s := story{t, NewState().Pool("p")}
	s.Ask(at(0), Ticket{Key: a, Event: "e", Budget: Budget{Calls: 1}})
	s.Admit(at(0), Rules{})
	s.Succeeded(at(1), a)
	s.Ask(at(2), Ticket{Key: b, Event: "e", Budget: Budget{Calls: 1}})
	back := at(2).Add(-10 * time.Hour)
	s.Sweep(back, everybody)
	if next := s.Admit(back, Rules{}); next.After(back.Add(2 * time.Minute)) {
		t.Errorf("come back in %v", next.Sub(back))
	}
}

// A class of a pool and the pool share an account and cool down together; two classes do not.
func TestClasses(t *testing.T) {
	st := NewState()
	opus, haiku := st.Pool(ClassPool("p", "opus")), st.Pool(ClassPool("p", "haiku"))
	p := st.Pool("p")
	opus.Limited(at(0), at(10), "x")
	ask := func(p *Pool, k Key, t Ticket) {
		t.Key, t.Event = k, "e"
		p.Ask(at(1), t)
		p.Admit(at(1), Rules{})
	}
	ask(haiku, a, Ticket{})
	ask(p, a, Ticket{Class: "haiku"})
	ask(p, b, Ticket{Class: "opus"})
	story{t, haiku}.holds("a/e")
	story{t, p}.holds("a/e")
	story{t, p}.queue("b/e")
	story{t, p}.admit(2, Rules{}, 10)
	story{t, p}.admit(10, Rules{}, 0)
	p.Limited(at(11), at(20), "y")
	opus.Ask(at(12), Ticket{Key: c, Event: "e", Budget: Budget{Calls: 5}})
	story{t, opus}.admit(12, Rules{}, 20)
	story{t, opus}.admit(20, Rules{}, 0)
	if took, _, _ := p.Spending(at(21)); took.Calls != 4 {
		t.Errorf("%v calls, want 4: those of all classes and of none", took.Calls)
	}
}

// Where a session is said to stand is when its turn comes.
func TestLineIsTheOrderInWhichTurnsAreGiven(t *testing.T) {
	t.Parallel()
	for seed := range 100 * *seeds {
		r := rand.New(rand.NewPCG(seed, 4))
		p := NewState().Pool("p")
		rules := Rules{Most: 1, Interactive: r.Float64() < .8}
		prints := r.Float64()
		p.Ahead = r.IntN(share + 1)
		for i := range r.IntN(20) {
			p.Ask(at(0), Ticket{Key: Key{Session: fmt.Sprint(i)}, Print: r.Float64() < prints})
		}
		line := slices.Clone(p.Line(rules))
		for i, want := range line {
			if place, ok := p.Place(want.Key, rules); place != 1 || !ok {
				t.Fatalf("seed %d: %v is next after %d turns, and its place is %d, %v", seed, want.Key, i, place, ok)
			}
			p.Pace = Pace{Window: mostTries - 1}
			if p.Admit(at(0), rules); len(p.Grants) != 1 || p.Grants[0].Key != want.Key {
				t.Fatalf("seed %d: turn %d of %d is %+v's, and in the line it was %v's", seed, i+1, len(line), p.Grants, want.Key)
			}
			p.Succeeded(at(0), want.Key)
		}
		if len(p.Queue) > 0 {
			t.Fatalf("seed %d: %d stand in no line", seed, len(p.Queue))
		}
	}
}
