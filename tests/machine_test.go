package tests

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
	"afteryou/internal/turn"
	"afteryou/plugin"
)

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
	m := &machine{t: t, api: api, claude: claude, dir: t.TempDir(), extra: extra}
	t.Cleanup(func() { plugin.Remove(m.dir) }) // what is read-only in it
	return m
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
		noModule,
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
func (m *machine) open(s realclaude.Session, args ...string) *terminal.Terminal {
	m.t.Helper()
	terminal, err := terminal.Open(s, 100, 30, args...)
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
func (m *machine) ask(terminal *terminal.Terminal, prompt string) {
	m.t.Helper()
	if err := terminal.Type(prompt); err != nil {
		m.t.Fatal(err)
	}
}

// sees waits until a terminal shows the text.
func (m *machine) sees(terminal *terminal.Terminal, text string) {
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
	if len(r.Pools) > 1 && len(r.Pools[0].Windows) == 0 { // a subscription has one for each class of models
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

// mkdir makes dir and returns its name. What goes wrong shows when the directory is used.
func mkdir(dir string) string {
	os.MkdirAll(dir, 0o700)
	return dir
}

// state reads the state as its file has it now.
func (m *machine) state() (s turn.State) {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.stateDir(), "state.json"))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// counted reads how many calls the state counts in the one limit there is, and how many turns are held.
func (m *machine) counted() (calls, turns int) {
	m.t.Helper()
	for _, a := range m.state().Accounts {
		for _, l := range a.Classes {
			calls += l.Pace.Sent
		}
		for _, c := range a.Calls {
			if c.Phase == turn.Granted {
				turns++
			}
		}
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
