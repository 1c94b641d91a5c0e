package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// person is a user with a clean environment, and with a claude on PATH.
type person struct {
	t    *testing.T
	home string
	bin  string // the directory on PATH
	env  []string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	home := t.TempDir()
	bin := filepath.Join(home, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, home: home, bin: bin, env: []string{"HOME=" + home, "PATH=" + bin + ":/usr/bin:/bin"}}
	p.write(filepath.Join(bin, "claude"), stub, 0o700)
	return p
}

func (p *person) write(path, content string, mode os.FileMode) {
	p.t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		p.t.Fatal(err)
	}
}

type outcome struct {
	code        int
	out, errs   string
	args        []string // of the stub; nil: it was not started
	env         map[string]string
	claudeStdin string
}

func (p *person) run(args ...string) outcome { return p.start(afteryou, args...) }

func (p *person) start(program string, args ...string) outcome {
	p.t.Helper()
	for _, name := range []string{"args", "env", "stdin"} {
		os.Remove(filepath.Join(p.home, name))
	}
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = p.env, p.home
	cmd.Stdin = strings.NewReader("typed")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := err.(*exec.ExitError); err != nil && !ok {
		p.t.Fatal(err)
	} else if ok && !exit.Exited() {
		p.t.Fatalf("%s %q: %v", program, args, err)
	}
	o := outcome{code: cmd.ProcessState.ExitCode(), out: out.String(), errs: errs.String(), env: make(map[string]string)}
	read := func(name string) []string {
		data, _ := os.ReadFile(filepath.Join(p.home, name))
		return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
	}
	if _, err := os.Stat(filepath.Join(p.home, "args")); err == nil {
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
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited in vain for %s", what)
		}
	}
}
