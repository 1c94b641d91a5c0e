package cli

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
	"afteryou/internal/turn"
)

// patience bounds the wait for what must happen some time, on any machine.
const patience = 3 * time.Minute

// afteryou is the binary under test, built by TestMain.
var afteryou string

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // to what the tests read and build
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "afteryou-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	afteryou = filepath.Join(dir, "afteryou")
	build := exec.Command("go", "build", "-o", afteryou, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	code := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building afteryou: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// machine is one user's machine: sessions on it share the state directory, and the account at api.
type machine struct {
	t      testing.TB
	api    *fakeapi.Server
	claude string
	dir    string
	extra  []string
}

func newMachine(t testing.TB, c fakeapi.Config, extra ...string) *machine {
	t.Helper()
	if testing.Short() {
		t.Skip("drives the real Claude Code")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	claude, err := realclaude.Install(ctx, realclaude.Version)
	if err != nil {
		t.Fatal(err)
	}
	api, err := fakeapi.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return &machine{t: t, api: api, claude: claude, dir: t.TempDir(), extra: extra}
}

func (m *machine) stateDir() string { return filepath.Join(m.dir, "state", "afteryou") }

// session is a Claude Code through afteryou, with a home and a directory named after it.
func (m *machine) session(name string, extra ...string) realclaude.Session {
	m.t.Helper()
	home := filepath.Join(m.dir, name)
	work := filepath.Join(home, "work")
	if err := realclaude.Home(home, work); err != nil {
		m.t.Fatal(err)
	}
	env := append([]string{
		"XDG_STATE_HOME=" + filepath.Join(m.dir, "state"),
		"XDG_CONFIG_HOME=" + filepath.Join(m.dir, "config"),
		"XDG_CACHE_HOME=" + filepath.Join(m.dir, "cache"),
		"AFTERYOU_CLAUDE=" + m.claude,
		"AFTERYOU_GATEWAY=off", // the server is at a base URL of its own, where "auto" would be on
	}, append(m.extra, extra...)...)
	return realclaude.Session{
		Path: afteryou, Args: []string{"run", "--"}, Dir: work,
		Env: realclaude.Env(home, m.api.URL(), env...),
	}
}

// print runs -p and wants it to say what it says when all goes well.
func (m *machine) print(s realclaude.Session, args ...string) realclaude.Result {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	r, err := realclaude.Print(ctx, s, append([]string{"--permission-mode", "bypassPermissions", "hello"}, args...)...)
	if err != nil {
		m.t.Error(err)
	} else if r.Code != 0 || strings.TrimSpace(r.Stdout) != "done" {
		m.t.Errorf("the session ends with %d, says %q and %q; want done", r.Code, r.Stdout, r.Stderr)
	}
	return r
}

// open starts an interactive session and waits for its prompt.
func (m *machine) open(s realclaude.Session, args ...string) *realclaude.Terminal {
	m.t.Helper()
	terminal, err := realclaude.Open(s, 100, 30, args...)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { terminal.Close() })
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	if err := terminal.WaitReady(ctx); err != nil {
		m.t.Fatal(err)
	}
	return terminal
}

// ask types a prompt.
func (m *machine) ask(terminal *realclaude.Terminal, prompt string) {
	m.t.Helper()
	if err := terminal.Type(prompt); err != nil {
		m.t.Fatal(err)
	}
}

// sees waits until a terminal shows the text.
func (m *machine) sees(terminal *realclaude.Terminal, text string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	if err := terminal.WaitFor(ctx, text); err != nil {
		m.t.Fatal(err)
	}
}

// until waits for a condition on the server's log.
func (m *machine) until(what string, ok func(log []fakeapi.Request) bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !ok(m.api.Log()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("waited in vain for %s; the server's log: %+v", what, m.api.Log())
		}
	}
}

// status is what afteryou status says.
func (m *machine) status() report {
	m.t.Helper()
	cmd := exec.Command(afteryou, "status", "--json")
	cmd.Env = []string{"HOME=" + m.dir, "XDG_STATE_HOME=" + filepath.Join(m.dir, "state")}
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("status: %v", err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		m.t.Fatalf("status prints %q: %v", out, err)
	}
	if len(r.Pools) > 1 {
		m.t.Errorf("status shows %d limits, want one: %s", len(r.Pools), out)
	}
	return r
}

