package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"afteryou/internal/demo"
	"afteryou/internal/fakeapi"
)

// scenario is a situation that is measured in every way.
type scenario struct {
	name, about string
	full, quick demo.Scenario
	alone       bool // nothing else runs meanwhile: its time is not the limit's
	peers       bool // peers are measured too
	again       bool // what can learn the limit is run once more, in the same minutes
}

// late returns a server that answers after so many seconds, as unevenly as the API does.
func late(seconds float64) fakeapi.Manner {
	m := fakeapi.Late()
	m.FirstToken = time.Duration(seconds * float64(time.Second))
	return m
}

// scenarios lists those of the tables, in their order.
var scenarios = []scenario{
	{
		name: "narrow", about: "a small limit without any burst, for many sessions", again: true,
		full:  demo.Scenario{Sessions: 12, Calls: 4, RPM: 30, Burst: 1, Server: late(1)},
		quick: demo.Scenario{Sessions: 6, Calls: 2, RPM: 60, Burst: 1, Server: late(1)},
	},
	{
		name: "usual", about: "the work and the limit of `afteryou demo`", peers: true, again: true,
		full:  demo.Scenario{Sessions: 6, Calls: 6, RPM: 60, Burst: 2, Server: late(1)},
		quick: demo.Scenario{Sessions: 4, Calls: 3, RPM: 60, Burst: 2, Server: late(1)},
	},
	{
		name: "slow calls", about: "calls take longer than the limit's interval, so that several run at once", again: true,
		full:  demo.Scenario{Sessions: 9, Calls: 4, RPM: 45, Burst: 3, Server: late(1.5)},
		quick: demo.Scenario{Sessions: 4, Calls: 3, RPM: 45, Burst: 3, Server: late(1.5)},
	},
	{
		name: "tokens", about: "input tokens are what is limited, and the first call of a session takes twice as many", peers: true,
		full:  demo.Scenario{Sessions: 6, Calls: 5, ITPM: 60000, Burst: 2, Server: fakeapi.Late()},
		quick: demo.Scenario{Sessions: 4, Calls: 2, ITPM: 60000, Burst: 2, Server: fakeapi.Late()},
	},
	{
		name: "subagents", about: "every session starts subagents that call at the same time; their transcripts do not say that a try was rejected, so hooks learn of it late",
		full:  demo.Scenario{Sessions: 3, Calls: 3, Subagents: 3, RPM: 60, Burst: 2, Server: fakeapi.Late()},
		quick: demo.Scenario{Sessions: 2, Calls: 2, Subagents: 2, RPM: 60, Burst: 2, Server: fakeapi.Late()},
	},
	{
		name: "changing", about: "the limit is cut to a third half-way, and restored",
		full:  demo.Scenario{Sessions: 6, Calls: 8, RPM: 60, Burst: 2, Server: fakeapi.Late(), Cut: true},
		quick: demo.Scenario{Sessions: 4, Calls: 8, RPM: 120, Burst: 2, Server: fakeapi.Late(), Cut: true},
	},
	cloud("vertex", "Vertex AI, whose rejections say neither what the limit is nor when to come again"),
	cloud("bedrock", "Amazon Bedrock, which says as little"),
	{
		name: "generous", about: "a limit that nobody meets: what taking turns costs where it is not needed", alone: true,
		full:  demo.Scenario{Sessions: 6, Calls: 5, RPM: 1000, Burst: 200, Server: late(1.5)},
		quick: demo.Scenario{Sessions: 6, Calls: 2, RPM: 1000, Burst: 200, Server: late(1.5)},
	},
}

func cloud(name, about string) scenario {
	return scenario{
		name: name, about: about,
		full:  demo.Scenario{Sessions: 6, Calls: 4, RPM: 40, Burst: 2, Server: late(1), Cloud: name},
		quick: demo.Scenario{Sessions: 4, Calls: 2, RPM: 60, Burst: 2, Server: late(1), Cloud: name},
	}
}

// work returns what is done at a size.
func (s scenario) work(size string) demo.Scenario {
	if size == quick {
		return s.quick
	}
	return s.full
}

// way is a way to start sessions.
type way struct {
	name, about string
	start       func(self, claude string, work demo.Scenario) demo.Way
	peer        bool
	learns      bool // what one run showed it of the limit the next one knows
}

const (
	native   = "native"
	watchdog = "watchdog"
	module   = "module"
	steps    = "steps"
	hooks    = "hooks"
	through  = "gateway"
)

// gates are the names of the ways through afteryou.
var gates = []string{module, steps, hooks, through}

// ours returns the ways that the tables compare, in their order: Claude Code alone and through afteryou.
func ours() []way {
	alone := func(env ...string) func(self, claude string, _ demo.Scenario) demo.Way {
		return func(_, claude string, _ demo.Scenario) demo.Way { return demo.Native(claude, env...) }
	}
	held := func(name, about string, gate demo.Gate) way {
		return way{name: name, about: about, learns: true, start: func(self, claude string, _ demo.Scenario) demo.Way { return gate.Way(self, claude) }}
	}
	return []way{
		{name: native, about: "Claude Code as it is", start: alone()},
		{name: watchdog, about: "Claude Code with `CLAUDE_CODE_RETRY_WATCHDOG=1`", start: alone("CLAUDE_CODE_RETRY_WATCHDOG=1")},
		held(module, "`afteryou run`: turns by the module", demo.Module),
		held(steps, "the same under an organization's settings, which hide requests: turns by steps", demo.Steps),
		held(hooks, "`afteryou run --module off`: turns by hooks, as of versions before 2.1.286", demo.Hooks),
		held(through, "`afteryou run --gateway on`: turns at the gateway", demo.Through),
	}
}

