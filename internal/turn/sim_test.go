package turn

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A simulated world: a server with token buckets, sessions that call it, Claude Code's own retrying beside the turns,
// transcripts that are read late. It drives a real Pool through its exported methods.
//
// The server refills continuously; a 429 costs nothing and says retry-after = max(1, ceil(seconds until the call
// would fit)). Claude Code (2.1.330) waits max(retry-after, 0.5 s doubling to 32 s) and up to 25 % more, and gives up
// after ten retries.

// scenario is one world.
type scenario struct {
	class    string
	name     string
	sessions int
	calls    int     // per session
	rpm      float64 // the server's limit, requests per minute
	burst    float64
	latency  float64 // s, of an answer, median-ish
	tool     float64 // s, between an answer and the next call
	empty    bool    // the bucket is empty at the start
	tpm      float64 // input tokens per minute, if limited
	tburst   float64
	cuts     []cut
	outage   [2]float64 // s: in between everything is rejected, retry-after 1
	agents   float64    // share of steps in which every third session calls thrice at once
	unseen   float64    // share of the limit that another machine takes
	ungated  float64    // share of steps with a call that no hook precedes
	gateway  bool
	headers  float64 // factor by which the headers are wrong; 0: none
	lie      bool    // they say 42 of 50 requests, whatever is left
	atEnd    bool    // what remains is counted when the headers are sent, not when the call comes
	first    float64 // share of an answer's time until its headers come
	warm     float64 // remembered pace, as a share of the limit
	native   bool    // no turns at all
	late     float64 // s, a waiter comes back so late, at most
	way      float64 // s, a call is under way to the server, at most
	lag      float64 // s, from the turn to the request, at most
	slow     float64 // s, the same for a session's first request
	drowsy   float64 // share of transcript rows that are read up to 10 s late
	mute     bool    // as subagents (2.1.330): no row tells of a rejection, only that of the next try
	names    bool    // the message of a 429 names the limit, and transcripts what answers took
	norows   bool    // a version without api-request rows
	rules    Rules
	unlike   bool // the sessions' calls are of different sizes, each session's much the same
	every    int  // the state is written and read again every so many steps
}

// cut changes the server's limit: from t on it is f times what it was.
type cut struct{ t, f float64 }

type bucket struct{ rate0, rate, cap0, cap, level, at float64 }

func newBucket(rate, size float64, empty bool) *bucket {
	b := &bucket{rate0: rate, rate: rate, cap0: size, cap: size, level: size}
	if empty {
		b.level = 0
	}
	return b
}

func (b *bucket) fill(now float64) {
	if now > b.at {
		b.level = min(b.cap, b.level+(now-b.at)*b.rate)
		b.at = now
	}
}

func (b *bucket) scale(now, f float64) {
	b.fill(now)
	b.rate = b.rate0 * f
	if b.cap0 > 1 {
		b.cap = max(1, b.cap0*f)
	}
	b.level = min(b.level, b.cap)
}

func (b *bucket) lack(cost float64) float64 {
	cost = min(cost, b.cap)
	if b.level >= cost-1e-9 {
		return 0
	}
	return (cost - b.level) / b.rate
}

type simCall struct {
	session int
	key     Key
	event   string
	latency float64
	cost    float64
	tries   int // rejected so far
	named   Limits
	sent    float64
	ungated bool
	came    float64 // when the server accepted it
	thought float64 // what it was expected to cost when it was let go, within its budget
}

type simStep struct {
	calls   []simCall
	tool    float64
	ungated bool
}

type simEvent struct {
	at  float64
	seq int
	do  func()
}

type agenda []simEvent

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(simEvent)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

type sim struct {
	scenario
	work, net *rand.Rand
	now       float64
	seq       int
	todo      agenda
	state     *State
	account   *Account
	buckets   []*bucket
	plan      [][]simStep
	start     []float64
	step      []int
	open      []int
	finished  []float64
	left      int
	waiting   []*simCall
	timer     float64
	read      map[Key]float64 // up to when each transcript's rows are reported
	pending   map[Key]float64 // reported retries: when they fire
	accepted  []float64
	tries     []float64  // when calls came, accepted or not
	took      []*simCall // accepted
	answered  int
	rejected  int
	ungateds  int // of the accepted calls
	taken     int // by the other machine
	dead      int
	deepest   int
	lastCut   float64
	cuttings  int
	hops      int
	size      int // of the state, at most
	faults    []string
}

