package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// watched has a hook of the person's own write down, at each prompt of the session, whose module it sees and which Claude Code
// runs it: "PID/… PID" where a module is at work in that one.
func (m *machine) watched(s realclaude.Session) (realclaude.Session, string) {
	m.t.Helper()
	home := filepath.Dir(s.Dir)
	log := filepath.Join(home, "seen")
	hook := fmt.Sprintf(`{"hooks":{"UserPromptSubmit":[{"hooks":[{"type":"command","command":"echo ${AFTERYOU_MOD:-none} ${CLAUDE_PID:-$PPID} >> %s"}]}]}}`, log)
	mkdir(filepath.Join(home, ".claude"))
	if err := os.WriteFile(filepath.Join(home, ".claude", "settings.json"), []byte(hook), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return s, log
}

// inModule counts the prompts that are noted in a log, and those of them with a module at work in their own Claude Code.
func inModule(t *testing.T, log string) (prompts, with int) {
	t.Helper()
	for line := range strings.Lines(read(t, log)) {
		mod, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := strconv.Atoi(pid); err != nil {
			t.Fatalf("%s says %q", log, line)
		}
		prompts++
		if strings.HasPrefix(mod, pid+"/") {
			with++
		}
	}
	return prompts, with
}

// program is a command of afteryou in a session's environment.
func (m *machine) program(s realclaude.Session, args ...string) {
	m.t.Helper()
	cmd := exec.Command(afteryou, args...)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// once wants each call of the sessions to have had one turn, of which hooks gave so many, and none to be held.
func (m *machine) once(hooks int) {
	m.t.Helper()
	byHooks := 0
	for _, a := range m.state().Accounts {
		for class, l := range a.Classes {
			if class == "" {
				byHooks += l.Pace.Sent
			}
		}
	}
	if byHooks != hooks {
		m.t.Errorf("hooks gave %d turns, want %d", byHooks, hooks)
	}
	m.counts()
}

// However the module comes into a session it is loaded once, without a word, and holds each of its calls once: the hooks give way.
func TestRealModuleArrives(t *testing.T) {
	t.Parallel()
	install := func(m *machine, s realclaude.Session) { m.program(s, "install", "hooks", "--yes") }
	market := func(m *machine, s realclaude.Session) { m.plugged(s) }
	direct := func(m *machine, s realclaude.Session) realclaude.Session { return m.direct(s) }
	for name, c := range map[string]struct {
		puts  []func(*machine, realclaude.Session)
		start func(*machine, realclaude.Session) realclaude.Session
		args  []string
		env   string
	}{
		"by install":                      {puts: []func(*machine, realclaude.Session){install}, start: direct},
		"by the marketplace":              {puts: []func(*machine, realclaude.Session){market}, start: direct},
		"by run and install":              {puts: []func(*machine, realclaude.Session){install}},
		"by all three":                    {puts: []func(*machine, realclaude.Session){install, market}},
		"by run, with settings of nobody": {args: []string{"--setting-sources", ""}},
		"by run, beside plugins in settings": {puts: []func(*machine, realclaude.Session){func(m *machine, s realclaude.Session) {
			m.setting(s, "env", map[string]string{"CLAUDE_CODE_PLUGIN_DIRS": "/nowhere"})
		}}},
		"by run, beside plugins of the person": {env: "CLAUDE_CODE_PLUGIN_DIRS=/nowhere"},
		"by install, in another configuration": {puts: []func(*machine, realclaude.Session){install}, start: direct, env: "CLAUDE_CONFIG_DIR="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(3)}, withModule, c.env)
			s, log := m.watched(m.session("home"))
			if c.env == "CLAUDE_CONFIG_DIR=" {
				dir := filepath.Join(m.dir, "home", ".claude")
				s.Env = append(s.Env, c.env+dir)
				if err := os.Rename(filepath.Join(m.dir, "home", ".claude.json"), filepath.Join(dir, ".claude.json")); err != nil {
					t.Fatal(err)
				}
			}
			for _, put := range c.puts {
				put(m, s)
			}
			if c.start != nil {
				s = c.start(m, s)
			}
			m.silently(s, c.args...)
			if c.args == nil { // else the person's hook is not read either
				if prompts, with := inModule(t, log); prompts != 1 || with != 1 {
					t.Errorf("%d prompts, %d of them with the module at work; want one", prompts, with)
				}
			}
			m.once(0)
		})
	}
}

