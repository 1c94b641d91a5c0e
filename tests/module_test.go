package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/turn"
)

const modulePath = "plugin/hooks/afteryou.js"

// moduleDir makes a plugin of the module alone, whose partner is the binary under test. Each patch replaces one text of the
// module by another, so that a test sees what becomes of a session whose module is broken.
func moduleDir(t testing.TB, patches ...string) (dir string) {
	t.Helper()
	text := read(t, modulePath)
	for i := 0; i+1 < len(patches); i += 2 {
		if strings.Count(text, patches[i]) != 1 {
			t.Fatalf("the module has %d times %q, want it once", strings.Count(text, patches[i]), patches[i])
		}
		text = strings.Replace(text, patches[i], patches[i+1], 1)
	}
	dir = t.TempDir()
	for name, text := range map[string]string{
		".claude-plugin/plugin.json": `{"name":"afteryou","version":"0.1.0","description":"Takes turns."}`,
		"hooks/hooks.json":           `{"modules":["./afteryou.js"]}`,
		"hooks/afteryou.js":          text,
		"hook.sh":                    "#!/bin/sh\nexec " + afteryou + " hook \"$@\"\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// write makes a file, which may be run, and its directory.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// newInside is a machine whose paths are short, so that the sockets of partners are beside the state.
func newInside(t *testing.T, c fakeapi.Config, extra ...string) *machine {
	t.Helper()
	m := newMachine(t, c, extra...)
	dir, err := os.MkdirTemp("/tmp", "ay-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) // what a session still writes to is left
	m.dir = dir
	return m
}

// inside is a session with the module, started directly.
func (m *machine) inside(name, dir string, extra ...string) realclaude.Session {
	m.t.Helper()
	s := m.direct(m.session(name, append(extra, withModule)...))
	s.Args = []string{"--plugin-dir", dir}
	return s
}

// stands waits until so many hold a turn and so many wait for one, whatever the model.
func (m *machine) stands(turns, waiting int) {
	m.t.Helper()
	var held, wait int
	for deadline := time.Now().Add(patience / 3); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		held, wait = 0, 0
		for _, a := range m.state().Accounts {
			for _, c := range a.Calls {
				switch c.Phase {
				case turn.Granted:
					held++
				case turn.Waiting:
					wait++
				}
			}
		}
		if held == turns && wait == waiting {
			return
		}
	}
	m.t.Fatalf("%d hold a turn and %d wait, want %d and %d", held, wait, turns, waiting)
}

// partners are the processes that have a directory for their socket, which names them.
func (m *machine) partners() (pids []int) {
	m.t.Helper()
	dirs, _ := filepath.Glob(filepath.Join(m.stateDir(), "in-*")) // the pattern is good
	for _, dir := range dirs {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "in-%d-", &pid); err != nil {
			m.t.Fatalf("%s names no process: %v", dir, err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// partner is the one that there is.
func (m *machine) partner() int {
	m.t.Helper()
	pids := m.partners()
	if len(pids) != 1 || pids[0] < 2 {
		m.t.Fatalf("partners %v, want one", pids)
	}
	return pids[0]
}

// silently is print, of a session that may say nothing on standard error.
func (m *machine) silently(s realclaude.Session, args ...string) realclaude.Result {
	m.t.Helper()
	r := m.print(s, args...)
	if r.Stderr != "" {
		m.t.Errorf("it says %q on standard error", r.Stderr)
	}
	return r
}

// The module is small enough to be read, and Claude Code takes it as it stands.
func TestRealModuleIsValid(t *testing.T) {
	t.Parallel()
	if n := strings.Count(read(t, modulePath), "\n"); n > 250 {
		t.Errorf("the module has %d lines, want 250 at most", n)
	}
	m := newMachine(t, fakeapi.Config{})
	m.command(m.session("author"), "plugin", "validate", moduleDir(t))
	cmd := exec.CommandContext(t.Context(), m.claude, "plugin", "validate", moduleDir(t, "on('turn.step'", "on('turn.stop'"))
	cmd.Env = m.session("author").Env
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("a module that names an unknown event is taken: %s", out)
	}
}

// typed is the module with the types that its functions have by the declarations of Claude Code: the source itself goes without.
func typed(module string) string {
	helper := regexp.MustCompile(`(?m)^(?:async )?function\*? \w+\((\$[^)]*)\)`)
	module = helper.ReplaceAllStringFunc(module, func(head string) string {
		doc := "/**"
		for name := range strings.SplitSeq(helper.FindStringSubmatch(head)[1], ",") {
			name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
			kind := "any="
			if name == "$" {
				kind = `import("claude-code").EngineInterface`
			}
			doc += " @param {" + kind + "} " + name
		}
		return doc + " */ " + head
	})
	module = strings.ReplaceAll(module, ".return?.()", ".return?.(/** @type {any} */ (undefined))")
	return strings.Replace(module, "export const register", `/** @param {import("claude-code").On} on */ export const register`, 1)
}

// 1. A session writes the declarations of its version into the plugin's directory. 2. TypeScript's checker finds nothing in
// the module that is not of their types.
func TestRealModuleIsTyped(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(1)})
	tsc, err := realclaude.InstallTypeScript(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := moduleDir(t)
	terminal := m.open(m.inside("author", dir))
	declared := filepath.Join(dir, ".claude-plugin", "types", "tsconfig.json")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(declared); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no declarations are written")
		}
	}
	terminal.Close()
	config := `{ "extends": "./.claude-plugin/types/tsconfig.json", "include": ["hooks"],
		"compilerOptions": { "allowJs": true, "checkJs": true, "noImplicitAny": false } }`
	write(t, filepath.Join(dir, "tsconfig.json"), config)
	check := func(module string) string {
		write(t, filepath.Join(dir, "hooks", "afteryou.js"), module)
		out, _ := exec.CommandContext(t.Context(), tsc, "-p", dir).CombinedOutput() // its exit code says no more
		return string(out)
	}
	module := typed(read(t, filepath.Join(dir, "hooks", "afteryou.js")))
	if out := check(module); out != "" {
		t.Errorf("the module is not of the declared types:\n%s", out)
	}
	if out := check(strings.Replace(module, "$.session.id()", "$.session.idd()", 1)); !strings.Contains(out, "idd") {
		t.Errorf("a call that is not declared is let through: %q", out)
	}
}

// The plugin's own tests pass, and fail where the module does otherwise; that they are there disturbs no session.
func TestRealModuleByItself(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(1)})
	test := func(dir string) (string, error) {
		if err := os.CopyFS(filepath.Join(dir, "tests"), os.DirFS(filepath.Join("plugin", "tests"))); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), m.claude, "plugin", "test", dir)
		cmd.Env = m.session("author").Env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	dir := moduleDir(t)
	if out, err := test(dir); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	m.silently(m.inside("session", dir))
	if out, err := test(moduleDir(t, "if (a.go || a.verdict) return a", "return a")); err == nil || !strings.Contains(out, "asked for once") {
		t.Errorf("a module that does not wait passes its tests: %s", out)
	}
}