const simEnd = 40000.0

var simEpoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func at(s float64) time.Time {
	return simEpoch.Add(time.Duration(math.Round(s*1e6)) * time.Microsecond)
}

func newSim(sc scenario, seed uint64) *sim {
	s := &sim{scenario: sc, work: rand.New(rand.NewPCG(seed, 1)), net: rand.New(rand.NewPCG(seed, 2)),
		state: NewState(), read: map[Key]float64{}, pending: map[Key]float64{}, timer: -1, lastCut: -1}
	s.account = s.state.Open("p")
	if sc.warm > 0 {
		s.pace().Rate = .95 * sc.warm * sc.rpm / 60
		s.pace().Level = 1
		s.pace().Grown = recalled
	}
	s.buckets = []*bucket{newBucket(sc.rpm/60, sc.burst, sc.empty)}
	if sc.tpm > 0 {
		if sc.tburst == 0 {
			s.tburst = sc.tpm
		}
		s.buckets = append(s.buckets, newBucket(sc.tpm/60, s.tburst, sc.empty))
	}
	// The work is drawn beforehand, so the ideal is known and every policy gets the same.
	for i := range sc.sessions {
		var steps []simStep
		size := 0.0
		if sc.unlike {
			size = 3000 * lognormal(s.work, 0, 1)
		}
		for n := 0; n < sc.calls; {
			m := 1
			if s.work.Float64() < sc.agents && i%3 == 0 {
				m = 3
			}
			m = min(m, sc.calls-n)
			n += m
			var st simStep
			for j := range m {
				c := simCall{session: i, key: Key{Session: fmt.Sprintf("session-%02d", i)}, event: fmt.Sprint(len(steps)),
					latency: sc.latency * lognormal(s.work, -.125, .5), cost: cost(s.work)}
				if sc.unlike {
					c.cost = size * lognormal(s.work, 0, .2)
				}
				if j > 0 {
					c.key.Agent = fmt.Sprint("agent-", j)
				}
				st.calls = append(st.calls, c)
			}
			st.tool = sc.tool * lognormal(s.work, -.245, .7)
			st.ungated = s.work.Float64() < sc.ungated
			steps = append(steps, st)
		}
		s.plan = append(s.plan, steps)
		s.start = append(s.start, s.work.Float64()*.5)
	}
	s.step, s.open, s.finished = make([]int, sc.sessions), make([]int, sc.sessions), make([]float64, sc.sessions)
	s.left = sc.sessions
	return s
}

func lognormal(r *rand.Rand, mu, sigma float64) float64 { return math.Exp(mu + sigma*r.NormFloat64()) }

func cost(r *rand.Rand) float64 {
	c := math.Exp(math.Log(3000) + .7*r.NormFloat64())
	if r.Float64() < .03 {
		return 50000
	}
	return min(c, 40000)
}

func (s *sim) between(a, b float64) float64 { return a + (b-a)*s.net.Float64() }

func (s *sim) on(t float64, do func()) {
	s.seq++
	heap.Push(&s.todo, simEvent{t, s.seq, do})
}

func (s *sim) fault(format string, args ...any) {
	if len(s.faults) < 5 {
		s.faults = append(s.faults, fmt.Sprintf("at %.3f s: ", s.now)+fmt.Sprintf(format, args...))
	}
}

func (s *sim) run() *sim {
	for i := range s.sessions {
		s.on(s.start[i], func() { s.begin(i) })
	}
	for _, c := range s.cuts {
		s.on(c.t, func() {
			for _, b := range s.buckets {
				b.scale(s.now, c.f)
			}
		})
	}
	if s.unseen > 0 {
		s.other()
	}
	for len(s.todo) > 0 && s.left > 0 && s.now < simEnd {
		e := heap.Pop(&s.todo).(simEvent)
		s.now = e.at
		e.do()
		if err := s.state.Check(); err != nil {
			s.fault("a state that is refused: %v", err)
		}
		if s.hops++; s.hops%s.every == 0 && !s.native {
			s.reload()
		}
	}
	for i, f := range s.finished {
		if f == 0 {
			s.finished[i] = simEnd
		}
	}
	return s
}