// setting puts one into the user's settings.
func (m *machine) setting(s realclaude.Session, name string, value any) {
	m.t.Helper()
	path := filepath.Join(filepath.Dir(s.Dir), ".claude", "settings.json")
	settings := make(map[string]any)
	if data, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(data, &settings); err != nil {
			m.t.Fatal(err)
		}
	}
	settings[name] = value
	data, err := json.Marshal(settings)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// Where Claude Code loads no module nothing is said of it, and the session is what it was without: hooks take the turns
// where they are run. It is started directly with what install put up, and by run.
func TestRealModuleIsNotLoaded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		args    []string
		env     string
		setting string // of the user's, to be true
		hooks   bool   // they run
	}{
		"2.1.280":                 {version: "2.1.280", hooks: true},
		"2.0.76":                  {version: "2.0.76", hooks: true},
		"bare":                    {args: []string{"--bare"}},
		"safe mode":               {args: []string{"--safe-mode"}},
		"safe by the environment": {env: "CLAUDE_CODE_SAFE_MODE=1"},
		"no hooks":                {setting: "disableAllHooks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: prompted(fakeapi.Agentic(2))}, withModule, c.env)
			if c.version != "" {
				var err error
				if m.claude, err = realclaude.Install(t.Context(), c.version); err != nil {
					t.Fatal(err)
				}
			}
			s, log := m.watched(m.session("home", "AFTERYOU_CLAUDE="+m.claude))
			m.program(s, "install", "hooks", "--yes")
			if c.setting != "" {
				m.setting(s, c.setting, true)
			}
			m.silently(m.direct(s), c.args...)
			byRun := m.session("home", "AFTERYOU_CLAUDE="+m.claude)
			m.silently(byRun, c.args...)
			if !c.hooks {
				if _, err := os.Stat(log); err == nil {
					t.Error("hooks run all the same")
				}
				return
			}
			if prompts, with := inModule(t, log); prompts != 2 || with != 0 {
				t.Errorf("%d prompts, %d of them with the module at work; want two, and none", prompts, with)
			}
			if calls, turns := m.counted(); calls < 2 || turns != 0 {
				t.Errorf("the state counts %d calls and %d turns; want those of both, and none", calls, turns)
			}
		})
	}
}

// A session that a tool of another starts has a module of its own; the hooks of each look at their own. Started plainly, it has
// what the one around it has.
func TestRealModuleInANestedSession(t *testing.T) {
	t.Parallel()
	for _, installed := range []bool{false, true} {
		t.Run(fmt.Sprint("installed ", installed), func(t *testing.T) {
			t.Parallel()
			var m *machine
			m = newMachine(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
				if strings.Contains(r.LastText, "inner") {
					return fakeapi.Say("done")
				}
				return fakeapi.AgenticCommand(2, func(int) string { return m.claude + " -p inner" })(r)
			}}, withModule)
			s, log := m.watched(m.session("home"))
			if installed {
				m.program(s, "install", "hooks", "--yes")
			}
			m.silently(s)
			if prompts, with := inModule(t, log); prompts != 2 || with != 2 {
				t.Errorf("%d prompts, %d of them with a module of their own: %s", prompts, with, read(t, log))
			}
			m.once(0)
		})
	}
}

// After /clear the session is another, and the module is the same.
func TestRealModuleAfterClear(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: prompted(fakeapi.Agentic(1))}, withModule)
	s, log := m.watched(m.session("home"))
	m.program(s, "install", "hooks", "--yes")
	terminal := m.open(s)
	m.ask(terminal, "hello")
	m.sees(terminal, "● done")
	m.ask(terminal, "/clear")
	m.until("an empty screen", func([]fakeapi.Request) bool { return !strings.Contains(terminal.Screen(), "● done") })
	m.ask(terminal, "again")
	m.until("two calls", func(log []fakeapi.Request) bool { return len(m.api.Answers()) >= 2 })
	m.sees(terminal, "● done")
	if prompts, with := inModule(t, log); prompts != 2 || with != 2 {
		t.Errorf("%d prompts, %d of them with the module: %s", prompts, with, read(t, log))
	}
	m.once(0)
}

