package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// unaware wants that the transcripts of a session's home tell of no rejection.
func (m *machine) unaware(home string) {
	m.t.Helper()
	paths, err := realclaude.Transcripts(filepath.Join(m.dir, home))
	if err != nil || len(paths) == 0 {
		m.t.Fatalf("transcripts %v, %v", paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, word := range []string{`"api_error"`, `isApiErrorMessage":true`, "rate_limit"} {
			if strings.Contains(string(data), word) {
				m.t.Errorf("the transcript of %s tells of %s", home, word)
			}
		}
	}
}

// ranOnce wants that a tool which appends a line to the file ran once.
func ranOnce(t *testing.T, path string) {
	t.Helper()
	if data, err := os.ReadFile(path); err != nil || string(data) != "ran\n" {
		t.Errorf("the tool left %q, %v; want that it ran once", data, err)
	}
}

// toolOnce answers with a tool that appends a line to the file proof, and with done after it.
func toolOnce() fakeapi.AnswerFunc {
	return fakeapi.AgenticCommand(2, func(int) string { return "echo ran >> proof" })
}

// 1. Three sessions with the module share a small limit, whose server answers late. 2. None of them learns of a rejection; the
// hooks of the settings, which are there too, give way.
func TestRealModuleFollowsALimit(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 60, Burst: 1}},
		Answer: fakeapi.Slow(500*time.Millisecond, fakeapi.Agentic(2))})
	dir := moduleDir(t)
	var wg sync.WaitGroup
	for i := range 3 {
		name := fmt.Sprint("session", i)
		wg.Go(func() {
			m.silently(m.inside(name, dir))
			m.unaware(name)
		})
	}
	wg.Wait()
	answers := m.api.Answers()
	if n := len(m.api.Rejections()); len(answers) != 6 || n > 6 {
		t.Errorf("%d answers and %d rejections, want 6 and fewer than that", len(answers), n)
	}
	m.counts()
}

// rejectedOnce answers the call that brings the first tool's result with a, and everything else as then does.
func rejectedOnce(a fakeapi.Answer, then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	var mu sync.Mutex
	done := false
	return func(r fakeapi.Request) fakeapi.Answer {
		mu.Lock()
		defer mu.Unlock()
		if r.Results == 0 || done {
			return then(r)
		}
		done = true
		return a
	}
}

// A limit comes after a tool ran: the session waits as long as the server says and goes on, the tool runs once, and there is one
// conversation, without a trace of it. So it is whether Claude Code bears to wait for so long (http.fetch holds the request) or
// not (it gives the turn up, and turn.step makes it go on).
func TestRealModuleWaitsALimitOut(t *testing.T) {
	t.Parallel()
	given := []string{"API_TIMEOUT_MS=4000", "CLAUDE_CODE_MAX_RETRIES=0"}
	for name, c := range map[string]struct {
		answer fakeapi.Answer
		least  time.Duration
		extra  []string
	}{
		"a minute and a half":  {fakeapi.RateLimited(90 * time.Second), 90 * time.Second, nil},
		"some seconds":         {fakeapi.RateLimited(3 * time.Second), 3 * time.Second, nil},
		"overload":             {fakeapi.Overloaded(), 0, nil},
		"longer than it bears": {fakeapi.RateLimited(7 * time.Second), 7 * time.Second, given},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newInside(t, fakeapi.Config{Answer: rejectedOnce(c.answer, toolOnce())})
			begun := time.Now()
			m.silently(m.inside("session", moduleDir(t), c.extra...))
			if took := time.Since(begun); took < c.least || took > c.least+30*time.Second {
				t.Errorf("it took %v, want %v and some seconds", took, c.least)
			}
			m.unaware("session")
			ranOnce(t, filepath.Join(m.dir, "session", "work", "proof"))
			if log := m.api.Log(); len(log) != 3 || len(m.api.Rejections()) > 1 {
				t.Errorf("%d calls, want 3: %+v", len(log), log)
			}
			if paths, err := realclaude.Transcripts(filepath.Join(m.dir, "session")); err != nil || len(paths) != 1 {
				t.Errorf("transcripts %v, %v; want one conversation", paths, err)
			}
		})
	}
}

// What waiting does not lift is Claude Code's at once, as it is without the module.
func TestRealModulePassesErrorsOn(t *testing.T) {
	t.Parallel()
	spent := fakeapi.SpendLimited()
	spent.Header = http.Header{"X-Should-Retry": {"false"}}
	for name, answer := range map[string]fakeapi.Answer{"spent": spent, "not understood": {Status: 400}, "forbidden": {Status: 403}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			always := func(fakeapi.Request) fakeapi.Answer { return answer }
			run := func(inside bool) (r realclaude.Result, calls int) {
				m := newInside(t, fakeapi.Config{Answer: always})
				s := m.direct(m.session("session"))
				if inside {
					s = m.inside("session", moduleDir(t))
				}
				r, err := realclaude.Print(t.Context(), s, "hello")
				if err != nil {
					t.Fatal(err)
				}
				return r, len(m.api.Log())
			}
			with, calls := run(true)
			without, want := run(false)
			if with.Code != without.Code || shape(with.Stdout) != shape(without.Stdout) || shape(with.Stderr) != shape(without.Stderr) || calls != want {
				t.Errorf("with the module %+v and %d calls,\nwithout %+v and %d", with, calls, without, want)
			}
		})
	}
}