// reload writes and reads the state, as every hook does.
func (s *sim) reload() {
	data, err := json.Marshal(s.state)
	if err != nil {
		s.fault("marshal: %v", err)
		return
	}
	s.size = max(s.size, len(data))
	s.state = new(State)
	if err := json.Unmarshal(data, s.state); err != nil {
		s.fault("unmarshal: %v", err)
	}
	s.account = s.state.Open("p")
}

// other is another machine: unseen, naive, Poisson.
func (s *sim) other() {
	s.on(s.now+s.net.ExpFloat64()/(s.unseen*s.rpm/60), func() {
		if s.take(cost(s.net)) == 0 {
			s.taken++
		}
		s.other()
	})
}

// take is the server: 0, or the seconds until the call would fit.
func (s *sim) take(cost float64) float64 {
	if s.outage[0] <= s.now && s.now < s.outage[1] {
		return 1
	}
	costs := []float64{1, cost}
	lack := 0.0
	for i, b := range s.buckets {
		b.fill(s.now)
		lack = max(lack, b.lack(costs[i]))
	}
	if lack > 0 {
		return lack
	}
	for i, b := range s.buckets {
		b.level -= min(costs[i], b.cap)
	}
	return 0
}

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
		s.waiting = append(s.waiting, c)
		claude := Process{PID: i + 1}
		waiter, news := Process{PID: 1000 + i}, ByRow
		switch {
		case s.gateway:
			waiter, news = claude, AtOnce
		case s.mute:
			news = ByNext
		}
		s.account.Ask(at(s.now), Call{Key: c.key, Event: c.event, Process: claude, Waiter: waiter, Rules: s.rules, News: news})
	}
	s.pump()
}

