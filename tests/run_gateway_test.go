package tests

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// With a gateway the launcher stays, and all else is as if it had not: streams, descriptors, exit code.
func TestWithAGatewayTheLauncherStays(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.env = append(p.env, "AFTERYOU_GATEWAY=on", "STUB_EXIT=7")
	o := p.run("run", "--", "-p", "hello")
	if o.code != 7 || o.out != "out\n" || o.errs != "err\n" || o.claudeStdin != "typed" {
		t.Errorf("%+v", o)
	}
	url, upstream, _ := strings.Cut(o.env["AFTERYOU_UPSTREAM"], " ")
	if o.env["ANTHROPIC_BASE_URL"] != url || !strings.HasPrefix(url, "http://127.0.0.1:") || upstream != "https://api.anthropic.com" || o.env["ENABLE_TOOL_SEARCH"] != "true" {
		t.Errorf("claude's environment is %v", o.env)
	}
	if o := p.run("run", "--gateway", "off", "--", "-p", "hello"); o.env["ANTHROPIC_BASE_URL"] != "" || o.env["AFTERYOU_UPSTREAM"] != "" {
		t.Errorf("off, claude's environment is %v", o.env)
	}
	p.write("fd", "given", 0o600)
	p.write("real/claude", "#!/bin/sh\n[ \"$*\" = --version ] && exit\ncat <&9\n", 0o700)
	cmd := exec.Command("/bin/sh", "-c", afteryou+" run -- -p 9< fd")
	cmd.Env, cmd.Dir = p.env, p.home
	if out, err := cmd.Output(); string(out) != "given" || err != nil {
		t.Errorf("descriptor 9 gives %q, %v", out, err)
	}
}

// Signals to the launcher reach Claude Code, and how it dies of them is how the launcher ends; stopped, it stops.
func TestWithAGatewaySignalsArePassedOn(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.env = append(p.env, "AFTERYOU_GATEWAY=on")
	p.passesSignals(func(script string) *exec.Cmd {
		p.write("real/claude", "#!/bin/sh\n[ \"$*\" = --version ] && exit\n"+script, 0o700)
		return exec.Command(afteryou, "run", "--", "-p", "hello")
	})
}

// passesSignals wants signals to a command of ours to reach the shell's script that it runs, and the command to end as that does.
func (p *person) passesSignals(command func(script string) *exec.Cmd) {
	p.t.Helper()
	start := func(script string) *exec.Cmd {
		os.Remove(p.path("pid"))
		cmd := command(script)
		cmd.Env, cmd.Dir = p.env, p.home
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		p.until("its start", func() bool { _, err := os.Stat(p.path("pid")); return err == nil })
		return cmd
	}
	cmd := start("trap 'exit 9' TERM\necho $$ > pid.new; mv pid.new pid\nwhile :; do sleep 0.05; done\n")
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		p.t.Errorf("after SIGTERM it ends with %d, want 9", code)
	}
	cmd = start("echo $$ > pid.new; mv pid.new pid\nexec sleep 60\n")
	cmd.Process.Signal(syscall.SIGUSR1)
	cmd.Wait()
	if sig := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); sig != syscall.SIGUSR1 {
		p.t.Errorf("after SIGUSR1 it ends as %v, want its death by it", cmd.ProcessState)
	}
}
