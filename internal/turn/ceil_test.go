package turn

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seeds = flag.Uint64("seeds", 0, "so many seeds per scenario; 0: 8, and with -short 2")
	seed0 = flag.Uint64("seed", 1000, "the first of them")
	wide  = flag.Bool("wide", false, "the whole grid of scenarios, not its representatives")
)

func TestMain(m *testing.M) {
	if flag.Parse(); *seeds == 0 {
		*seeds = 8
		if testing.Short() {
			*seeds = 2
		}
	}
	os.Exit(m.Run())
}

// runAll runs every scenario with every seed on a few goroutines; results[i] are scenario i's.
func runAll(list []scenario) [][]result {
	results := make([][]result, len(list))
	var wg sync.WaitGroup
	next := make(chan int)
	for range 2 {
		wg.Go(func() {
			for i := range next {
				for k := range *seeds {
					results[i] = append(results[i], runSim(list[i], *seed0+k))
				}
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// summary is what a class of scenarios comes to.
type summary struct {
	ratio, worstRatio, rejections, worstRejections, jain, leastJain, recovery float64
	rejected, urgent, early                                                   float64
	dead, deepest, runs                                                       int
}

func summarise(results []result) (s summary) {
	s.leastJain = 1
	recoveries := 0.0
	for _, r := range results {
		n := float64(len(results))
		s.runs++
		s.ratio += r.ratio / n
		s.worstRatio = max(s.worstRatio, r.ratio)
		s.rejections += r.rejections / n
		s.worstRejections = max(s.worstRejections, r.rejections)
		s.jain += r.jain / n
		s.leastJain = min(s.leastJain, r.jain)
		s.rejected = max(s.rejected, float64(r.rejected))
		s.urgent = max(s.urgent, r.urgent)
		s.early += float64(r.early) / n
		s.dead += r.dead
		s.deepest = max(s.deepest, r.deepest)
		if !math.IsNaN(r.recovery) {
			s.recovery += r.recovery
			recoveries++
		}
	}
	s.recovery /= max(1, recoveries)
	return s
}

func (s summary) String() string {
	return fmt.Sprintf("%6.3f %6.2f %7.3f %6.2f %6.3f %6.3f %5.0f %4d %4d %5d %4.0f %6.1f %5.2f", s.ratio, s.worstRatio, s.rejections, s.worstRejections, s.jain, s.leastJain, s.recovery, s.dead, s.deepest, s.runs, s.rejected, s.urgent, s.early)
}

const summaryHead = " ratio  worst 429/ans  worst   Jain  least recov dead deep  runs 429s urgent early"

func table(list []scenario, results [][]result) string {
	var names []string
	classes := map[string][]result{}
	for i, sc := range list {
		name := "hook     "
		if sc.gateway {
			name = "gateway  "
		} else if sc.native {
			name = "native   "
		}
		name += sc.class
		if classes[name] == nil {
			names = append(names, name)
		}
		classes[name] = append(classes[name], results[i]...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-38s %s\n", "", summaryHead)
	for _, name := range names {
		fmt.Fprintf(&b, "%-38s %v\n", name, summarise(classes[name]))
	}
	return b.String()
}

// bound is what a class of scenarios must stay within; 0: anything.
type bound struct {
	ratio, worstRatio, rejections, worstRejections, recovery float64
}

const none = 1e-9 // as a bound: not one

var bounds = map[string]bound{
	"burst 1":                          {1.22, 1.7, .12, .25, 0},
	"burst 5 and more":                 {1.10, 0, .10, 0, 0},
	"short calls":                      {0, 1.28, 0, .30, 0},
	"generous":                         {1.02, 1.05, none, none, 0},
	"limit to a third and back":        {0, 1.5, 0, 0, 100},
	"unseen consumer":                  {1.06, 0, 0, 0, 0},
	"token bucket":                     {1.22, 0, 0, 0, 0},
	"tokens, unlike sessions":          {1.10, 0, .15, 0, 0},
	"subagents":                        {1.15, 0, .12, 0, 0},
	"calls without a gate":             {1.10, 0, .20, 0, 0},
	"reports 10 s late":                {1.20, 0, .20, 0, 0},
	"late news of rejections":          {1.15, 0, .15, 0, 0},
	"slow starts":                      {1.50, 0, .20, 0, 0},
	"limits that are named":            {1.10, 0, .06, 0, 0},
	"outage of a minute":               {1.45, 0, .50, 0, 0},
	"limit to a third and back, named": {0, 1.5, .06, 0, 100},
	"unseen consumer, named":           {1.06, 0, .10, 0, 0},
	"no api-request rows":              {1.15, 0, .12, 0, 0},
	"late headers":                     {1.05, 1.10, .05, .10, 0},
	"late headers, counted late":       {1.05, 1.10, .05, .10, 0},
	"late headers, far away":           {1.08, 1.20, .06, .15, 0},
	"headers that lie":                 {1.15, 1.60, .15, .30, 0},
	"headers of twice the limit":       {1.08, 1.20, .15, .30, 0},
	"remembered pace x1":               {1.22, 0, .12, 0, 0},
	"remembered pace x2":               {1.22, 0, .12, 0, 0},
	"module, first contact":            {1.05, 1.12, .08, .12, 0},
	"module, limit known":              {1.03, 1.09, .015, .07, 0},
	"module, limit unnamed":            {1.05, 1.09, .09, .17, 0},
	"module, unnamed again":            {1.05, 1.09, .02, .07, 0},
	"module, limit cut":                {1.05, 1.12, .07, .11, 0},
	"module, a cloud":                  {1.08, 1.20, .12, 0, 0},
	"module, mum servers":              {1.08, 1.25, .12, 0, 0},
	"module, generous":                 {1.09, 1.12, none, none, 0}, // half a second, once
	"module, tokens":                   {1.03, 1.06, .25, 0, 0},
	"steps, first contact":             {1.09, 1.20, .09, .23, 0},
	"steps, calls beside":              {1.25, 1.90, .60, 1.5, 0},
	"steps, limit cut":                 {1.60, 2.50, .20, .30, 0},
	"steps, generous":                  {1.18, 0, none, none, 0},
	"second run, told":                 {1.035, 1.10, .015, .08, 0},
	"second run, unnamed":              {1.05, 1.15, .03, 0, 0},
	"a day later, told":                {1.035, 1.10, .015, .08, 0},
	"a day later, unnamed":             {1.06, 0, .03, 0, 0},
	"a day later, room for all":        {1.11, 1.30, none, none, 0},
	"halved overnight, told":           {1.04, 1.12, 0, 0, 300}, // 60 s, as all of them are at a gateway
	"halved overnight, unnamed":        {1.06, 1.20, 0, 0, 300},
	"doubled overnight, told":          {1.02, 1.06, .002, 0, 300},
	"doubled overnight, unnamed":       {0, 0, .08, 0, 300},
	"start tier":                       {1.05, 1.10, .02, .06, 0},
	"start tier, busy":                 {1.05, 1.15, .02, .06, 0},
	"caches that expire":               {1.20, 1.45, .02, .06, 0},
	"bedrock":                          {1.10, 0, .12, .15, 0},
	"auto mode":                        {1.04, 0, .02, 0, 0},
	"auto mode, module":                {1.04, 0, .02, 0, 0},
}

// early bounds how many calls are rejected in the first minute of a day on which the limit is another, on average.
var early = map[string]float64{"halved overnight, told": 2, "halved overnight, unnamed": 5, "doubled overnight, told": none, "doubled overnight, unnamed": 6}

// TestCeil holds the policy to its bounds in every class of scenarios. -v prints the table; -seeds, -seed and -wide
// look at more.
func TestCeil(t *testing.T) {
	t.Parallel()
	list := scenarios()
	results := runAll(list)
	t.Log("\n" + table(list, results))
	type kind struct {
		class   string
		gateway bool
	}
	classes := map[kind][]result{}
	for i, sc := range list {
		k := kind{sc.class, sc.gateway}
		classes[k] = append(classes[k], results[i]...)
		for j, r := range results[i] {
			seed := *seed0 + uint64(j)
			for _, f := range r.faults {
				t.Errorf("%s, seed %d: %s", sc.name, seed, f)
			}
			worst := func(what string, got, want float64) {
				if want > 0 && got > want {
					t.Errorf("%s, seed %d: %s %.3f, want at most %.3g", sc.name, seed, what, got, want)
				}
			}
			most := bounds[sc.class]
			worst("time to finish / ideal", r.ratio, most.worstRatio)
			worst("rejections per answer", r.rejections, most.worstRejections)
			worst("sessions died", float64(r.dead), none)
			worst("retries of one call", float64(r.deepest), 9)
			per := 1000.0
			if sc.auto {
				per *= 2 // and as many keys
			}
			worst("bytes of state", float64(r.size), per*float64(sc.sessions)+10000)
			if sc.auto && !sc.rankless && r.urgent > 10 {
				t.Errorf("%s, seed %d: a check waited for %.1f paces, want 10 at most", sc.name, seed, r.urgent)
			}
			if r.jain < .90 {
				t.Errorf("%s, seed %d: Jain index of the finishing times %.3f, want at least 0.90", sc.name, seed, r.jain)
			}
		}
	}
	for k, results := range classes {
		got, most := summarise(results), bounds[k.class]
		if k.gateway {
			most.recovery /= 5
		}
		mean := func(what string, got, want float64) {
			if want > 0 && got > want {
				t.Errorf("%s, gateway %v: mean %s %.3f, want at most %.3g", k.class, k.gateway, what, got, want)
			}
		}
		mean("time to finish / ideal", got.ratio, most.ratio)
		mean("rejections per answer", got.rejections, most.rejections)
		mean("recovery in seconds", got.recovery, most.recovery)
		mean("rejections in the first minute", got.early, early[k.class])
		if k.class == "caches that expire" && got.jain < .97 {
			t.Errorf("%s: mean Jain index %.3f, want at least 0.97 though some go before others", k.class, got.jain)
		}
	}
}

// Alone, Claude Code does worse where the limit is felt: that is what turns are for.
func TestWithoutTurns(t *testing.T) {
	t.Parallel()
	var list, alone []scenario
	for _, sc := range scenarios() {
		if sc.class == "short calls" && !sc.gateway {
			list = append(list, sc)
			sc.native = true
			alone = append(alone, normal(sc))
		}
	}
	with, without := runAll(list), runAll(alone)
	t.Log("\n" + table(append(list, alone...), append(slices.Clone(with), without...)))
	for i, sc := range list {
		turns, native := summarise(with[i]), summarise(without[i])
		if turns.ratio >= native.ratio || turns.rejections >= native.rejections/4 || turns.leastJain <= native.leastJain {
			t.Errorf("%s:\n%s\nwith turns\n%v\nalone\n%v", sc.name, summaryHead, turns, native)
		}
	}
}

// Strict turns keep to one call at a time and finish, however generous the key.
func TestStrict(t *testing.T) {
	t.Parallel()
	for _, sc := range []scenario{
		{class: "strict", sessions: 4, calls: 5, rpm: 1000, burst: 1000, latency: 2, rules: strict},
		{class: "strict", sessions: 6, calls: 5, rpm: 30, burst: 1, latency: .3, rules: strict},
		{class: "two at a time", sessions: 6, calls: 5, rpm: 60, burst: 5, rules: Rules{Most: 2}},
		{class: "gap", sessions: 6, calls: 5, rpm: 60, burst: 5, rules: Rules{Gap: 4 * time.Second}},
	} {
		sc = normal(sc)
		for k := range *seeds {
			r := runSim(sc, *seed0+k)
			for _, f := range r.faults {
				t.Errorf("%s, seed %d: %s", sc.name, *seed0+k, f)
			}
			if r.dead > 0 || math.IsNaN(r.ratio) || r.ratio > 15 {
				t.Errorf("%s, seed %d: %d died, time to finish / ideal %.2f", sc.name, *seed0+k, r.dead, r.ratio)
			}
		}
	}
}

// What was written and read again goes on as if it had not been.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	for _, sc := range scenarios() {
		if sc.class != "subagents" && sc.class != "calls without a gate" && sc.class != "short calls" {
			continue
		}
		kept, read := sc, sc
		kept.every, read.every = 1<<30, 1
		want, got := runSim(kept, *seed0), runSim(read, *seed0)
		if got.ratio != want.ratio || got.rejections != want.rejections || got.jain != want.jain {
			t.Errorf("%s, read again at every step: %+v, want %+v", sc.name, got, want)
		}
	}
}
