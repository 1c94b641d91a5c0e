package turn

import (
	"math"
	"slices"
	"time"
)

// ideal is what no policy can beat: the time in which the buckets can have released all the cost, and the longest
// session's own time.
func (s *sim) ideal() float64 {
	own, last, held := 0.0, math.Inf(1), math.Inf(1)
	calls, tokens := float64(s.ungateds+s.besides), 0.0
	for i, steps := range s.plan {
		t := s.start[i]
		for j, st := range steps {
			longest := 0.0
			for _, c := range st.calls {
				longest = max(longest, c.latency)
				calls++
				if len(s.buckets) > 1 {
					tokens += min(c.cost, s.buckets[1].cap0)
				}
				if j == len(steps)-1 {
					last, held = min(last, c.latency), min(held, s.held(c))
				}
			}
			t += longest + .05
			if j < len(steps)-1 {
				t += st.tool
			}
		}
		own = max(own, t)
	}
	best := own + s.outage[1] - s.outage[0]
	tokens += held
	for i, b := range s.buckets[:min(2, len(s.buckets))] {
		need := []float64{calls, tokens}[i]
		if !s.empty {
			need -= b.cap0
		}
		rate := b.rate0 - float64(s.taken)/s.now*b.rate0/s.buckets[0].rate0
		t, f := 0.0, 1.0
		for _, c := range append(slices.Clone(s.cuts), cut{math.Inf(1), 1}) {
			if need <= rate*f*(c.t-t) {
				t += max(0, need) / (rate * f)
				break
			}
			need -= rate * f * (c.t - t)
			t, f = c.t, c.f
		}
		best = max(best, t+last)
	}
	if z := s.sizes; z != nil && z.reserve && !z.queues {
		sc, sizes := s.scenario, *z
		sizes.queues, sc.native, sc.sizes = true, true, &sizes
		best = max(best, slices.Max(newSim(sc, s.seed).run().finished))
	}
	return max(best, s.begun())
}

// recovery is how long after the limit was restored calls are accepted at 90 % of it again.
func (s *sim) recovery() (seconds float64, ok bool) {
	from := -1.0
	for _, c := range s.cuts {
		if c.f >= 1 {
			from = c.t
		}
	}
	if s.before.factor > 0 {
		from = 0
	}
	if from < 0 {
		return 0, false
	}
	rate := s.buckets[0].rate0 * (1 - s.unseen)
	window := max(10, 15/rate)
	end := s.accepted[len(s.accepted)-1]
	for t := from; t+window < end; t++ {
		n := 0
		for _, a := range s.accepted {
			if t <= a && a < t+window {
				n++
			}
		}
		if float64(n) >= .9*rate*window {
			return t - from, true
		}
	}
	return max(0, end-from), true
}

// result is what one run comes to.
type result struct {
	ratio      float64 // time to finish / ideal
	rejections float64 // per answer
	jain       float64 // of the finishing times
	recovery   float64 // NaN when the scenario has none
	early      int     // rejected in the first minute
	dead       int
	deepest    int
	rejected   int
	urgent     float64 // the longest wait of an urgent call, in calls at the limit
	size       int
	faults     []string
}

func runSim(sc scenario, seed uint64) result {
	s := newSim(sc, seed).run()
	if sc.again > 0 {
		s = s.after(sc.again).run()
	}
	r := result{ratio: slices.Max(s.finished) / s.ideal(), rejections: float64(s.rejected) / float64(max(1, s.answered)),
		dead: s.dead, deepest: s.deepest, rejected: s.rejected, urgent: s.urgent * s.rpm / 60, size: s.size, faults: s.faults, recovery: math.NaN()}
	sum, squares := 0.0, 0.0
	for _, f := range s.finished {
		sum += f
		squares += f * f
	}
	r.jain = sum * sum / float64(len(s.finished)) / squares
	r.early = s.early
	if sec, ok := s.recovery(); ok {
		r.recovery = sec
	}
	return r
}

// after is the same world, so many seconds after the last answer, with other sessions: what was learned of the limit they begin with.
func (s *sim) after(seconds float64) *sim {
	next := newSim(s.scenario, s.seed+1<<32)
	for _, t := range s.account.times() {
		if !t.IsZero() {
			*t = t.Add(-time.Duration((s.now + seconds) * float64(time.Second)))
		}
	}
	next.state, next.account = s.state, s.account
	for i := range next.plan {
		for _, st := range next.plan[i] {
			for j := range st.calls {
				st.calls[j].key.Session = "another-" + st.calls[j].key.Session[len("session-"):]
			}
		}
	}
	return next
}
