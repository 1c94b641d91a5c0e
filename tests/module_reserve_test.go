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

// 1. A session of -p is kept back for longer than Claude Code bears to wait for an answer: its turn waits. 2. Somebody hears that the
// window resets soon. 3. The session goes on after that, as if nothing had been; of what was held nobody reads.
func TestRealReserveOutlastsPatience(t *testing.T) {
	t.Parallel()
	plan := &fakeapi.Plan{Share: .1, Resets: time.Now().Add(4 * time.Hour)}
	m := newInside(t, fakeapi.Config{Answer: plan.Answer(fakeapi.Agentic(12))}, "AFTERYOU_RESERVE=20%")
	s := m.session("batch", realclaude.Login, withModule, "API_TIMEOUT_MS=4000")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.silently(s)
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if p := m.status().Pools; len(p) > 0 && len(p[0].Stopped) == 1 && p[0].Stopped[0].Why == "reserve" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the session does not rest: %+v", m.status())
		}
	}
	resets := time.Now().Add(5 * time.Second).Truncate(time.Second)
	plan.Moves(resets)
	limits(t, s.Dir, s.Env)
	<-ended
	m.unaware("batch")
	for _, r := range m.api.Answers() {
		if r.Kind == fakeapi.Main && r.Since >= 9 && r.Arrived.Before(resets) {
			t.Errorf("call %d was sent before the reset", r.Since+1)
		}
	}
}

// Where the window resets later than max_wait allows, a session of -p ends rather than use what is kept for people.
func TestRealReserveBeyondMaxWait(t *testing.T) {
	t.Parallel()
	plan := &fakeapi.Plan{Share: .1, Resets: time.Now().Add(4 * time.Hour)}
	m := newInside(t, fakeapi.Config{Answer: plan.Answer(fakeapi.Agentic(12))}, "AFTERYOU_RESERVE=20%", "AFTERYOU_MAX_WAIT=1m")
	r, err := realclaude.Print(t.Context(), m.session("batch", realclaude.Login, withModule, "API_TIMEOUT_MS=4000"), "hello", "--permission-mode", "bypassPermissions")
	used, _ := plan.Used()
	if err != nil || r.Code == 0 || used > .9 || !strings.Contains(r.Stdout, "afteryou keeps what is left of the window for people, until ") {
		t.Errorf("it ends with %d, %v, says %q and %q; %v are used", r.Code, err, r.Stdout, r.Stderr, used)
	}
}