// sharing runs every scenario in every way, as often as the size says. Sessions mostly wait, so that runs share the
// machine, as long as there are no more than so many sessions and so many calls a second at once: what a call takes of a
// processor (some 0.3 s of one of two, with Claude Code's tool) must not be what the others wait for.
type sharing struct {
	size         string
	sessions     int
	calls        float64        // a second
	only         *regexp.Regexp // of "scenario/way"
	trial        trial
	self, claude string
	dir          string // for peers
	out          io.Writer
	results      *file
}

func (s sharing) ways() []way { return s.trial.ways(append(ours(), peers(s.dir)...)) }

func (s sharing) run(ctx context.Context) error {
	var todo []job
	for _, j := range jobs(s.size, s.ways()) {
		j.Work = s.trial.on(j.Work)
		if s.only.MatchString(j.Scenario+"/"+j.Way) && !s.results.has(j.Shared) {
			todo = append(todo, j)
		}
	}
	type end struct {
		of  job
		err error
	}
	ends := make(chan end)
	running := &running{}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var now []job
	for len(todo)+len(now) > 0 {
		i := slices.IndexFunc(todo, func(j job) bool { return s.fits(j, now) })
		if i >= 0 && ctx.Err() == nil {
			j := todo[i]
			todo, now = slices.Delete(todo, i, i+1), append(now, j)
			go func() { ends <- end{j, s.one(ctx, j, running)} }() // every one is received below
			continue
		}
		if len(now) == 0 {
			break
		}
		e := <-ends
		now = slices.DeleteFunc(now, func(j job) bool { return j.Shared.same(e.of.Shared) })
		if e.err != nil {
			cancel(fmt.Errorf("%s, %s: %w", e.of.Scenario, e.of.Way, e.err))
		}
	}
	return context.Cause(ctx)
}

// fits reports whether the run may start beside those that run now. One alone may always.
func (s sharing) fits(j job, now []job) bool {
	if len(now) == 0 {
		return true
	}
	sessions, calls := j.Work.Sessions, j.Work.Pace()
	for _, other := range now {
		if j.alone || other.alone {
			return false
		}
		sessions += other.Work.Sessions
		calls += other.Work.Pace()
	}
	return sessions <= s.sessions && calls <= s.calls
}

// job is one run that is to be made.
type job struct {
	Shared
	way   way
	alone bool
	times int // in a row
}

// rounds returns the number of rounds of a size.
func rounds(size string) int {
	if size == quick {
		return 1
	}
	return 2
}

// jobs returns all the runs of a size, in their order: round by round, and in each another way first.
func jobs(size string, ways []way) (list []job) {
	for round := 1; round <= rounds(size); round++ {
		for _, sc := range scenarios {
			for i := range ways {
				w := ways[(i+round-1)%len(ways)]
				times := 1
				if sc.again && w.learns {
					times = 2
				}
				if !w.peer || sc.peers {
					list = append(list, job{Shared{Scenario: sc.name, Way: w.name, Round: round, Work: sc.work(size)}, w, sc.alone, times})
				}
			}
		}
	}
	return list
}

// maxRun bounds a run: the longest known, of the watchdog, took five minutes.
const maxRun = 15 * time.Minute

// one makes one run, or two in a row.
func (s sharing) one(ctx context.Context, j job, r *running) error {
	one := j.Shared
	beside := r.begin(one.Work.Sessions)
	defer r.end(one.Work.Sessions, beside)
	busy, all := processors()
	ctx, cancel := context.WithTimeoutCause(ctx, maxRun, fmt.Errorf("not over in %v", maxRun))
	defer cancel()
	runs, err := one.Work.Runs(ctx, j.way.start(s.self, s.claude, one.Work), &demo.View{Out: io.Discard}, j.times)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	busy2, all2 := processors()
	one.Busy = (busy2 - busy) / max(1, all2-all)
	one.Run, one.Ideal, one.Beside = runs[0], one.Work.Ideal(), int(beside.Load())
	for i, run := range runs {
		if run.Answers == 0 {
			return errors.New("not one call was answered")
		}
		if i > 0 {
			one.Again = &run
		}
		fmt.Fprintf(s.out, "%-11s %-9s round %d  %6.1f s  %.3f x  %3d answers %3d rejected (%d told) %d dead  Jain %.3f  %.1f s lost  held by %v\n", one.Scenario, one.Way,
			one.Round, run.Makespan, run.OfIdeal, run.Answers, run.Rejections, run.Recorded, run.Dead, run.Jain, run.Lost, run.HeldBy)
	}
	return s.results.change(func(all *Results) {
		all.Sharing = slices.DeleteFunc(all.Sharing, func(old Shared) bool {
			return old.Scenario == one.Scenario && old.Way == one.Way && old.Round == one.Round // of other work
		})
		all.Sharing = append(all.Sharing, one)
	})
}

// running counts the sessions that run, and keeps for each run how many others did at most.
type running struct {
	mu   sync.Mutex
	now  int
	runs []*atomic.Int64
}

func (r *running) begin(n int) *atomic.Int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	beside := new(atomic.Int64)
	beside.Store(int64(r.now))
	for _, other := range r.runs {
		other.Add(int64(n))
	}
	r.now += n
	r.runs = append(r.runs, beside)
	return beside
}

func (r *running) end(n int, beside *atomic.Int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now -= n
	r.runs = slices.DeleteFunc(r.runs, func(other *atomic.Int64) bool { return other == beside })
}
