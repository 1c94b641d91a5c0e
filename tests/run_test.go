package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

func TestWhatIsNoChatSessionIsHandedOverUntouched(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for _, args := range [][]string{{"mcp", "list"}, {"update"}, {"--bg", "do it"}, {"doctor"}, {"-h"}, {"daemon", "status"}, {"--chrome-native-host"}} {
		o := p.run(append([]string{"run", "--"}, args...)...)
		if !slices.Equal(o.args, args) || o.env["CLAUDE_CODE_RETRY_WATCHDOG"] != "" {
			t.Errorf("run -- %q starts claude %q with %v", args, o.args, o.env)
		}
		if o.code != 0 || o.out != "out\n" || o.errs != "err\n" || o.claudeStdin != "typed" {
			t.Errorf("run -- %q: %+v", args, o)
		}
	}
}

func TestPrintGetsHooksAndTheLongWait(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	o := p.run("run", "--", "-p", "hello")
	if len(o.args) != 4 || o.args[0] != "--settings" || !slices.Equal(o.args[2:], []string{"-p", "hello"}) {
		t.Fatalf("claude gets %q", o.args)
	}
	var settings struct {
		Hooks map[string][]struct {
			Hooks []struct {
				Command string
				Args    []string
			}
		}
	}
	if err := json.Unmarshal([]byte(o.args[1]), &settings); err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolBatch", "PreCompact", "Stop", "StopFailure", "SessionEnd"} {
		g := settings.Hooks[event]
		if len(g) == 0 || len(g[0].Hooks) == 0 || g[0].Hooks[0].Command != afteryou || !slices.Equal(g[0].Hooks[0].Args, []string{"hook"}) {
			t.Errorf("the hook of %s is %+v", event, g)
		}
	}
	if o.env["CLAUDE_CODE_RETRY_WATCHDOG"] != "1" {
		t.Error("the watchdog is off")
	}
	if o.out != "out\n" || o.errs != "err\n" || o.claudeStdin != "typed" {
		t.Errorf("bytes changed: %+v", o)
	}
}

// Claude Code ends a hook at its timeout and makes the call.
func TestGatesMayWaitAsLongAsMaxWait(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	const longest = 168 * time.Hour
	p.env = append(p.env, "AFTERYOU_MAX_WAIT="+longest.String())
	o := p.run("run", "--", "-p", "hello")
	if len(o.args) < 2 {
		t.Fatalf("claude gets %q, and the person reads %q", o.args, o.errs)
	}
	var settings struct {
		Hooks map[string][]struct {
			Hooks []struct{ Timeout float64 }
		}
	}
	if err := json.Unmarshal([]byte(o.args[1]), &settings); err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"UserPromptSubmit", "PostToolBatch", "PreCompact", "SubagentStart"} {
		g := settings.Hooks[event]
		if len(g) == 0 || len(g[0].Hooks) == 0 || g[0].Hooks[0].Timeout <= longest.Seconds() {
			t.Errorf("the hook of %s is %+v, want a timeout of more than %.0f s", event, g, longest.Seconds())
		}
	}
}

// Releases of Claude Code bring new flags almost daily: those that use them take turns all the same.
func TestAFlagOfTomorrowIsASessionAllTheSame(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for _, args := range [][]string{
		{"--brand-new-flag", "-p", "hi"},
		{"--brand-new-flag", "value", "-p", "hi"},
		{"--brand-new-flag", "mcp", "-p", "hi"},
		{"--brand-new-flag=value", "-p", "hi"},
		{"-p", "hi", "--brand-new-flag"},
		{"-zp", "hi"},
		{"--brand-new-flag", "hi"},
		{"--verbose=very", "hi"},
	} {
		o := p.run(append([]string{"run", "--"}, args...)...)
		if len(o.args) != len(args)+2 || o.args[0] != "--settings" || !slices.Equal(o.args[2:], args) || o.env["CLAUDE_CODE_RETRY_WATCHDOG"] != "1" || o.errs != "err\n" {
			t.Errorf("run -- %q starts claude with %q, the watchdog %q, says %q; want --settings before them", args, o.args, o.env["CLAUDE_CODE_RETRY_WATCHDOG"], o.errs)
		}
	}
	// Of two the last counts in Claude Code, so that ours goes into it.
	o := p.run("run", "--", "--settings", `{"a":1}`, "--brand-new-flag", "--settings", `{"b":2}`, "-p", "hi")
	if len(o.args) != 7 || o.args[1] != `{"a":1}` || !strings.Contains(o.args[4], `"b":2,"hooks"`) {
		t.Errorf("two --settings: claude gets %q", o.args)
	}
}

