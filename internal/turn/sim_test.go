package turn

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"afteryou/internal/limit"
)

// A simulated world: a server with token buckets, sessions that call it, Claude Code's own retrying beside the turns,
// transcripts that are read late. It drives a real Account through its exported methods.
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
	unlike   bool    // the sessions' calls are of different sizes, each session's much the same
	every    int     // the state is written and read again every so many steps
	module   bool    // a gate inside Claude Code, as exact as a gateway but for when a call is sent
	steps    bool    // a gate before each step of a turn: it sees that a call is rejected, and neither why nor when it is made again
	sized    bool    // the size of a request is told when it asks
	mum      bool    // the server says neither limits nor how long to wait
	known    bool    // the limit is known by headers of before
	auto     bool    // auto mode: checks of actions, and beside them titles and compactions
	even     bool    // answers take from three to five quarters of their time
	again    float64 // s: measured are other sessions, so long after the first have finished
	rankless bool    // and all calls are alike in the line
	before   before
	sizes    *sizes // of conversations; nil: calls cost what they do by chance
}

// cut changes the server's limit: from t on it is f times what it was.
type cut struct{ t, f float64 }

type simCall struct {
	session int
	key     Key
	event   string
	latency float64
	cost    float64
	tries   int // rejected so far
	named   limit.Headers
	sent    float64
	ungated bool
	rank    Rank
	beside  bool    // its session does not wait for it
	asked   float64 // when it was asked for first
	went    float64 // when it was let go last, as far as its gate knows
	came    float64 // when the server accepted it
	thought float64 // what it was expected to cost when it was let go, within its budget
	talk
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

func (a agenda) Len() int      { return len(a) }
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a *agenda) Push(x any) { *a = append(*a, x.(simEvent)) }

func (a *agenda) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

type sim struct {
	scenario
	*world
	seed      uint64
	work, net *rand.Rand
	state     *State
	account   *Account
	fleet     *simFleet // what it shares with other machines, if it does
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
	early     int // rejected in the first minute
	ungateds  int // of the accepted calls
	besides   int // of the accepted calls, such that their session does not wait for
	queued    []*simCall
	taken     int                // by the other machine
	caches    map[string]float64 // until when each session's is kept
	urgent    float64            // s, the longest that an urgent call waited for its turn
	dead      int
	deepest   int
	lastCut   float64
	cuttings  int
	hops      int
	size      int // of the state, at most
	faults    []string
}

// world is what all machines have in common.
type world struct {
	now     float64
	seq     int
	todo    agenda
	buckets []*bucket
}

const simEnd = 40000.0

var simEpoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func at(s float64) time.Time {
	return simEpoch.Add(time.Duration(math.Round(s*1e6)) * time.Microsecond)
}

func newSim(sc scenario, seed uint64) *sim {
	s := &sim{scenario: sc, world: &world{}, seed: seed, work: rand.New(rand.NewPCG(seed, 1)), net: rand.New(rand.NewPCG(seed, 2)),
		state: NewState(), read: map[Key]float64{}, pending: map[Key]float64{}, caches: map[string]float64{}, timer: -1, lastCut: -1}
	s.account = s.state.Open("p")
	if sc.warm > 0 {
		s.pace().Rate = .95 * sc.warm * sc.rpm / 60
		s.pace().Level = 1
		s.pace().Grown = 18
	}
	if sc.known {
		s.remember()
	}
	s.recall(sc, seed)
	s.limit()
	s.draw(sc)
	s.step, s.open, s.finished = make([]int, sc.sessions), make([]int, sc.sessions), make([]float64, sc.sessions)
	s.left = sc.sessions
	return s
}

// draw draws the work beforehand, so that the ideal is known and every policy gets the same.
func (s *sim) draw(sc scenario) {
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
					latency: sc.latency * s.spread(), cost: cost(s.work)}
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
			if sc.auto {
				steps = s.checks(steps)
			}
		}
		s.talks(steps)
		s.plan = append(s.plan, steps)
		s.start = append(s.start, s.work.Float64()*.5)
	}
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
	s.starts()
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

// starts has all sessions begin.
func (s *sim) starts() {
	for i := range s.sessions {
		s.on(s.start[i], func() { s.begin(i) })
	}
}

// reload writes, reads and checks the state, as every hook does.
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
	if err := s.state.Check(); err != nil {
		s.fault("a state that is refused: %v", err)
	}
	s.account = s.state.Open("p")
}