// Where an organization forbids modules or hooks nothing is said of ours; where it guards requests ours is loaded.
func TestRealModuleUnderAnOrganization(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings     string
		module, hook bool
	}{
		"which guards requests":         {settings: realclaude.Guarded, module: true, hook: true},
		"which allows no other modules": {settings: realclaude.NoModules, hook: true},
		"which allows no other hooks":   {settings: `{"allowManagedHooksOnly":true}`},
		"which allows no hooks":         {settings: `{"disableAllHooks":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)}, withModule)
			s, log := m.watched(m.session("home"))
			m.program(s, "install", "hooks", "--yes")
			runs := 0
			for _, s := range []realclaude.Session{s, m.direct(s)} {
				s, err := realclaude.Managed(s, t.TempDir(), c.settings)
				if err != nil {
					t.Skipf("not tested: %v", err)
				}
				m.silently(s)
				runs++
			}
			if _, err := os.Stat(log); (err == nil) != c.hook {
				t.Fatalf("hooks run: %v, want %v", err == nil, c.hook)
			}
			if !c.hook {
				return
			}
			want := 0
			if c.module {
				want = runs
			}
			if prompts, with := inModule(t, log); prompts != runs || with != want {
				t.Errorf("%d prompts, %d of them with the module; want %d and %d", prompts, with, runs, want)
			}
		})
	}
}

// Programs on the Agent SDK find what install put up, with the Claude Code that the SDK brings and with another; but not where
// they ask for nobody's settings. Of run nothing is needed.
func TestRealModuleInTheSDK(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options string
		with    int
	}{
		"its own Claude Code":  {`{settingSources: ['user']}`, 1},
		"another":              {`{settingSources: ['user', 'project'], pathToClaudeCodeExecutable: process.env.AFTERYOU_CLAUDE}`, 1},
		"settings of nobody":   {`{settingSources: []}`, 0},
		"as it is by itself":   {`{}`, 1},
		"settings of somebody": {`{settingSources: ['project']}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: prompted(fakeapi.Agentic(1))}, withModule)
			sdk, err := realclaude.InstallSDK(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s, log := m.watched(m.session("home"))
			m.program(s, "install", "hooks", "--yes")
			script := fmt.Sprintf(`import { query } from %q
let errs = ''
const options = { stderr: (text) => { errs += text }, ...%s }
for await (const m of query({ prompt: 'hello', options })) if (m.type === 'result') console.log(m.result)
console.log(errs)
`, sdk, c.options)
			path := filepath.Join(s.Dir, "host.mjs")
			if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "node", path)
			cmd.Env, cmd.Dir = s.Env, s.Dir
			if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "done" {
				t.Fatalf("the program prints %q, %v; want done", out, err)
			}
			if c.with == 0 {
				if _, err := os.Stat(log); err == nil {
					t.Error("the user's hooks run all the same")
				}
				return
			}
			if prompts, with := inModule(t, log); prompts != 1 || with != 1 {
				t.Errorf("%d prompts, %d of them with the module; want one", prompts, with)
			}
			m.once(0)
		})
	}
}

// Behind a gateway of ours the module that install put up does nothing: a call has one turn.
func TestRealModuleBehindAGateway(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(3)}, withModule, throughGateway)
	s, log := m.watched(m.session("home"))
	m.program(s, "install", "hooks", "--yes")
	m.silently(s)
	if prompts, with := inModule(t, log); prompts != 1 || with != 0 {
		t.Errorf("%d prompts, %d of them with the module at work; want one, and none", prompts, with)
	}
	m.once(0)
}

// 1. A session runs with the module that install put up. 2. Another afteryou puts up its own: the session loads that. 3. Its
// next calls have one turn each.
func TestRealModuleIsUpdatedUnderASession(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: prompted(fakeapi.Agentic(2))}, withModule)
	s, log := m.watched(m.session("home"))
	m.program(s, "install", "hooks", "--yes") // 1
	terminal := m.open(m.direct(s), "--permission-mode", "bypassPermissions")
	m.ask(terminal, "hello")
	m.sees(terminal, "● done")
	other := filepath.Join(mkdir(filepath.Join(m.dir, "other")), "afteryou") // 2
	if err := os.Link(afteryou, other); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(other, "install", "hooks", "--yes")
	cmd.Env = s.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.sees(terminal, "reloaded (")
	m.ask(terminal, "again") // 3
	m.until("four answers", func([]fakeapi.Request) bool { return len(m.api.Answers()) >= 4 })
	if prompts, with := inModule(t, log); prompts != 2 || with != 2 {
		t.Errorf("%d prompts, %d of them with the module: %s", prompts, with, read(t, log))
	}
	m.once(0)
}
