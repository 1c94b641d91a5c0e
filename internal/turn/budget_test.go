package turn

import (
	"math"
	"slices"
	"testing"
	"time"

	"afteryou/internal/limit"
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

// What every session asks for counts for all of them, and where no budget is asked for nothing is kept.
func TestBudgetIsOfAll(t *testing.T) {
	s := story{t, NewState().Open("p"), Rules{}}
	s.pace().Window = 100
	ask := func(sec float64, k Key, b Budget) {
		s.Ask(at(sec), Call{Key: k, Event: "e", Rules: Rules{Budget: b}})
		s.Admit(at(sec), everybody)
	}
	ask(0, a, Budget{})
	s.Sent(at(.1), a, at(.1))
	s.Succeeded(at(1), a)
	if _, _, ok := s.Spending(at(1)); ok {
		t.Error("there is a budget that nobody asked with")
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
	s.admit(6, 63.01) // not when a's call counts no more: c's counts as well
	s.admit(63.01, 0)
	s.holds("b/e")
	s.Sweep(at(1000), everybody, true)
	if s.Requests != nil || !s.Budgeted.IsZero() || s.Budget != (Budget{}) {
		t.Errorf("after a long time: %+v", s.Account)
	}
}

// The clock is put back by hours: nobody waits for them to come again.
func TestBudgetWhenTheClockJumps(t *testing.T) {
	here, _ := sites(t, 0)
	rules := Rules{Budget: Budget{Calls: 1}}
	here.ask(at(0), "a", rules)
	here.update(at(1), func(now time.Time, st *State) { st.Open("p").Succeeded(now, a) })
	here.ask(at(2), "b", rules)
	here.clock = -10 * time.Hour
	here.update(at(3), func(now time.Time, st *State) {
		if next := st.Open("p").Admit(now, everybody); next.After(now.Add(2 * time.Minute)) {
			t.Errorf("come back in %v", next.Sub(now))
		}
	})
}

// What a request looks like counts while nobody knows better, and bounds what it can give.
func TestSizeOfARequest(t *testing.T) {
	size := limit.Costs{Input: 20000, Output: 100}
	for _, test := range []struct {
		name string
		know func(s story)
		want limit.Costs
	}{
		{"nothing is known", func(story) {}, limit.Costs{Input: 20000}},
		{"first calls are", func(s story) { s.class("").First = limit.Costs{Input: 3000, Output: 700} }, limit.Costs{Input: 3000, Output: 100}},
		{"its own last is", func(s story) { s.made(-5, a, limit.Costs{Input: 500, Output: 60}) }, limit.Costs{Input: 500, Output: 60}},
		{"its own last told nothing", func(s story) { s.made(-5, a, limit.Costs{}) }, limit.Costs{Input: 20000}},
	} {
		tell(t, test.name, Rules{}, func(s story) {
			test.know(s)
			s.Ask(at(1), Call{Key: a, Event: "e", News: AtOnce, Size: size})
			if got, _ := s.expect(s.waiting(a)); got != test.want {
				s.Errorf("expected to take %v, want %v", got, test.want)
			}
		})
	}
	tell(t, "a first call waits until there is room for it", Rules{}, func(s story) {
		s.class("").Tokens.Input = limit.Bucket{Rate: 1000, Level: 5000, Top: 30000, At: at(0)}
		s.At = at(0)
		s.pace().Taken = 10
		s.Ask(at(0), Call{Key: a, Event: "e", News: AtOnce, Size: size})
		s.admit(0, 15)
		s.admit(15, 0)
		s.holds("a/e")
	})
}
