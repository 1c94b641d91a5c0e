package turn

import (
	"math"
	"slices"
	"time"

	"afteryou/internal/limit"
)

func (s *sim) begin(i int) {
	st := &s.plan[i][s.step[i]]
	s.open[i] = len(st.calls)
	if st.ungated && !s.native {
		c := st.calls[0]
		c.ungated, c.latency = true, .5*c.latency
		s.try(&c)
	}
	for j := range st.calls {
		c := &st.calls[j]
		if s.native {
			s.try(c)
			continue
		}
		s.ask(c)
	}
	if s.auto && s.step[i] == 0 && !s.native {
		s.ask(s.title(i))
	}
	s.pump()
}

func (s *sim) ask(c *simCall) {
	c.asked = s.now
	s.waiting = append(s.waiting, c)
	claude := Process{PID: c.session + 1}
	call := Call{Key: c.key, Event: c.event, Process: claude, Waiter: Process{PID: 1000 + c.session}, Rules: s.rules, Rank: c.rank, Inside: s.module}
	switch {
	case s.steps:
		call.Waiter, call.News = claude, ByMark
	case s.gateway:
		call.Waiter, call.News = claude, AtOnce
	case s.mute:
		call.News = ByNext
	}
	if s.sized {
		call.Size = limit.Costs{Input: c.cost * 1.2, Output: mostOutput}
	}
	if s.sizes != nil {
		call.Size.Input, call.Reserves = c.context*1.2, s.sizes.reserve
	}
	if s.rankless {
		call.Rank = Normal
	}
	s.account.Ask(at(s.now), call)
	if c.fresh > 0 { // asked for ahead, how much it adds was not known
		about := c.fresh * s.between(.85, 1.15)
		s.on(s.now+.01, func() {
			s.account.Adds(c.key, c.event, about)
			s.pump()
		})
	}
}

// pump is what every waiter does when it wakes: sweep, admit, look whether it was granted.
func (s *sim) pump() {
	if s.native {
		return
	}
	s.account.Sweep(at(s.now), everybody, true)
	next := s.account.Admit(at(s.now), everybody)
	s.check()
	s.fleet.asks(s)
	first := true
	s.waiting = slices.DeleteFunc(s.waiting, func(c *simCall) bool {
		if !s.account.Granted(c.key, c.event) {
			if first { // who may never fit is passed
				h, _ := s.account.Held(at(s.now), c.key)
				first = h.Why == TooLarge
			}
			return false
		}
		s.goes(c)
		c.thought = min(s.account.turn(c.key).Expected.Input, s.rules.Budget.Input)
		if c.thought == 0 {
			c.thought = s.rules.Budget.Input
		}
		if !first && s.rules.Gap == 0 && !s.auto && s.sizes == nil { // TestRanks holds those
			s.fault("%v was granted before one that asked earlier", c.key)
		}
		if s.rules.Most > 0 && len(s.account.Turns("")) > s.rules.Most {
			s.fault("%d turns at once", len(s.account.Turns("")))
		}
		for k, due := range s.pending {
			// A call without a gate may run beside another of its session; the account knows one per key.
			if s.ungated == 0 && due > s.now+.002 && !s.gateway {
				s.fault("%v started %.3f s before the announced retry of %v", c.key, due-s.now, k)
			}
		}
		s.on(s.now+s.delay(c), func() { s.try(c) })
		return true
	})
	if next.IsZero() {
		if len(s.waiting) > 0 && s.rules.Most == 0 {
			s.fault("Admit: %d wait and nobody is to come back", len(s.waiting))
		}
		return
	}
	t := next.Sub(simEpoch).Seconds()
	if !next.After(at(s.now)) {
		s.fault("Admit: come back at %.4f, which is not later", t)
	}
	if s.timer <= s.now || t < s.timer {
		s.timer = t
		s.on(t+s.late*s.net.Float64(), func() {
			if s.timer == t {
				s.timer = -1
			}
			s.pump()
		})
	}
}

// goes notes that a call is let go.
func (s *sim) goes(c *simCall) {
	c.went = s.now
	if c.rank == Urgent && c.tries == 0 {
		s.urgent = max(s.urgent, s.now-c.asked)
	}
}

func (s *sim) pace() *limit.Pace { return &s.account.class("").Pace }

func (s *sim) check() {
	if l := s.pace().Level; l < -1-1e-9 || l > 1+1e-9 {
		s.fault("level %v", l)
	}
}

// watch does what may cut the pace, and holds the promises about cuts.
func (s *sim) watch(sent float64, do func()) {
	was, tried := s.pace().Rate, s.pace().Memory.Was > 0
	do()
	s.check()
	if is := s.pace().Rate; was > 0 && is < was {
		s.cuttings++
		if is < was/2-1e-9 && s.pace().Limit == 0 && s.pace().Doubts == 0 && !tried { // what is said is known, and was wrong
			s.fault("one cut took the pace from %.4f to %.4f", was, is)
		}
		if sent < s.lastCut {
			s.fault("a second cut by a call sent at %.3f, before the cut at %.3f", sent, s.lastCut)
		}
		s.lastCut = s.now
	} else if was == 0 && is > 0 {
		s.lastCut = s.now
	}
}

