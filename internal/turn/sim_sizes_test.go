package turn

import (
	"math"

	"afteryou/internal/limit"
)

// Conversations of real sizes: each call has all that was said before, of which a cache has the most, unless it has expired.

// sizes are those of a world's conversations.
type sizes struct {
	opm     float64 // output tokens per minute, if limited
	news    float64 // tokens that a call adds to what was said before, median
	cold    float64 // share of the sessions that begin when their cache has expired
	queues  bool    // see [sim.queue]
	pauses  bool    // each session pauses once, for longer than its cache lasts,
	near    float64 // or, so many of them, until just before it expires
	reserve bool    // a call takes all of its input and mostOutput, until it is answered: then what it used
}

const (
	mostOutput = 32000 // what a call asks for at most
	cached     = 300.  // s that a cache is kept
)

// talk is what a call is like in its conversation.
type talk struct {
	context float64 // input in all
	fresh   float64 // of it, what no cache has and the model did not write
	output  float64
	warm    bool // its cache is there, if it is not held up
}

// talks gives a session's calls their sizes.
func (s *sim) talks(steps []simStep) {
	if s.sizes == nil {
		return
	}
	context, fresh, news, warm := 1e5+1e5*s.work.Float64(), 0.0, 0.0, s.work.Float64() >= s.sizes.cold
	pause, pauses := s.work.IntN(len(steps)-1), cached+10+60*s.work.Float64()
	if s.work.Float64() < s.sizes.near {
		pauses = cached - 15*s.work.Float64()
	}
	for i := range steps {
		c := &steps[i].calls[0]
		c.context, c.fresh, c.output, c.warm = context, fresh, min(8000, 300*lognormal(s.work, 0, 1)), warm
		c.latency = .8*s.spread() + c.output/80
		if c.cost = context; warm {
			c.cost = news
		}
		if i == 0 && warm {
			c.cost = s.sizes.news
			s.caches[c.key.Session] = cached
		}
		if i == pause && s.sizes.pauses {
			steps[i].tool = pauses
		}
		warm = c.latency+steps[i].tool < cached
		fresh = min(30000, s.sizes.news*lognormal(s.work, 0, .7))
		news = c.output + fresh
		context += news
		if s.sizes.reserve {
			c.cost += burn * c.output
		}
	}
}

// costs is what a call takes as it comes.
func (s *sim) costs(c *simCall) float64 {
	if s.sizes == nil {
		return c.cost
	}
	if c.warm && s.now > s.caches[c.key.Session] { // it came too late
		c.warm, c.cost = false, c.context
		if s.sizes.reserve {
			c.cost += burn * c.output
		}
	}
	if s.sizes.reserve {
		return c.context + mostOutput
	}
	return c.cost
}

// begun is what no policy can beat where conversations begin with much: the bucket must have released the first calls of all sessions,
// of each so many, and the session whose call came last has the rest before it.
func (s *sim) begun() (best float64) {
	if s.sizes == nil {
		return 0
	}
	tokens := -s.buckets[1].cap0
	for k := range s.plan[0] {
		rest, held := math.Inf(1), math.Inf(1)
		for _, steps := range s.plan {
			tokens += steps[k].calls[0].cost
			held = min(held, s.held(steps[k].calls[0]))
			t := 0.0
			for j, st := range steps[k:] {
				if t += st.calls[0].latency + .05; k+j < len(steps)-1 {
					t += st.tool
				}
			}
			rest = min(rest, t)
		}
		best = max(best, (tokens+held)/s.buckets[1].rate0+rest)
	}
	return best
}

// queue is the server as nobody has it: it rejects no call, but makes it wait until it fits, first come, first served.
func (s *sim) queue(c *simCall) {
	if c != nil {
		s.queued = append(s.queued, c)
	}
	for len(s.queued) > 0 {
		first := s.queued[0]
		if wait := s.take(s.costs(first)); wait > 0 {
			s.on(s.now+wait, func() { s.queue(nil) })
			return
		}
		s.queued = s.queued[1:]
		s.takes(first)
	}
}

// held is what a call takes more than it costs, until it is answered.
func (s *sim) held(c simCall) float64 {
	if s.sizes == nil || !s.sizes.reserve {
		return 0
	}
	return c.context + mostOutput - c.cost
}

// settles is the server as an answer ends.
func (s *sim) settles(c *simCall) {
	if s.sizes == nil {
		return
	}
	s.caches[c.key.Session] = max(s.caches[c.key.Session], c.came+cached)
	for i, takes := range []float64{0, -s.held(*c), c.output} {
		if i < len(s.buckets) {
			b := s.buckets[i]
			b.fill(s.now)
			b.level -= takes
		}
	}
	if s.sizes.queues {
		s.queue(nil)
	}
}

// uses is what the answer to a call says that it took.
func (s *sim) uses(c *simCall) limit.Costs {
	if s.sizes == nil {
		return limit.Costs{Input: c.cost}
	}
	cost := limit.Costs{Input: c.cost, Output: c.output, Whole: c.context, Cached: c.context}
	if s.sizes.reserve {
		cost.Input -= burn * c.output
	}
	return cost
}

// sized are the situations of conversations of real sizes.
func sized() (list []scenario) {
	tier := scenario{class: "start tier", sessions: 12, calls: 12, rpm: 1000, burst: 1000, tpm: 2e6, headers: 1, sized: true, module: true, gateway: true,
		latency: 5, first: .2, tool: 2, sizes: &sizes{opm: 4e5, news: 4000, cold: .5, pauses: true, near: .3}}
	list = append(list, tier)
	tier.tburst = 5e5
	list = append(list, tier)
	tier.class, tier.sizes = "start tier, busy", &sizes{opm: 4e5, news: 15000, cold: .5}
	tier.tool, tier.calls = .5, 24
	list = append(list, tier)
	tier.tburst = 0
	list = append(list, tier)
	list = append(list, scenario{class: "caches that expire", sessions: 12, calls: 12, rpm: 1000, burst: 1000, tpm: 4e5, headers: 1, sized: true, module: true, gateway: true,
		latency: 5, first: .2, tool: .5, sizes: &sizes{news: 4000, pauses: true, near: 1}})
	for _, tpm := range []float64{5e5, 1e6, 2e6} {
		list = append(list, scenario{class: "bedrock", sessions: 12, calls: 24, rpm: 1000, burst: 1000, tpm: tpm, mum: true, sized: true, module: true, gateway: true,
			latency: 5, first: .2, tool: .5, sizes: &sizes{news: 4000, cold: .5, reserve: true}})
	}
	for i := range list {
		list[i] = normal(list[i])
	}
	return list
}