// waits waits until so many sessions hold a turn and so many wait for one.
func (m *machine) waits(turns, waiting int) {
	m.t.Helper()
	var last report
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		last = m.status()
		if len(last.Pools) == 1 && len(last.Pools[0].Turns) == turns && len(last.Pools[0].Waiting) == waiting {
			return
		}
	}
	m.t.Fatalf("waited in vain for %d turns and %d waiting; status: %+v", turns, waiting, last)
}

// agent answers the sessions' prompts with tool calls, three calls to the model each, as slowly as given.
func agent(latency time.Duration) fakeapi.AnswerFunc {
	return fakeapi.Slow(latency, fakeapi.Agentic(3))
}

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

func sessions(log []fakeapi.Request) (ids []string) {
	for _, r := range log {
		ids = append(ids, r.Session[:4])
	}
	return ids
}

// hangs answers the calls of the first session with nothing, so that it keeps the turn, and the others as usual.
func hangs() fakeapi.AnswerFunc {
	var mu sync.Mutex
	var first string
	usual := fakeapi.Agentic(1)
	return func(r fakeapi.Request) fakeapi.Answer {
		mu.Lock()
		defer mu.Unlock()
		if first == "" {
			first = r.Session
		}
		if r.Session == first {
			return fakeapi.Answer{Cut: fakeapi.Silent}
		}
		return usual(r)
	}
}

// victim is a session that has the turn and hangs, with another that waits for it; done is closed when that one has ended.
func (m *machine) victim() (victim *exec.Cmd, done chan struct{}) {
	m.t.Helper()
	s := m.session("killed")
	victim = exec.Command(s.Path, append(s.Args, "-p", "hello")...)
	victim.Env, victim.Dir = s.Env, s.Dir
	if err := victim.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { victim.Process.Kill(); victim.Wait() })
	m.until("the first call", func(log []fakeapi.Request) bool { return len(log) == 1 })
	done = make(chan struct{})
	go func() { defer close(done); m.print(m.session("next")) }()
	m.waits(1, 1)
	return victim, done
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
	m := newMachine(t, fakeapi.Config{Answer: limited})
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
		"truncated":          {func(dir string) error { return state(dir, `{"version":1,"po`) }, "set aside as state.corrupt-"},
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

// mkdir makes dir and returns its name. What goes wrong shows when the directory is used.
func mkdir(dir string) string {
	os.MkdirAll(dir, 0o700)
	return dir
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

// The demo compares, whatever limits: calls, through the gateway and with a limit that changes; or the tokens of subagents.
func TestRealDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("drives the real Claude Code")
	}
	t.Parallel()
	for args, answers := range map[string]int{
		"--sessions 2 --calls 2 --rpm 120 --burst 2 --gateway --cut":                                                    4,
		"--sessions 1 --calls 2 --subagents 2 --itpm 120000 --ttft 100ms --speed 100 --server no-headers,unnamed-limit": 6,
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
					Makespan      float64 `json:"makespan_s"`
					Wall          float64 `json:"wall_s"`
				}
			}
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatalf("demo prints %q: %v", out, err)
			}
			if r.Ideal < 1 || r.Native == nil || r.Native.Answers != answers || r.Afteryou == nil || r.Afteryou.Answers != answers ||
				r.Afteryou.Dead != 0 || r.Afteryou.Makespan < 0.75*r.Ideal || r.Afteryou.Wall <= r.Afteryou.Makespan || !strings.HasPrefix(r.Server, "answers after 0.") {
				t.Errorf("demo prints %s", out)
			}
		})
	}
}

// counted reads how many calls the state counts in the one limit there is, and how many turns are held.
func (m *machine) counted() (calls, turns int) {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.stateDir(), "state.json"))
	if err != nil {
		m.t.Fatal(err)
	}
	var s turn.State
	if err := json.Unmarshal(data, &s); err != nil {
		m.t.Fatal(err)
	}
	for _, p := range s.Pools {
		calls += len(p.Pace.Log)
		turns += len(p.Grants)
	}
	return calls, turns
}

// counts waits until the state counts as many calls as the server answered, and nobody holds a turn.
func (m *machine) counts() {
	m.t.Helper()
	var calls, turns, want int
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		want = len(m.api.Answers())
		if calls, turns = m.counted(); calls == want && turns == 0 {
			return
		}
	}
	m.t.Errorf("the state counts %d calls and %d turns; want %d and none", calls, turns, want)
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