// The real program takes two flags that stand in no list of ours: its sessions take turns with them, on a terminal and without.
func TestRealFlagsThatWeDoNotKnow(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
	m.print(m.session("print"), "--ignore-persisted-trust", "--workload", "batch")
	if calls, turns := m.counted(); calls != 2 || turns != 0 {
		t.Errorf("with -p the state counts %d calls and %d turns, want 2 and none", calls, turns)
	}
	terminal := m.open(m.session("terminal"), "--workload", "batch", "--permission-mode", "bypassPermissions")
	m.ask(terminal, "hello")
	m.sees(terminal, "● done")
	if calls, _ := m.counted(); calls < 4 || calls != len(m.api.Log()) { // Claude Code may make one of its own beside
		t.Errorf("the state counts %d calls, want the %d that came", calls, len(m.api.Log()))
	}
}

func TestTheUsersOwnWishesWin(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.env = append(p.env, "CLAUDE_CODE_RETRY_WATCHDOG=0")
	if o := p.run("run", "-p", "hello"); o.env["CLAUDE_CODE_RETRY_WATCHDOG"] != "0" {
		t.Errorf("the watchdog is %q, want what the user set", o.env["CLAUDE_CODE_RETRY_WATCHDOG"])
	}
}

func TestSettingsOfAFileStayPrivate(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	file := p.path("mine.json")
	p.write(file, `{"env":{"SECRET":"hunter2"},"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]}]}}`, 0o600)
	o := p.run("run", "--", "--settings", file, "-p", "hello")
	if len(o.args) != 4 || o.args[0] != "--settings" || o.args[1] == file || strings.Contains(strings.Join(o.args, " "), "hunter2") {
		t.Fatalf("claude gets %q", o.args)
	}
	fi, err := os.Stat(o.args[1])
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("the merged settings: %v, %v", fi.Mode(), err)
	}
	merged, _ := os.ReadFile(o.args[1])
	for _, want := range []string{"hunter2", `"mine"`, afteryou} {
		if !strings.Contains(string(merged), want) {
			t.Errorf("the merged settings lack %q: %s", want, merged)
		}
	}
}

// Secrets may stand in them. One that claude took the place of us for stays until the next session, as a claude that was
// killed does; else it goes with the session.
func TestSettingsEndWithTheirSession(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	file := p.path("mine.json")
	p.write(file, `{"env":{"SECRET":"hunter2"}}`, 0o600)
	taken := p.run("run", "--", "--settings", file, "-p", "hello").args[1]
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(taken, old, old); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(filepath.Dir(taken), "settings-of-mine.json")
	p.write(other, "{}", 0o600)
	if err := os.Chtimes(other, old, old); err != nil {
		t.Fatal(err)
	}
	ends := func(after string) {
		t.Helper()
		left, _ := filepath.Glob(filepath.Join(filepath.Dir(taken), "settings-*"))
		if !slices.Equal(left, []string{other}) {
			t.Errorf("after %s there are %q, want %q", after, left, other)
		}
	}
	p.run("run", "-p", "hello")
	ends("a session whose hooks stand on its command line")
	p.env = append(p.env, "CLAUDE_CODE_RETRY_WATCHDOG=0") // then the launcher stays, to run it again
	p.run("run", "--", "--settings", file, "-p", "hello")
	ends("one that we outlived")
	p.env = append(p.env, "CLAUDE_CODE_USE_BEDROCK=1")
	p.run("run", "--gateway", "on", "--", "--settings", file, "-p", "hello")
	ends("one that got no gateway")
}

func TestBadSettingsOfTheUserAreSaidAndLeft(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	o := p.run("run", "--", "--settings", `{"hooks":`, "-p", "hello")
	if !slices.Equal(o.args, []string{"--settings", `{"hooks":`, "-p", "hello"}) || !strings.Contains(o.errs, "afteryou: merging hooks") {
		t.Errorf("claude gets %q; stderr is %q", o.args, o.errs)
	}
}

func TestExitCodesAreClaudes(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for _, code := range []int{0, 1, 2, 75, 255} {
		p.env = append(p.env, fmt.Sprint("STUB_EXIT=", code))
		if o := p.run("run", "--", "-p", "hello"); o.code != code {
			t.Errorf("exit code %d, want %d", o.code, code)
		}
	}
}

