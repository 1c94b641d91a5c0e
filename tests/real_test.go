package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

func TestRealSessionsTakeTurnsStrictly(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: agent(time.Second)}, "AFTERYOU_TURNS=strict")
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() { m.print(m.session(fmt.Sprint("session", i))) })
	}
	wg.Wait()
	log := m.api.Log()
	if len(log) != 9 || len(m.api.Rejections()) != 0 {
		t.Fatalf("%d calls and %d rejections, want 9 and none", len(log), len(m.api.Rejections()))
	}
	if both := fakeapi.Overlapping(log); len(both) != 0 {
		t.Errorf("calls overlap: %+v", both)
	}
	// A tool takes less time than the others' calls, so first come, first served means that they go round: once all three
	// have begun, and as long as none has finished, any three calls in a row are of three sessions.
	calls := make(map[string]int)
	for i, r := range log {
		calls[r.Session]++
		if i < 3 || calls[r.Session] == 3 {
			continue
		}
		if log[i-1].Session == r.Session || log[i-2].Session == r.Session {
			t.Errorf("call %d is of %s again, out of turn: %v", i+1, r.Session, sessions(log))
		}
	}
	if r := m.status(); len(r.Pools) > 0 && len(r.Pools[0].Turns)+len(r.Pools[0].Waiting) != 0 {
		t.Errorf("after the end somebody still has a turn: %+v", r)
	}
}

func TestRealTurnOfAKilledSessionIsFree(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: hangs()}, "AFTERYOU_TURNS=strict")
	victim, done := m.victim()
	killed := time.Now()
	if err := victim.Process.Kill(); err != nil { // -p was exec'd: this is Claude Code itself
		t.Fatal(err)
	}
	victim.Wait()
	<-done
	if log := m.api.Log(); len(log) != 2 {
		t.Errorf("%d calls, want 2", len(log))
	} else {
		t.Logf("the next session called %v after the kill", log[1].Arrived.Sub(killed).Round(time.Millisecond))
	}
}

func TestRealTurnOfAnInterruptedSessionIsFree(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: hangs()}, "AFTERYOU_TURNS=strict")
	first := m.open(m.session("interrupted"))
	m.ask(first, "hello")
	m.until("the first call", func(log []fakeapi.Request) bool { return len(log) == 1 })
	done := make(chan struct{})
	go func() { defer close(done); m.print(m.session("next")) }()
	m.waits(1, 1)
	interrupted := time.Now()
	if err := first.Send([]byte("\x1b")); err != nil {
		t.Fatal(err)
	}
	<-done
	if log := m.api.Log(); len(log) != 2 {
		t.Errorf("%d calls, want 2", len(log))
	} else {
		t.Logf("the next session called %v after Esc", log[1].Arrived.Sub(interrupted).Round(time.Millisecond))
	}
}

// 1. A session asks and is told to come back after 75 seconds. 2. A second one starts and asks. 3. Nothing reaches the
// server until the wait is over. 4. Both go on, and nobody types a thing.
func TestRealSessionsWaitForALongRetryAfter(t *testing.T) {
	t.Parallel()
	const wait = 75 * time.Second
	limited := fakeapi.Script(fakeapi.Agentic(1), fakeapi.RateLimited(wait))
	m := newMachine(t, fakeapi.Config{Answer: limited}, "AFTERYOU_PROBE=off")
	first := m.open(m.session("first"))
	m.ask(first, "hello")
	m.until("the rejection", func(log []fakeapi.Request) bool { return len(log) == 1 && log[0].Status == 429 })
	m.sees(first, "retrying in")
	second := m.open(m.session("second"))
	m.ask(second, "hello")
	m.waits(0, 1)
	if r := m.status().Pools[0]; r.CoolDown == nil || r.CoolDown.Seconds < 10 {
		t.Errorf("status shows no cool-down: %+v", r)
	}
	m.sees(first, "done")
	m.sees(second, "done")
	log := m.api.Log()
	if len(log) != 3 || len(m.api.Rejections()) != 1 {
		t.Errorf("%d calls and %d rejections, want 3 and 1", len(log), len(m.api.Rejections()))
	}
	for _, r := range log[1:] {
		if early := wait - r.Arrived.Sub(log[0].Arrived); early > 0 {
			t.Errorf("call %d came %v before the wait was over", r.Seq, early)
		}
	}
	m.rings(first, "(API error)") // the screen does not name the first two tries (2.1.330)
	m.rings(second, "(rate limit)")
	if log := m.logged(); strings.Count(log, " goes on after it waited 1m") != 2 {
		t.Errorf("our log says\n%s\nwant a line on the wait of each session", log)
	}
	t.Logf("the sessions went on %v and %v after the rejection", log[1].Arrived.Sub(log[0].Arrived).Round(time.Millisecond), log[2].Arrived.Sub(log[0].Arrived).Round(time.Millisecond))
}

