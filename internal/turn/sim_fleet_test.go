package turn

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"afteryou/internal/fleet"
)

// Several machines on one limit: each has a state of its own, all have one clock, one API, and one [fleet.Pool] by which they take
// turns.

// simFleet is what one machine has of it.
type simFleet struct {
	*simMeeting
	name string
	busy bool // it asked, and was not answered yet
	next float64
	n    int
}

// simMeeting is what all have in common.
type simMeeting struct {
	pool  fleet.Pool
	trip  float64    // s, to the server and back
	gone  [2]float64 // s: in between it answers nothing
	asked int
	idle  int // of those, without a ticket
}

// asks has the machine exchange what is due.
func (f *simFleet) asks(s *sim) {
	if f == nil || f.busy {
		return
	}
	due := s.account.FleetDue(at(s.now), "", true)
	if due.IsZero() {
		return
	}
	if t := due.Sub(simEpoch).Seconds(); due.After(at(s.now)) {
		if f.next <= s.now || t < f.next {
			f.next = t
			s.on(t, func() { f.next = 0; s.pump() })
		}
		return
	}
	f.busy = true
	f.n++
	f.asked++
	ask := s.account.AskFleet(at(s.now), "", fmt.Sprintf("%s-%d", f.name, f.n))
	ask.Machine = f.name
	if ask.Ticket == "" {
		f.idle++
	}
	way := f.trip * (.25 + .5*s.net.Float64())
	s.on(s.now+way, func() {
		if f.gone[0] <= s.now && s.now < f.gone[1] {
			s.on(s.now+.2, func() {
				f.busy = false
				s.state.FleetFailed(at(s.now), s.net.Float64())
				s.pump()
			})
			return
		}
		ans := f.pool.Exchange(at(s.now).Add(3*time.Hour), ask) // its clock is its own
		s.on(s.now+f.trip-way, func() {
			f.busy = false
			s.account.HeardFleet(at(s.now), "", ask, ans)
			s.pump()
		})
	})
}

// party is one world of several machines.
type party struct {
	scenario
	machines int
	skew     bool // half of all sessions are of one machine
	alone    bool // they share nothing
	trip     float64
	gone     [2]float64
}

type partyResult struct {
	result
	perCall float64   // messages to the server
	tries   []float64 // when calls came to the API, of all machines
}

func runParty(p party, seed uint64) partyResult {
	w := &world{}
	meeting := &simMeeting{trip: p.trip, gone: p.gone}
	p.rules.Shared = !p.alone
	var all []*sim
	for m := range p.machines {
		sc := p.scenario
		if p.skew && m == 0 {
			sc.sessions *= p.machines - 1
		}
		s := newSim(sc, seed*1000+uint64(m))
		if m == 0 {
			w.buckets = s.buckets
		}
		for _, steps := range s.plan { // the names tell the machines apart
			for i := range steps {
				for j := range steps[i].calls {
					steps[i].calls[j].key.Session = fmt.Sprint(m, "-", steps[i].calls[j].key.Session)
				}
			}
		}
		s.world = w
		if !p.alone {
			s.fleet = &simFleet{simMeeting: meeting, name: fmt.Sprint("m", m)}
		}
		all = append(all, s)
	}
	for _, s := range all {
		s.starts()
	}
	left := func() (n int) {
		for _, s := range all {
			n += s.left
		}
		return n
	}
	for hops := 1; len(w.todo) > 0 && w.now < simEnd; hops++ {
		e := heap.Pop(&w.todo).(simEvent)
		w.now = e.at
		e.do()
		if s := all[hops/97%len(all)]; hops%97 == 0 && !s.account.At.IsZero() {
			s.reload()
		}
		if hops%16 == 0 && left() == 0 {
			break
		}
	}
	return partied(all, meeting)
}

// partied is what the machines' runs come to.
func partied(all []*sim, meeting *simMeeting) (r partyResult) {
	whole := *all[0]
	whole.plan, whole.start, whole.finished = nil, nil, nil
	answered := 0
	for _, s := range all {
		whole.plan, whole.start, whole.finished = append(whole.plan, s.plan...), append(whole.start, s.start...), append(whole.finished, s.finished...)
		if s != all[0] {
			whole.ungateds, whole.besides, whole.taken = whole.ungateds+s.ungateds, whole.besides+s.besides, whole.taken+s.taken
		}
		answered += s.answered
		r.rejected += s.rejected
		r.early += s.early
		r.dead += s.dead
		r.faults = append(r.faults, s.faults...)
		r.tries = append(r.tries, s.tries...)
	}
	sum, squares := 0.0, 0.0
	for _, f := range whole.finished {
		sum, squares = sum+f, squares+f*f
	}
	slices.Sort(r.tries)
	r.jain = sum * sum / float64(len(whole.finished)) / squares
	r.ratio, r.rejections = slices.Max(whole.finished)/whole.ideal(), float64(r.rejected)/float64(max(1, answered))
	r.perCall, r.recovery = float64(meeting.asked)/float64(max(1, answered)), math.NaN()
	return r
}