// pump is what every waiter does when it wakes: sweep, admit, look whether it was granted.
func (s *sim) pump() {
	if s.native {
		return
	}
	s.account.Sweep(at(s.now), everybody)
	next := s.account.Admit(at(s.now), everybody)
	s.check()
	first := true
	s.waiting = slices.DeleteFunc(s.waiting, func(c *simCall) bool {
		if !s.account.Granted(c.key, c.event) {
			first = false
			return false
		}
		c.thought = min(s.account.turn(c.key).Expected.Input, s.rules.Budget.Input)
		if c.thought == 0 {
			c.thought = s.rules.Budget.Input
		}
		if !first && s.rules.Gap == 0 {
			s.fault("%v was granted before one that asked earlier", c.key)
		}
		if s.rules.Most > 0 && len(s.account.Turns("")) > s.rules.Most {
			s.fault("%d turns at once", len(s.account.Turns("")))
		}
		for k, due := range s.pending {
			// A call without a gate may run beside another of its session; the pool knows one per key.
			if s.ungated == 0 && due > s.now+.002 && !s.gateway {
				s.fault("%v started %.3f s before the announced retry of %v", c.key, due-s.now, k)
			}
		}
		lag := s.lag
		if c.event == "0" {
			lag = max(lag, s.slow)
		}
		s.on(s.now+lag*s.net.Float64(), func() { s.try(c) })
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

func (s *sim) pace() *Pace { return &s.account.class("").Pace }

func (s *sim) check() {
	if l := s.pace().Level; l < -1-1e-9 || l > 1+1e-9 {
		s.fault("level %v", l)
	}
}

// watch does what may cut the pace, and holds the promises about cuts.
func (s *sim) watch(sent float64, do func()) {
	was := s.pace().Rate
	do()
	s.check()
	if is := s.pace().Rate; was > 0 && is < was {
		s.cuttings++
		if is < was/2-1e-9 && s.pace().Limit == 0 && s.pace().Doubts == 0 { // what is said is known, and was wrong
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
	if !s.gateway && !s.native && !s.norows {
		before, sent := c.sent, s.now
		s.report(c.key, func() {
			s.watch(before, func() { s.account.Sent(at(s.now), c.key, at(sent)) })
		})
	}
	c.sent = s.now
	s.on(s.now+s.way*s.net.Float64(), func() { s.arrive(c) })
}

func (s *sim) arrive(c *simCall) {
	wait := s.take(c.cost)
	s.tries = append(s.tries, s.now)
	if wait == 0 {
		s.accepted = append(s.accepted, s.now)
		c.came = s.now
		s.took = append(s.took, c)
		if s.gateway && s.headers > 0 {
			h, sent := s.limits(), c.sent
			s.on(s.now+s.first*c.latency, func() {
				if s.atEnd {
					h = s.limits()
				}
				s.account.Headers(at(s.now), c.key, at(sent), h)
				s.account.Used(at(s.now), c.key, at(s.now), Costs{Input: c.cost})
				s.check()
				s.pump()
			})
		}
		s.on(s.now+c.latency, func() { s.success(c) })
		return
	}
	after := max(1, math.Ceil(wait-1e-9))
	s.rejected++
	c.tries++
	if s.names {
		c.named = s.name()
	}
	s.deepest = max(s.deepest, c.tries)
	if s.gateway && !c.ungated {
		h, outage := s.limits(), s.outage[0] <= s.now && s.now < s.outage[1]
		r := Rejection{Sent: at(c.sent), In: time.Duration(after * float64(time.Second)), Limit: !outage, Limits: h}
		s.on(s.now+s.between(.05, .35), func() {
			s.watch(c.sent, func() { s.account.Rejected(at(s.now), c.key, r) })
			s.waiting = slices.Insert(s.waiting, 0, c)
			s.pump()
		})
		return
	}
	s.on(s.now+s.between(.01, .1), func() { s.announce(c, after) })
}

// limits are the headers of an answer now.
func (s *sim) limits() (l Limits) {
	if s.lie {
		return Limits{Requests: Resource{50, 42}}
	}
	for i, of := range []*Resource{&l.Requests, &l.Input} {
		if i < len(s.buckets) {
			*of = Resource{Limit: s.buckets[i].rate * 60 * s.headers, Remaining: max(0, math.Floor(s.buckets[i].level+1e-9))}
		}
	}
	return l
}

// name is the limit that the message of a rejection names.
func (s *sim) name() Limits {
	if s.outage[0] <= s.now && s.now < s.outage[1] {
		return Limits{}
	}
	if s.buckets[0].lack(1) > 0 {
		return Limits{Requests: Resource{Limit: s.buckets[0].rate * 60}}
	}
	return Limits{Input: Resource{Limit: s.buckets[1].rate * 60}}
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
	if s.native || s.mute {
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
	if (s.names || s.rules.Budget != (Budget{})) && !s.gateway {
		answered, key, cost := s.now, c.key, c.cost
		s.report(key, func() { s.account.Used(at(s.now), key, at(answered), Costs{Input: cost}) })
	}
	if !s.native {
		s.account.Succeeded(at(s.now), c.key)
	}
	i := c.session
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

// ideal is what no policy can beat: the time in which the buckets can have released all the cost, and the longest
// session's own time.
func (s *sim) ideal() float64 {
	own, last := 0.0, math.Inf(1)
	calls, tokens := float64(s.ungateds), 0.0
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
					last = min(last, c.latency)
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
	for i, b := range s.buckets {
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
	return best
}

// recovery is how long after the limit was restored calls are accepted at 90 % of it again.
func (s *sim) recovery() (seconds float64, ok bool) {
	from := -1.0
	for _, c := range s.cuts {
		if c.f >= 1 {
			from = c.t
		}
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
	dead       int
	deepest    int
	size       int
	faults     []string
}

func runSim(sc scenario, seed uint64) result {
	s := newSim(sc, seed).run()
	r := result{ratio: slices.Max(s.finished) / s.ideal(), rejections: float64(s.rejected) / float64(max(1, s.answered)),
		dead: s.dead, deepest: s.deepest, size: s.size, faults: s.faults, recovery: math.NaN()}
	sum, squares := 0.0, 0.0
	for _, f := range s.finished {
		sum += f
		squares += f * f
	}
	r.jain = sum * sum / float64(len(s.finished)) / squares
	if sec, ok := s.recovery(); ok {
		r.recovery = sec
	}
	return r
}