// A broken state directory is our trouble, not the session's: it runs on, and one line says what is wrong.
func TestRealSessionRunsOnABrokenState(t *testing.T) {
	t.Parallel()
	state := func(dir, content string) error {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "state.json"), []byte(content), 0o600)
	}
	for name, c := range map[string]struct {
		spoil func(dir string) error
		says  string
	}{
		"truncated":          {func(dir string) error { return state(dir, `{"version":2,"ac`) }, "set aside as state.corrupt-"},
		"of a newer version": {func(dir string) error { return state(dir, `{"version":99}`) }, "written by a newer afteryou"},
		"not readable":       {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "state.json"), 0o700) }, "not a regular file"},
		"not writable":       {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "lock"), 0o700) }, "lock"},
		"open to everybody":  {func(dir string) error { return os.Chmod(mkdir(dir), 0o777) }, "is writable by others (mode 0777)"},
		"a symlink":          {func(dir string) error { return os.Symlink(mkdir(dir+".other"), dir) }, "is a symlink"},
		"another user's":     {func(dir string) error { return os.Lchown(mkdir(dir), 12345, 12345) }, "belongs to uid 12345"},
		"in place of a file": {func(dir string) error { mkdir(filepath.Dir(dir)); return os.WriteFile(dir, nil, 0o600) }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "another user's" && os.Getuid() != 0 {
				t.Log("only root can give a directory away; package lockfile tests it otherwise")
				return
			}
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
			if err := c.spoil(m.stateDir()); err != nil {
				t.Fatal(err)
			}
			r := m.print(m.session("one"))
			lines := strings.Split(strings.TrimSpace(r.Stderr), "\n")
			if !strings.HasPrefix(lines[0], "afteryou: ") || !strings.Contains(lines[0], c.says) || strings.Count("\n"+r.Stderr, "\nafteryou: ") != 1 {
				t.Errorf("stderr is %q, want one line with %q", r.Stderr, c.says)
			}
			if len(m.api.Answers()) != 2 {
				t.Errorf("%d answers, want 2", len(m.api.Answers()))
			}
		})
	}
}

// Hooks of the user's settings and those of run: the same event is delivered twice where they differ (another path of
// the same program here), and is one turn.
func TestRealEventDeliveredTwiceIsOneTurn(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(3)}, "AFTERYOU_TURNS=strict")
	s := m.session("twice")
	link := filepath.Join(m.dir, "also-afteryou")
	if err := os.Symlink(afteryou, link); err != nil {
		t.Fatal(err)
	}
	settings := fmt.Sprintf(`{"hooks":{`+
		`"UserPromptSubmit":[{"hooks":[{"type":"command","command":%[1]q,"args":["hook"]}]}],`+
		`"PostToolBatch":[{"hooks":[{"type":"command","command":%[1]q,"args":["hook"]}]}],`+
		`"PreToolUse":[{"hooks":[{"type":"command","command":%[1]q,"args":["hook"]}]}]}}`, link)
	file := filepath.Join(m.dir, "settings.json")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	m.print(s, "--settings", file)
	if len(m.api.Answers()) != 3 {
		t.Errorf("%d answers, want 3", len(m.api.Answers()))
	}
}

