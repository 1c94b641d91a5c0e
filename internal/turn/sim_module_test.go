package turn

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"afteryou/internal/limit"
)

// The gate inside Claude Code: between its go and the arrival of the call lies Claude Code's own event loop, and for a session's
// first call a connection must be made.

// remember puts the limit into the state, as headers of before told it, when the bucket had been left alone.
func (s *sim) remember() {
	p := s.pace()
	p.Rate, p.Limit, p.Level = s.rpm/60, s.rpm/60, 1
	p.Holds(int(s.burst), -limit.Slop)
	p.At, p.Used, p.Cut = at(-30), at(-30), at(-30)
}

// spread is by what an answer takes more or less than others.
func (s *sim) spread() float64 {
	if s.even {
		return .75 + .5*s.work.Float64()
	}
	return lognormal(s.work, -.125, .5)
}

// delay is from a call's go until it is sent.
func (s *sim) delay(c *simCall) float64 {
	if !s.module && !s.steps {
		lag := s.lag
		if c.event == "0" {
			lag = max(lag, s.slow)
		}
		return lag * s.net.Float64()
	}
	lag := s.between(.001, .012)
	if s.net.Float64() < .01 {
		lag = .1
	}
	if c.event == "0" && c.tries == 0 {
		lag += s.between(.01, .06)
	}
	if s.module { // it says when it hands the call on, and the rest is Claude Code's
		c.went += lag * s.net.Float64()
	}
	return lag
}

// answers is the module when the headers of an answer come.
func (s *sim) answers(c *simCall, h limit.Headers) {
	s.account.Sent(at(s.now), c.key, at(c.went))
	if s.module && !s.mum {
		s.account.Headers(at(s.now), c.key, h)
	}
	s.account.Accepted(at(s.now), c.key)
	s.check()
	s.pump()
}

// mark is Claude Code when it is told 429 in a step: it says so in the stream, and tries again by itself.
func (s *sim) mark(c *simCall, after float64) {
	if c.tries > 10 {
		s.dead++
		s.account.Ended(at(s.now), c.key)
		s.end(c.session)
		s.pump()
		return
	}
	if c.tries == 1 {
		s.account.Sent(at(s.now), c.key, at(c.went))
	}
	s.watch(c.sent, func() { s.account.Marked(at(s.now), c.key, at(s.now)) })
	d := max(after, min(32, .5*math.Pow(2, float64(c.tries-1)))) * (1 + .25*s.net.Float64())
	s.on(s.now+d+s.between(.001, .03), func() { s.try(c) })
	s.pump()
}

// checks adds to a session's last step the one to three checks of its action; the tool runs after them. In the middle of its
// work the session is compacted.
func (s *sim) checks(steps []simStep) []simStep {
	action := &steps[len(steps)-1]
	i, tool := action.calls[0].session, action.tool
	action.tool = .05
	side := func(agent string, latency float64) {
		steps = append(steps, simStep{tool: .05, calls: []simCall{{session: i, key: Key{Session: action.calls[0].key.Session, Agent: agent},
			event: fmt.Sprint(len(steps)), latency: latency * s.spread(), cost: 300, rank: Urgent}}})
	}
	for range 1 + s.work.IntN(3) {
		side("check", .4)
	}
	steps[len(steps)-1].tool = tool
	if n := slices.IndexFunc(steps, func(st simStep) bool { return st.calls[0].key.Agent == "compact" }); n < 0 && len(steps) > 3*s.calls/2 {
		side("compact", 4)
		side("compact", 4)
	}
	return steps
}

// title is the call beside a session's first that names it.
func (s *sim) title(i int) *simCall {
	return &simCall{session: i, key: Key{Session: fmt.Sprintf("session-%02d", i), Agent: "title"}, event: "title", latency: .5 * s.spread(), cost: 300,
		rank: Last, beside: true}
}

// modules are the situations of the module.
func modules() (list []scenario) {
	var stepped []scenario
	for _, c := range []struct {
		n, k               int
		rpm, burst, answer float64
	}{{12, 4, 30, 1, 1}, {6, 6, 60, 2, 1}, {9, 4, 45, 3, 1.5}} {
		sc := scenario{class: "module, first contact", sessions: c.n, calls: c.k, rpm: c.rpm, burst: c.burst, latency: c.answer + .3, first: c.answer / (c.answer + .3), headers: 1}
		known := sc
		known.class, known.known = "module, limit known", true
		cutting := sc
		cutting.class, cutting.calls = "module, limit cut", 2*c.k
		third := (2*float64(c.n*c.k) - c.burst) / c.rpm * 60 / 3
		cutting.cuts = []cut{{third, 1. / 3}, {2 * third, 1}}
		unnamed := sc
		unnamed.class, unnamed.headers = "module, limit unnamed", 0
		again := unnamed
		again.class, again.again = "module, unnamed again", 60*c.burst/c.rpm
		list = append(list, sc, known, cutting, unnamed, again)
	}
	for _, c := range []struct {
		n, k       int
		rpm, burst float64
	}{{6, 4, 40, 2}, {12, 4, 30, 1}, {6, 6, 60, 2}, {9, 8, 120, 5}, {12, 12, 300, 20}} {
		class := "module, mum servers"
		if c.rpm == 40 {
			class = "module, a cloud"
		}
		list = append(list, scenario{class: class, sessions: c.n, calls: c.k, rpm: c.rpm, burst: c.burst, latency: 1.3, first: .8, mum: true})
	}
	sc := scenario{class: "module, generous", sessions: 6, calls: 5, rpm: 1000, burst: 200, latency: 1.8, first: .8, headers: 1}
	list = append(list, sc)
	list = append(list, scenario{class: "module, tokens", sessions: 12, calls: 6, rpm: 1000, burst: 1000, tpm: 50000, tburst: 25000, latency: 3, first: .4,
		headers: 1, unlike: true, sized: true})
	for _, sc := range list {
		switch sc.class {
		case "module, first contact", "module, limit cut", "module, generous":
			sc.class = strings.Replace(sc.class, "module", "steps", 1)
			sc.steps, sc.even, sc.tool = true, true, .3
			stepped = append(stepped, sc)
		}
		if sc.class == "steps, first contact" {
			sc.class, sc.ungated = "steps, calls beside", .15
			stepped = append(stepped, sc)
		}
	}
	for i := range list {
		list[i].module, list[i].gateway, list[i].even, list[i].tool = true, true, true, .3
	}
	return slices.Concat(list, stepped, autos())
}

// autos are sessions in auto mode, with checks that ask the model.
func autos() (list []scenario) {
	for _, c := range [][2]float64{{30, 1}, {60, 2}, {60, 5}} {
		sc := scenario{class: "auto mode", sessions: 12, calls: 4, rpm: c[0], burst: c[1], latency: 5, auto: true, headers: 1, gateway: true}
		list = append(list, sc)
		sc.class, sc.module = "auto mode, module", true
		list = append(list, sc)
		sc.class, sc.rankless = "auto mode, all alike", true
		list = append(list, sc)
	}
	return list
}
