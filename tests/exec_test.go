package tests

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/hook"
)

// newProgram is a person whose program "show" tells how it was started, as the [stub] does.
func newProgram(t *testing.T, env ...string) *person {
	t.Helper()
	p := newPerson(t, env...)
	p.write("real/show", stub, 0o755)
	return p
}

// With a gateway beside it the program has its own streams, descriptors and exit code.
func TestExecIsGlass(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "STUB_EXIT=7")
	o := p.run("exec", "--", "show", "--", "-x", "a b")
	if o.code != 7 || o.out != "out\n" || o.errs != "err\n" || o.claudeStdin != "typed" || !slices.Equal(o.args, []string{"--", "-x", "a b"}) {
		t.Errorf("%+v", o)
	}
	own, upstream, _ := strings.Cut(o.env["AFTERYOU_UPSTREAM"], " ")
	if o.env["ANTHROPIC_BASE_URL"] != own || !strings.HasPrefix(own, "http://127.0.0.1:") || upstream != "https://api.anthropic.com" {
		t.Errorf("its environment is %v", o.env)
	}
	for name := range o.env { // what it does not ask by stays as it is
		if strings.HasSuffix(name, "_BASE_URL") && name != "ANTHROPIC_BASE_URL" {
			t.Errorf("%s is set", name)
		}
	}
	p.write("fd", "given", 0o600)
	cmd := exec.Command("/bin/sh", "-c", afteryou+" exec sh -c 'cat <&9' 9< fd")
	cmd.Env, cmd.Dir = p.env, p.home
	if out, err := cmd.Output(); string(out) != "given" || err != nil {
		t.Errorf("descriptor 9 gives %q, %v", out, err)
	}
	for _, line := range []string{"exec", "exec --print-env show", "exec --shell tcl --print-env"} {
		if _, errs, code := p.afteryou(strings.Fields(line)...); code != exitUsage || !strings.HasPrefix(errs, "afteryou: ") {
			t.Errorf("%s: exit %d, says %q", line, code, errs)
		}
	}
	if _, errs, code := p.afteryou("exec", "--", "nobody-has-this"); code != 127 || errs != "afteryou: exec: no program \"nobody-has-this\"\n" {
		t.Errorf("exit %d, says %q", code, errs)
	}
	if _, _, code := p.afteryou("exec", "--", p.home); code != 126 {
		t.Errorf("a directory: exit %d", code)
	}
}

// Signals to us reach the program, and how it dies of them is how we end.
func TestExecPassesSignalsOn(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.passesSignals(func(script string) *exec.Cmd { return exec.Command(afteryou, "exec", "--", "sh", "-c", script) })
}

// Where afteryou is off, or its files can't be used, the program runs as without it.
func TestExecNeverHurts(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "AFTERYOU_OFF=1", "STUB_EXIT=7")
	if o := p.run("exec", "--", "show"); o.code != 7 || o.env["ANTHROPIC_BASE_URL"] != "" || o.errs != "err\n" {
		t.Errorf("off: %+v", o)
	}
	p.unset("AFTERYOU_OFF=1")
	p.write(".local/state/afteryou", "no directory", 0o600)
	if o := p.run("exec", "--", "show"); o.code != 7 || o.env["ANTHROPIC_BASE_URL"] != "" || strings.Count(o.errs, "hint: ") != 1 {
		t.Errorf("without a state: %+v", o)
	}
	p.env = append(p.env, "XDG_STATE_HOME="+p.path("other"), "NODE_EXTRA_CA_CERTS=/nowhere.pem")
	if o := p.run("exec", "--", "show"); o.code != 7 || o.env["ANTHROPIC_BASE_URL"] != "" || !strings.Contains(o.errs, "/nowhere.pem") {
		t.Errorf("without a certificate: %+v", o)
	}
}