// The demo compares, whatever limits: calls, through the gateway and with a limit that changes; or the tokens of subagents. It
// runs an older version, with a check before each tool, where an organization guards what modules see.
func TestRealDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("drives the real Claude Code")
	}
	t.Parallel()
	for args, want := range map[string]struct {
		answers int
		gate    string
	}{
		"--sessions 2 --calls 2 --rpm 120 --burst 2 --gate gateway --cut":                                               {4, "gateway"},
		"--sessions 1 --calls 2 --subagents 2 --itpm 120000 --ttft 100ms --speed 100 --server no-headers,unnamed-limit": {6, "module"},
		"--sessions 1 --calls 2 --rpm 120 --burst 2 --claude 2.1.321 --gate steps --auto":                               {3, "steps"},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), afteryou, append([]string{"demo", "--json"}, strings.Fields(args)...)...)
			cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("demo: %v", err)
			}
			var r struct {
				Server   string
				Ideal    float64 `json:"ideal_s"` // on average; answers may be a quarter faster
				Native   *struct{ Answers int }
				Afteryou *struct {
					Answers, Dead int
					HeldBy        map[string]int `json:"held_by"`
					Makespan      float64        `json:"makespan_s"`
					Wall          float64        `json:"wall_s"`
				}
			}
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatalf("demo prints %q: %v", out, err)
			}
			if r.Ideal < 1 || r.Native == nil || r.Native.Answers != want.answers || r.Afteryou == nil || r.Afteryou.Answers != want.answers ||
				r.Afteryou.Dead != 0 || r.Afteryou.Makespan < 0.75*r.Ideal || r.Afteryou.Wall <= r.Afteryou.Makespan || !strings.HasPrefix(r.Server, "answers after 0.") {
				t.Errorf("demo prints %s", out)
			}
			if len(r.Afteryou.HeldBy) != 1 || r.Afteryou.HeldBy[want.gate] == 0 {
				t.Errorf("the calls were held by %v, want %s alone", r.Afteryou.HeldBy, want.gate)
			}
		})
	}
}

// No gate hook precedes the calls of ! shell mode and those of a compaction after its first (2.1.330).
func TestRealCallsWithoutAGateAreCounted(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(1)})
	terminal := m.open(m.session("one"))
	m.ask(terminal, "hello")
	m.sees(terminal, "done")
	for _, command := range []string{"!echo hi", "/compact"} {
		before := len(m.api.Answers())
		m.ask(terminal, command)
		m.until(command, func([]fakeapi.Request) bool { return len(m.api.Answers()) > before })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := terminal.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// What was not seen yet is when the next call is asked for, by whomever.
	m.print(m.session("another"))
	m.counts()
}

// A subagent's calls wait for turns of their own: with strict turns none overlaps another.
func TestRealSubagentsTakeTurns(t *testing.T) {
	t.Parallel()
	agents := func(r fakeapi.Request) fakeapi.Answer {
		if r.Agent == "" && r.Results == 0 && r.Prompts == 1 {
			spawn := fakeapi.Tool{Name: "Agent", Input: map[string]any{"description": "look", "prompt": "look", "subagent_type": "general-purpose"}}
			return fakeapi.Answer{Tools: []fakeapi.Tool{spawn, spawn}}
		}
		if r.Agent != "" && r.Results == 0 {
			return fakeapi.Bash("echo subagent")
		}
		return fakeapi.Say("done")
	}
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Slow(500*time.Millisecond, agents)}, "AFTERYOU_TURNS=strict")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := realclaude.Print(ctx, m.session("one"), "--permission-mode", "bypassPermissions", "hello")
	if err != nil || r.Code != 0 {
		t.Fatalf("the session says %+v, %v", r, err)
	}
	log := m.api.Log()
	if both := fakeapi.Overlapping(log); len(both) != 0 {
		t.Errorf("calls overlap: %+v", both)
	}
	subagents := make(map[string]int)
	for _, r := range log {
		subagents[r.Agent]++
	}
	if len(subagents) != 3 {
		t.Errorf("calls by agent: %v, want those of the session and of two subagents", subagents)
	}
	m.counts()
}
