package tests

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

// A generous server and a small budget: in no minute does the server see more calls than that, and it sees as many.
func TestRealBudgetIsKept(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]string{"hook": "AFTERYOU_GATEWAY=off", "gateway": throughGateway} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rpm = 20
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Slow(50*time.Millisecond, fakeapi.Agentic(8))}, way, fmt.Sprint("AFTERYOU_RPM=", rpm))
			done := make(chan struct{})
			go func() { defer close(done); m.share(3) }()
			m.until("the budget to be spent", func(log []fakeapi.Request) bool { return len(log) == rpm })
			for spent := false; !spent; time.Sleep(20 * time.Millisecond) {
				for _, p := range m.status().Pools {
					spent = p.Budget != nil && p.Budget.Calls == rpm && p.Budget.CallsOf == rpm
				}
				select {
				case <-done:
					t.Fatal("the sessions ended before the status showed that the budget was spent")
				default:
				}
			}
			<-done
			log := m.api.Log()
			if len(log) != 3*8 {
				t.Errorf("%d calls, want 24", len(log))
			}
			most, at := fullestMinute(log)
			if most != rpm {
				t.Errorf("%d calls in the minute from call %d on, want %d", most, at+1, rpm)
			}
			t.Logf("%d calls in the fullest minute; call %d came %v after the first", most, rpm+1, log[rpm].Arrived.Sub(log[0].Arrived).Round(time.Millisecond))
		})
	}
}

// fullestMinute is how many calls came in the minute in which most came, and the first of them.
func fullestMinute(log []fakeapi.Request) (most, at int) {
	for i := range log {
		n := 0
		for _, r := range log[i:] {
			if r.Arrived.Sub(log[i].Arrived) < time.Minute {
				n++
			}
		}
		if n > most {
			most, at = n, i
		}
	}
	return most, at
}

// Tokens, whose cost nobody knows before the first call: three calls fit into the budget, and the fourth waits for a
// minute. One session takes turns by hooks, the other at the gateway: their budget is one.
func TestRealBudgetOfTokensIsOneForHooksAndGateway(t *testing.T) {
	t.Parallel()
	cost := fakeapi.Usage{Input: 1000, CacheRead: 90000, Output: 20} // the next adds as much
	m := newMachine(t, fakeapi.Config{
		Cost: func(fakeapi.Request) fakeapi.Usage { return cost },
		Answer: func(r fakeapi.Request) fakeapi.Answer {
			a := fakeapi.Agentic(2)(r)
			a.Usage = cost
			return a
		},
	}, "AFTERYOU_ITPM=3500")
	var wg sync.WaitGroup
	wg.Go(func() { m.print(m.session("hooks")) })
	wg.Go(func() { m.print(m.session("gateway", throughGateway)) })
	wg.Wait()
	log := m.api.Log()
	if len(log) != 4 {
		t.Fatalf("%d calls, want 4", len(log))
	}
	if third, last := log[2].Arrived.Sub(log[0].Arrived), log[3].Arrived.Sub(log[0].Arrived); third > time.Minute || last < time.Minute {
		t.Errorf("the calls came %v and %v after the first; want the last alone to wait for a minute", third, last)
	}
}

// 1. A session of -p has the turn. 2. Two more of -p wait, and an interactive one behind them. 3. The turn comes free:
// the interactive one calls next.
func TestRealInteractiveSessionsGoFirst(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]string{"hook": "AFTERYOU_GATEWAY=off", "gateway": throughGateway} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			free := make(chan struct{})
			usual := fakeapi.Agentic(1)
			m := newMachine(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
				if r.Seq == 1 {
					<-free
				}
				return usual(r)
			}}, way, "AFTERYOU_TURNS=strict", "AFTERYOU_PRIORITY=interactive")
			terminal := m.open(m.session("person"))
			var ends []chan struct{}
			begin := func(name string) {
				done := make(chan struct{})
				ends = append(ends, done)
				go func() { defer close(done); m.print(m.session(name)) }()
			}
			begin("first") // 1
			m.until("the first call", func(log []fakeapi.Request) bool { return len(log) == 1 })
			for i := range 2 { // 2
				begin(fmt.Sprint("next", i))
				m.waits(1, i+1)
			}
			m.ask(terminal, "hello")
			m.waits(1, 3)
			close(free) // 3
			m.sees(terminal, "done")
			for _, done := range ends {
				<-done
			}
			log := m.api.Log()
			order := sessions(log)
			if len(log) != 4 || slices.Contains(order[2:], order[1]) {
				t.Fatalf("%d calls by %v, want 4", len(log), order)
			}
			if agent := log[1].Header.Get("User-Agent"); !interactive(agent) || interactive(log[2].Header.Get("User-Agent")) {
				t.Errorf("the second call is of %q, want the interactive session's", agent)
			}
		})
	}
}

// interactive is what a request says of its session (2.1.330): claude-cli/2.1.330 (external, cli).
func interactive(agent string) bool { return strings.Contains(agent, ", cli") }