// report hands a row of a transcript over when somebody reads it, in the order of the file.
func (s *sim) report(k Key, do func()) {
	delay := s.between(.05, .35)
	if s.net.Float64() < s.drowsy {
		delay = s.between(1, 10)
	}
	t := max(s.read[k], s.now+delay)
	s.read[k] = t
	twice := s.net.Float64() < .05
	s.on(t, func() {
		do()
		if twice {
			do()
		}
		s.pump()
	})
}

func (s *sim) try(c *simCall) {
	if !s.gateway && !s.native && !s.norows && !s.steps {
		before, sent := c.sent, s.now
		s.report(c.key, func() {
			s.watch(before, func() { s.account.Sent(at(s.now), c.key, at(sent)) })
		})
	}
	c.sent = s.now
	arrive := s.arrive
	if s.sizes != nil && s.sizes.queues {
		arrive = s.queue
	}
	s.on(s.now+s.way*s.net.Float64(), func() { arrive(c) })
}

// takes is the server that accepts a call.
func (s *sim) takes(c *simCall) {
	s.accepted = append(s.accepted, s.now)
	c.came = s.now
	s.took = append(s.took, c)
	s.on(s.now+c.latency, func() { s.success(c) })
}

func (s *sim) arrive(c *simCall) {
	wait := s.take(s.costs(c))
	s.tries = append(s.tries, s.now)
	if wait == 0 {
		s.takes(c)
		switch h := s.limits(); {
		case s.module, s.steps && !c.ungated:
			s.on(s.now+s.first*c.latency, func() { s.answers(c, h) })
		case s.gateway && s.headers > 0:
			s.on(s.now+s.first*c.latency, func() {
				if s.atEnd {
					h = s.limits()
				}
				s.account.Headers(at(s.now), c.key, h)
				s.account.Used(at(s.now), c.key, at(s.now), limit.Costs{Input: c.cost})
				s.check()
				s.pump()
			})
		}
		return
	}
	s.reject(c, max(1, math.Ceil(wait-1e-9)))
}

// reject is a call that the server rejects for some seconds.
func (s *sim) reject(c *simCall, after float64) {
	s.rejected++
	if s.now < 60 {
		s.early++
	}
	c.tries++
	if s.names {
		c.named = s.name()
	}
	s.deepest = max(s.deepest, c.tries)
	if s.gateway && !c.ungated {
		h, outage := s.limits(), s.outage[0] <= s.now && s.now < s.outage[1]
		r := Rejection{In: time.Duration(after * float64(time.Second)), Limit: !outage, Headers: h}
		if s.mum {
			r.In, r.Headers = 0, limit.Headers{}
		}
		late := s.between(.05, .35)
		if s.module {
			late = s.between(.01, .3)
		}
		s.on(s.now+late, func() {
			if s.module {
				s.account.Sent(at(s.now), c.key, at(c.went))
			}
			s.watch(c.sent, func() { s.account.Rejected(at(s.now), c.key, r) })
			s.waiting = slices.Insert(s.waiting, 0, c)
			s.pump()
		})
		return
	}
	if s.steps && !c.ungated {
		s.on(s.now+s.between(.01, .35), func() { s.mark(c, after) })
		return
	}
	s.on(s.now+s.between(.01, .1), func() { s.announce(c, after) })
}

// announce is Claude Code when it is told 429.
func (s *sim) announce(c *simCall, after float64) {
	if c.tries > 10 {
		s.dead++
		if !s.native {
			s.account.Ended(at(s.now), c.key)
		}
		s.end(c.session)
		s.pump()
		return
	}
	d := max(after, min(32, .5*math.Pow(2, float64(c.tries-1)))) * (1 + .25*s.net.Float64())
	s.on(s.now+d, func() { delete(s.pending, c.key); s.try(c) })
	if s.native || s.mute || s.steps {
		return
	}
	rejected, sent, n := s.now, c.sent, c.tries
	s.report(c.key, func() {
		if rejected+d > s.now && s.pace().Rate > 0 {
			s.pending[c.key] = rejected + d
		}
		s.watch(sent, func() {
			s.account.Retrying(at(s.now), c.key, Retry{Rejected: at(rejected), In: time.Duration(d * float64(time.Second)), Attempt: n, Named: c.named})
		})
	})
}

func (s *sim) success(c *simCall) {
	if c.ungated {
		s.ungateds++
		return
	}
	s.answered++
	s.settles(c)
	if c.beside {
		s.besides++
	}
	if s.module && !c.beside && (!s.mum || s.sizes != nil) {
		s.account.Used(at(s.now), c.key, at(s.now), s.uses(c))
	}
	if (s.names || s.rules.Budget != (Budget{})) && !s.gateway {
		answered, key, cost := s.now, c.key, c.cost
		s.report(key, func() { s.account.Used(at(s.now), key, at(answered), limit.Costs{Input: cost}) })
	}
	if !s.native {
		s.account.Succeeded(at(s.now), c.key)
	}
	i := c.session
	if c.beside {
		s.pump()
		return
	}
	if s.open[i]--; s.open[i] == 0 {
		tool := s.plan[i][s.step[i]].tool
		if s.step[i]++; s.step[i] == len(s.plan[i]) {
			s.end(i)
		} else {
			s.on(s.now+tool, func() { s.begin(i) })
		}
	}
	s.pump()
}

func (s *sim) end(i int) {
	if s.finished[i] == 0 {
		s.finished[i] = s.now
		s.left--
	}
}