// parties are the situations of several machines.
func parties() (list []party) {
	for _, c := range []struct {
		machines, n, k int
		rpm, burst     float64
	}{{3, 4, 4, 30, 1}, {10, 6, 4, 60, 1}, {10, 4, 4, 120, 5}} {
		sc := scenario{class: "known", sessions: c.n, calls: c.k, rpm: c.rpm, burst: c.burst, latency: 1.3, first: .8, headers: 1, known: true,
			module: true, gateway: true, even: true, tool: .3}
		p := party{scenario: sc, machines: c.machines, trip: .001}
		list = append(list, p)
		one := p
		one.class, one.alone, one.sessions, one.machines = "one machine", true, c.machines*c.n, 1
		list = append(list, one)
		far := p
		far.class, far.trip = "known, far away", .05
		list = append(list, far)
		p.class, p.known = "first contact", false
		list = append(list, p)
		skew := p
		skew.class, skew.skew = "skewed", true
		list = append(list, skew)
		unnamed := p
		unnamed.class, unnamed.headers = "unnamed", 0
		list = append(list, unnamed)
		gone := p
		total := float64(c.machines*c.n*c.k) / c.rpm * 60
		gone.class, gone.known, gone.gone = "gone and back", true, [2]float64{total * .3, total * .6}
		list = append(list, gone)
		hooks := p
		hooks.class, hooks.module, hooks.gateway, hooks.known, hooks.even = "hooks", false, false, true, false
		list = append(list, hooks)
	}
	for i := range list {
		list[i].scenario = normal(list[i].scenario)
	}
	return list
}

// crowds are fleets of which one run takes long.
func crowds() (list []party) {
	for _, c := range []struct {
		machines   int
		rpm, burst float64
	}{{100, 1000, 17}, {1000, 20000, 333}} {
		p := party{machines: c.machines, trip: .001, scenario: scenario{class: "large", sessions: 10, calls: 4, rpm: c.rpm, burst: c.burst, latency: 1.3, first: .8,
			headers: 1, known: true, module: true, gateway: true, even: true, tool: .3, every: 1 << 30}}
		list = append(list, p)
		if p.class, p.known = "large, first contact", false; c.machines <= 100 {
			list = append(list, p)
		}
	}
	for i := range list {
		list[i].scenario = normal(list[i].scenario)
	}
	return list
}

// partyBounds are for each class: the time to finish, and rejections per answer, on average; and messages a call.
var partyBounds = map[string][3]float64{
	"known": {1.10, .06, 6}, "one machine": {1.09, .03, 0}, "known, far away": {1.13, .04, 6}, "first contact": {1.13, .12, 6}, "skewed": {1.13, .12, 6},
	"unnamed": {1.25, .16, 6}, "gone and back": {1.80, .20, 6}, "hooks": {1.25, .10, 6},
	"large": {1.06, .01, 6}, "large, first contact": {1.10, .05, 7},
}

// Machines that share a limit are together hardly slower than one, and hardly ever rejected; fair over all sessions. Without the server
// they are slower, and do not flood the limit.
func TestParty(t *testing.T) {
	t.Parallel()
	list := parties()
	if *wide {
		list = append(list, crowds()...)
	}
	for _, p := range list {
		var rs []result
		messages := 0.0
		for k := range *seeds {
			r := runParty(p, *seed0+k)
			rs = append(rs, r.result)
			messages += r.perCall / float64(*seeds)
			for _, f := range r.faults {
				t.Errorf("%s, %d machines, seed %d: %s", p.name, p.machines, *seed0+k, f)
			}
			if n := r.floods(p); n > 0 {
				t.Errorf("%s, %d machines, seed %d: %.1f calls too many while the server was gone", p.name, p.machines, *seed0+k, n)
			}
		}
		got, most := summarise(rs), partyBounds[p.class]
		t.Logf("%-20s %4d x %2d at %5g/%-3g %v   %.2f messages a call", p.class, p.machines, p.sessions, p.rpm, p.burst, got, messages)
		if got.ratio > most[0] || got.rejections > most[1] || messages > most[2] || got.dead > 0 || got.leastJain < .90 {
			t.Errorf("%s, %d machines: %v, %.2f messages a call; want at most %v, nobody dead, and fair", p.name, p.machines, got, messages, most)
		}
	}
}

// floods is by how many the calls that came while the server was gone are more than 1.1 times the limit, and what the bucket and each
// machine's first try allow.
func (r partyResult) floods(p party) float64 {
	if p.gone[1] == 0 {
		return 0
	}
	n := 0.0
	for _, at := range r.tries {
		if p.gone[0]+1 < at && at < p.gone[1] {
			n++
		}
	}
	return n - 1.1*p.rpm/60*(p.gone[1]-p.gone[0]) - p.burst - float64(p.machines)
}