func TestCalledAsClaudeItBehavesAsRun(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	first := p.path("first")
	if err := os.Mkdir(first, 0o700); err != nil {
		t.Fatal(err)
	}
	shim := filepath.Join(first, "claude")
	p.env = append(p.env, "PATH="+first+":"+p.path("real")+":/usr/bin:/bin")
	data, err := os.ReadFile(afteryou)
	if err != nil {
		t.Fatal(err)
	}
	for what, make := range map[string]func() error{
		"a link": func() error { return os.Symlink(afteryou, shim) },
		"a copy": func() error { p.write(shim, string(data), 0o700); return nil },
	} {
		os.Remove(shim)
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if o := p.start(shim, "-p", "hello"); len(o.args) != 4 || o.args[0] != "--settings" {
			t.Errorf("%s starts claude with %q: %+v", what, o.args, o)
		}
		// A script of that name that calls us by way of PATH would do the same; Claude Code must be found past both.
		if o := p.start(afteryou, "run", "--", "mcp"); !slices.Equal(o.args, []string{"mcp"}) {
			t.Errorf("with %s on PATH, run starts claude with %q: %+v", what, o.args, o)
		}
	}
}

func TestANestedRunTakesNoSecondTurn(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	script := p.path("my-claude")
	p.write(script, "#!/bin/sh\nexec "+afteryou+" run -- \"$@\"\n", 0o700)
	p.env = append(p.env, "AFTERYOU_CLAUDE="+script)
	o := p.run("run", "--", "-p", "hello")
	if strings.Count(strings.Join(o.args, "\n"), "--settings") != 1 {
		t.Errorf("claude gets %q, %+v; want the hooks once", o.args, o)
	}
	// One that Claude Code itself runs is another session, and takes its own turns.
	p.env = append(p.env, "AFTERYOU_LAUNCHER=1:", "CLAUDE_PID=4711")
	if o := p.run("run", "--", "-p", "hello"); strings.Count(strings.Join(o.args, "\n"), "--settings") != 1 {
		t.Errorf("a session in a session: claude gets %q", o.args)
	}
}

func TestALoopEnds(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	// The only claude there is calls us, under a name that does not give us away.
	other := p.path("other")
	if err := os.Symlink(afteryou, other); err != nil {
		t.Fatal(err)
	}
	p.write("real/claude", "#!/bin/sh\nexec "+other+" run -- \"$@\"\n", 0o700)
	o := p.run("run", "--", "-p", "hello")
	if o.code != exitFailure || !strings.Contains(o.errs, "led back to afteryou") || !strings.Contains(o.errs, "hint:") {
		t.Errorf("run: %+v", o)
	}
}

func TestOffIsAPlainExec(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.env = append(p.env, "AFTERYOU_OFF=1")
	o := p.run("run", "--", "-p", "hello")
	if !slices.Equal(o.args, []string{"-p", "hello"}) || o.env["CLAUDE_CODE_RETRY_WATCHDOG"] != "" {
		t.Errorf("claude gets %q with %v", o.args, o.env)
	}
	if _, err := os.Stat(p.path(".local/state/afteryou")); err == nil {
		t.Error("a state directory was made")
	}
}

func TestNoClaude(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	if err := os.Remove(p.path("real/claude")); err != nil {
		t.Fatal(err)
	}
	if o := p.run("run", "--", "-p", "hello"); o.code == 0 || !strings.Contains(o.errs, "hint:") {
		t.Errorf("run: %+v", o)
	}
}

func TestSettingsFromEverywhere(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.write(".config/afteryou/config.toml", "off = true\n", 0o600)
	if o := p.run("run", "--", "-p", "x"); len(o.args) != 2 {
		t.Errorf("off in the file: claude gets %q", o.args)
	}
	p.env = append(p.env, "AFTERYOU_OFF=false")
	if o := p.run("run", "--", "-p", "x"); len(o.args) != 4 {
		t.Errorf("the environment beats the file: claude gets %q", o.args)
	}
	if o := p.run("run", "--off=true", "--", "-p", "x"); len(o.args) != 2 {
		t.Errorf("the flag beats the environment: claude gets %q", o.args)
	}
	if o := p.run("run", "--turns", "strict", "--", "-p", "x"); o.env["AFTERYOU_TURNS"] != "strict" {
		t.Errorf("the hooks of the session do not know of --turns: %v", o.env["AFTERYOU_TURNS"])
	}
}
