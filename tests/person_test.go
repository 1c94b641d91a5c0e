package tests

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
	"afteryou/plugin"
)

// stub is a program in place of Claude Code that tells how it was started: its arguments and its environment, NUL
// between them. The real one is driven by the tests named TestReal.
const stub = `#!/bin/sh
[ "$*" = --version ] && { echo "2.1.330 (Claude Code)"; exit; }
{ for a in "$0" "$@"; do printf '%s\0' "$a"; done; } > "$HOME/args"
env -0 > "$HOME/env"
cat > "$HOME/stdin"
echo out; echo err >&2
exit ${STUB_EXIT:-0}
`

// noModule has sessions take turns by hooks though their Claude Code knows modules; withModule does not.
const (
	noModule   = "AFTERYOU_MODULE=off"
	withModule = "AFTERYOU_MODULE=auto"
)

// person is a user with a clean environment. Their claude is real/claude in their home; bin is before it on PATH.
type person struct {
	t       *testing.T
	program string // their afteryou
	home    string
	env     []string
}

// newPerson has the [stub] for a claude.
func newPerson(t *testing.T, env ...string) *person {
	t.Helper()
	p := &person{t: t, program: afteryou, home: t.TempDir()}
	t.Cleanup(func() { plugin.Remove(p.home) }) // what is read-only in it
	p.env = append([]string{
		"HOME=" + p.home, "SHELL=/bin/bash", "TERM=xterm", "PATH=" + p.path("bin") + ":" + p.path("real") + ":/usr/bin:/bin",
		noModule, // the hooks and the glass are what most tests are of
	}, env...)
	p.write("real/claude", stub, 0o755)
	return p
}

// unset takes an entry NAME=value out of the person's environment.
func (p *person) unset(entry string) {
	p.env = slices.DeleteFunc(p.env, func(e string) bool { return e == entry })
}

// newSomeone has a claude that says its version, and no more; or none.
func newSomeone(t *testing.T, version string, env ...string) *person {
	t.Helper()
	p := newPerson(t, env...)
	p.write("real/claude", "#!/bin/sh\necho '"+version+" (Claude Code)'\n", 0o755)
	if version == "" {
		os.Remove(p.path("real/claude"))
	}
	return p
}

// claudeIs makes claude a script.
func (p *person) claudeIs(version, script string) {
	p.t.Helper()
	p.write("real/claude", "#!/bin/sh\n[ \"$*\" = --version ] && { echo '"+version+" (Claude Code)'; exit; }\n"+script, 0o755)
}

// path is a name in the home as a path.
func (p *person) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.home, name)
}

// write makes a file and its directory. No program that starts meanwhile holds it open: a script could not be run then.
func (p *person) write(name, text string, mode os.FileMode) {
	p.t.Helper()
	mkdir(filepath.Dir(p.path(name)))
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(p.path(name), []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) read(name string) string {
	p.t.Helper()
	return read(p.t, p.path(name))
}

// afteryou runs a command without a terminal.
func (p *person) afteryou(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	o := p.run(args...)
	return o.out, o.errs, o.code
}

type outcome struct {
	code        int
	out, errs   string
	args        []string // of the stub; nil: it was not started
	env         map[string]string
	claudeStdin string
}

func (p *person) run(args ...string) outcome { p.t.Helper(); return p.start(p.program, args...) }

func (p *person) start(program string, args ...string) outcome {
	p.t.Helper()
	for _, name := range []string{"args", "env", "stdin"} {
		os.Remove(p.path(name))
	}
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = p.env, p.home
	cmd.Stdin = strings.NewReader("typed")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) || !cmd.ProcessState.Exited() {
		p.t.Fatalf("%s %q: %v", program, args, err)
	}
	o := outcome{code: cmd.ProcessState.ExitCode(), out: out.String(), errs: errs.String(), env: make(map[string]string)}
	read := func(name string) []string {
		data, _ := os.ReadFile(p.path(name))
		return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
	}
	if _, err := os.Stat(p.path("args")); err == nil {
		o.args = read("args")[1:]
	}
	for _, e := range read("env") {
		name, value, _ := strings.Cut(e, "=")
		o.env[name] = value
	}
	o.claudeStdin = read("stdin")[0]
	return o
}

// until waits for a condition.
func (p *person) until(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// sh runs a command as the person would type it.
func (p *person) sh(command string) {
	p.t.Helper()
	cmd := exec.Command("bash", "-c", command)
	cmd.Env, cmd.Dir = append(p.env, "PATH="+filepath.Dir(afteryou)+":/usr/bin:/bin:"+p.path("real")), p.home
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// state writes the shared state.
func (p *person) state(change func(*turn.State) error) {
	p.t.Helper()
	store, err := lockfile.Open(p.path(".local/state/afteryou"))
	if err != nil {
		p.t.Fatal(err)
	}
	v, err := store.Update(p.t.Context(), change)
	if err != nil {
		p.t.Fatal(err)
	}
	v.Close()
}

// status is what afteryou status says.
func (p *person) status() (r report) {
	p.t.Helper()
	out, errs, code := p.afteryou("status", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		p.t.Fatalf("status --json: exit %d, %v, %s%s", code, err, out, errs)
	}
	return r
}

// session starts a program that looks like Claude Code, and returns its pid.
func (p *person) session() int {
	p.t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.Args[0], cmd.Env = "claude", p.env
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}