// Whoever the environment is made to ask has a gateway of its own. What is signed for an address is left alone, with a line.
func TestExecBeforeTheClouds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env       []string
		to        map[string]string // the upstream of each variable that is set
		says      string
		unchanged []string
		gone      string
	}{
		"Vertex AI":             {env: []string{"ANTHROPIC_VERTEX_PROJECT_ID=p", "CLOUD_ML_REGION=us-east5"}, to: map[string]string{"ANTHROPIC_VERTEX_BASE_URL": "https://us-east5-aiplatform.googleapis.com/v1"}},
		"Vertex AI, another":    {env: []string{"CLAUDE_CODE_USE_VERTEX=1", "ANTHROPIC_VERTEX_BASE_URL=http://llm.example/v1/"}, to: map[string]string{"ANTHROPIC_VERTEX_BASE_URL": "http://llm.example/v1"}},
		"Foundry":               {env: []string{"ANTHROPIC_FOUNDRY_RESOURCE=r"}, to: map[string]string{"ANTHROPIC_FOUNDRY_BASE_URL": "https://r.services.ai.azure.com/anthropic"}, gone: "ANTHROPIC_FOUNDRY_RESOURCE"},
		"Bedrock with a token":  {env: []string{"AWS_BEARER_TOKEN_BEDROCK=t", "AWS_REGION=eu-west-1"}, to: map[string]string{"ANTHROPIC_BEDROCK_BASE_URL": "https://bedrock-runtime.eu-west-1.amazonaws.com"}},
		"Bedrock, signed":       {env: []string{"CLAUDE_CODE_USE_BEDROCK=1", "ANTHROPIC_BEDROCK_BASE_URL=http://llm.example"}, says: "SigV4", unchanged: []string{"ANTHROPIC_BEDROCK_BASE_URL=http://llm.example"}},
		"keys of AWS, no cloud": {env: []string{"AWS_ACCESS_KEY_ID=x"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, c.env...)
			o := p.run("exec", "--", "show")
			if says := strings.TrimSuffix(o.errs, "err\n"); strings.Count(says, "\n") > 1 || (says == "") != (c.says == "") || !strings.Contains(says, c.says) {
				t.Errorf("it says %q, want %q", says, c.says)
			}
			words := strings.Fields(o.env[hook.GatewayEnv])
			for variable, upstream := range c.to {
				if i := slices.Index(words, o.env[variable]); i < 0 || words[i+1] != upstream {
					t.Errorf("%s is %q; gateways are %q, want one to %s", variable, o.env[variable], words, upstream)
				}
			}
			if len(words) != 2+2*len(c.to) {
				t.Errorf("gateways are %q, want those of %v and of the API", words, c.to)
			}
			for _, e := range c.unchanged {
				if name, value, _ := strings.Cut(e, "="); o.env[name] != value {
					t.Errorf("%s is %q", name, o.env[name])
				}
			}
			if o.env[c.gone] != "" {
				t.Errorf("%s stays", c.gone)
			}
		})
	}
}

// A request has one turn, however launchers stand one in another: each inner one starts from what the person had.
func TestExecInExec(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "ANTHROPIC_BASE_URL=http://llm.example/x")
	if o := p.run("exec", "--", afteryou, "exec", "--", "show"); !strings.HasSuffix(o.env[hook.GatewayEnv], " http://llm.example/x") || strings.Count(o.env[hook.GatewayEnv], " ") != 1 {
		t.Errorf("in exec: %q", o.env[hook.GatewayEnv])
	}
	p.env = append(p.env, "AFTERYOU_GATEWAY=off")
	for _, line := range []string{"exec -- " + afteryou + " run -- -p hello", "exec -- claude -p hello", "exec -- " + p.path("real/claude") + " -p hello"} {
		o := p.run(strings.Fields(line)...)
		if o.env["ANTHROPIC_BASE_URL"] != "http://llm.example/x" || o.env[hook.GatewayEnv] != "" || len(o.args) == 0 || o.args[0] != "--settings" {
			t.Errorf("%s: claude %q with base URL %q and gateway %q; want it as run starts it", line, o.args, o.env["ANTHROPIC_BASE_URL"], o.env[hook.GatewayEnv])
		}
	}
}

// shells are those whose environment --print-env makes, and how.
func shells() map[string]string {
	posix := `eval "$(` + "%[1]s" + ` exec --print-env)"; `
	return map[string]string{"bash": posix, "dash": posix, "zsh": posix,
		"fish": "%[1]s exec --print-env --shell fish | source; ", "tcsh": "eval `%[1]s exec --print-env --shell csh`; "}
}

// listens reports whether somebody answers at a base URL.
func listens(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return false
	}
	conn, err := net.Dial("tcp", u.Host)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// The gateway of a shell is there as long as the shell, and gone when that ends, also by a kill.
func TestPrintEnvLivesWithItsShell(t *testing.T) {
	t.Parallel()
	for shell, script := range shells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path := here(t, shell)
			p := newProgram(t, "NO_PROXY=it's.example", "ANTHROPIC_FOUNDRY_RESOURCE=r")
			// The shell ends when its input does: it is read by the shell itself.
			cmd := exec.Command(path, "-c", fmt.Sprintf(script, afteryou)+"show; touch done; cat > /dev/null; true")
			cmd.Env, cmd.Dir = p.env, p.home
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Stdin = nil
			out, err := os.Create(p.path("out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd.Stdout, cmd.Stderr = out, out
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			p.write("real/show", strings.Replace(stub, "cat > ", ": > ", 1), 0o755)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { in.Close(); syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
			p.until("the shell to show its environment: "+read(t, p.path("out")), func() bool { _, err := os.Stat(p.path("done")); return err == nil })
			env := make(map[string]string)
			for _, e := range strings.Split(p.read("env"), "\x00") {
				name, value, _ := strings.Cut(e, "=")
				env[name] = value
			}
			base := env["ANTHROPIC_BASE_URL"]
			if !listens(base) || env["NO_PROXY"] != "it's.example,127.0.0.1" || env["ANTHROPIC_FOUNDRY_RESOURCE"] != "" || !listens(env["ANTHROPIC_FOUNDRY_BASE_URL"]) || env["AFTERYOU_SERVES"] != "" {
				t.Fatalf("the shell's environment is %v; it says %s", env, read(t, p.path("out")))
			}
			time.Sleep(1500 * time.Millisecond) // longer than it takes to see that a process is gone
			if !listens(base) {
				t.Fatal("the gateway ends before the shell")
			}
			cmd.Process.Kill()
			cmd.Wait()
			p.until("the end of the gateway", func() bool { return !listens(base) })
		})
	}
}