// shape is a text without what differs each time.
func shape(text string) string {
	text, _, _ = strings.Cut(text, "req_")
	return text
}

// Clouds say neither when to come again nor how the limits stand: their rejections are sent again all the same.
func TestRealModuleOnTheClouds(t *testing.T) {
	t.Parallel()
	for _, cloud := range []string{"vertex", "bedrock"} {
		t.Run(cloud, func(t *testing.T) {
			t.Parallel()
			m := newInside(t, fakeapi.Config{Answer: rejectedOnce(fakeapi.RateLimited(time.Minute), toolOnce())})
			m.silently(m.inside("session", moduleDir(t), realclaude.Cloud(cloud, m.api.URL())...))
			m.unaware("session")
			if log := m.api.Log(); len(log) != 3 || log[1].Status != 429 {
				t.Errorf("%d calls, want 3, the second rejected: %+v", len(log), log)
			}
		})
	}
}

// Whichever way the directory comes twice, the module is there once.
func TestRealModuleGivenTwice(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: toolOnce()}, "AFTERYOU_TURNS=strict")
	dir := moduleDir(t)
	s := m.inside("session", dir, "CLAUDE_CODE_PLUGIN_DIRS="+dir)
	s.Args = append(s.Args, "--plugin-dir", dir)
	m.silently(s)
	m.print(m.inside("other", dir, "CLAUDE_CODE_PLUGIN_DIRS="+moduleDir(t))) // another one of that name is left out, with a line that says so
	if log := m.api.Log(); len(log) != 4 {
		t.Errorf("%d calls, want 4: %+v", len(log), log)
	}
	m.counts()
}

// Subagents take turns of their own, one at a time with all others, and none of their turns is left.
func TestRealModuleSubagentsTakeTurns(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: fakeapi.Slow(200*time.Millisecond, oneAgent)}, "AFTERYOU_TURNS=strict")
	dir := moduleDir(t)
	var wg sync.WaitGroup
	for i := range 2 {
		s := m.inside(fmt.Sprint("session", i), dir)
		wg.Go(func() {
			if r, err := realclaude.Print(t.Context(), s, "hello"); err != nil || r.Code != 0 || r.Stderr != "" {
				t.Errorf("the session says %+v, %v", r, err)
			}
		})
	}
	wg.Wait()
	agents := map[string]bool{}
	for _, r := range m.api.Log() {
		if r.Agent != "" {
			agents[r.Agent] = true
		}
	}
	if both := fakeapi.Overlapping(m.api.Log()); len(both) != 0 || len(agents) != 2 {
		t.Errorf("%d agents, want 2; %d calls overlap: %+v", len(agents), len(both), both)
	}
	m.counts()
}

// oneAgent has the main loop start one subagent, and each loop end.
func oneAgent(r fakeapi.Request) fakeapi.Answer {
	if r.Agent == "" && r.Tools > 0 && r.Results == 0 {
		return fakeapi.Answer{Tools: []fakeapi.Tool{{Name: "Agent", Input: map[string]any{"description": "d", "prompt": "p", "subagent_type": "general-purpose"}}}}
	}
	return fakeapi.Say("done")
}

// Where the server says nothing of tools, Claude Code checks them with a request of its own, which a limit holds a while: the tool
// runs, and is not refused.
func TestRealModuleHoldsChecks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	checks := 0
	agentic := fakeapi.AgenticCommand(2, func(int) string { return "sh -c 'echo ran >> proof'" })
	m := newInside(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
		mu.Lock()
		defer mu.Unlock()
		if r.Kind == fakeapi.Check {
			if checks++; checks == 1 {
				return fakeapi.RateLimited(5 * time.Second)
			}
		}
		return agentic(r)
	}}, "CLAUDE_CODE_AUTO_MODE_SERVER=0", "AFTERYOU_TURNS=strict")
	m.silently(m.inside("session", moduleDir(t)), "--permission-mode", "auto")
	ranOnce(t, filepath.Join(m.dir, "session", "work", "proof"))
	for _, r := range m.api.Log() {
		if r.Refused > 0 {
			t.Errorf("the tool was refused: %+v", r)
		}
	}
	m.counts()
}

// After the session nobody has a turn, and no socket is left.
func TestRealModuleLeavesNothing(t *testing.T) {
	t.Parallel()
	m := newInside(t, fakeapi.Config{Answer: toolOnce()})
	m.silently(m.inside("session", moduleDir(t)))
	m.counts()
	for deadline := time.Now().Add(10 * time.Second); len(m.partners()) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left are the directories of %v", m.partners())
		}
	}
}
