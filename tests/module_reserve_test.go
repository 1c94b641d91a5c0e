package tests

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// batchAnd answers a batch's prompts, hello, with so many calls, and anything else with one.
func batchAnd(calls int) fakeapi.AnswerFunc {
	batch := fakeapi.Agentic(calls)
	return func(r fakeapi.Request) fakeapi.Answer {
		if r.Kind == fakeapi.Main && !strings.Contains(r.LastText, "hello") {
			return fakeapi.Say("fine")
		}
		return batch(r)
	}
}

// keptBack waits until so many calls are held by the reserve.
func (m *machine) keptBack(n int) {
	m.t.Helper()
	var last report
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		kept := 0
		last = m.status()
		for _, p := range last.Pools {
			for _, c := range p.Waiting {
				if strings.HasPrefix(c.Why, "the reserve") {
					kept++
				}
			}
		}
		if kept == n {
			return
		}
	}
	m.t.Fatalf("waited in vain for %d calls that the reserve holds; status: %+v", n, last)
}

// agrees wants that status tells of the windows what the server does.
func (m *machine) agrees(plan *fakeapi.Plan) {
	m.t.Helper()
	used, resets := plan.Used()
	windows := m.status().Pools[0].Windows
	if len(windows) != 2 || windows[0].Name != "5h" || math.Abs(windows[0].Used-used) > 1e-9 || windows[0].ResetsAt.Unix() != resets.Unix() ||
		windows[1].Name != "7d" || math.Abs(windows[1].Used-used/20) > 1e-9 {
		m.t.Errorf("status tells of %+v; the server: %v used until %v", windows, used, resets)
	}
}

// 1. Four sessions with a subscription's login sit at terminals, and three calls of -p work beside them, with a reserve. 2. Once no more
// than that is left the batch stands still, and says why; status has the server's figures. 3. Those at the terminals go on, up to the
// last of the window. 4. The window resets, and the batch goes on to its end; nobody was told of a limit.
func TestRealReserveIsForPeople(t *testing.T) {
	t.Parallel()
	plan := &fakeapi.Plan{Share: .02, Resets: time.Now().Add(4 * time.Hour)}
	m := newInside(t, fakeapi.Config{Answer: plan.Answer(batchAnd(20))}, "AFTERYOU_RESERVE=20%")
	var people []*terminal.Terminal
	for i := range 4 {
		people = append(people, m.open(m.session(fmt.Sprint("person", i), realclaude.Login, withModule)))
	}
	var wg sync.WaitGroup
	for i := range 3 {
		name := fmt.Sprint("batch", i)
		wg.Go(func() {
			m.silently(m.session(name, realclaude.Login, withModule))
			m.unaware(name)
		})
	}
	m.keptBack(3)
	m.agrees(plan)
	stood, _ := plan.Used()
	if stood < .8-1e-9 || stood > .8+3*plan.Share {
		t.Errorf("the batch stands still at %v", stood)
	}
	for i, person := range people[:3] {
		m.ask(person, fmt.Sprintf("how is %d", i))
		m.sees(person, "fine")
	}
	m.agrees(plan)
	if used, _ := plan.Used(); used <= stood || used > 1 {
		t.Errorf("%v of the window are used after three prompts", used)
	}
	resets := time.Now().Add(6 * time.Second).Truncate(time.Second)
	plan.Moves(resets)
	m.ask(people[3], "how is 3") // and hears of it
	m.sees(people[3], "fine")
	wg.Wait()
	sent := 0
	for _, r := range m.api.Answers() {
		if strings.Contains(r.LastText, "hello") && r.Arrived.Before(resets) {
			sent++
		}
	}
	if sent > int(math.Round(.8/plan.Share))+3 {
		t.Errorf("%d calls of the batch were sent before the reset", sent)
	}
	if n := len(m.api.Rejections()); n > 0 {
		t.Errorf("%d calls were rejected", n)
	}
	m.agrees(plan)
}
