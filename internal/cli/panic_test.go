package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"afteryou/hook"
	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// faults are the functions that can be made to panic in the binary that faulty builds, by package.
var faults = map[string][]string{
	"cli":       {"loadSettings"},
	"claude":    {"Account", "FindTranscript", "Hooks", "MergeSettings", "NameRun", "PoolKey", "ReadStopped", "SessionOf", "Sort"},
	"gateway":   {"gate.grant", "gate.sleep", "gate.update", "holds", "modelOf", "resources", "usage.end", "usage.feed"},
	"hook":      {"read", "wakes", "waiter.after", "waiter.visit"},
	"launch":    {"Launch.gateway", "Launch.prepare", "Launch.typist", "typist.key", "typist.shows"},
	"line":      {"Line.Stand", "Line.Wait", "Line.due", "Line.plan"},
	"lockfile":  {"Identify", "Store.listen", "Store.replace", "decode"},
	"observe":   {"Callers", "Read"},
	"ratelimit": {"Header", "Output", "Spends", "Stream.Feed"},
	"turn":      {"Class", "Pool.Accepted", "Pool.Admit", "Pool.Ask", "Pool.Ended", "Pool.Headers", "Pool.Sweep", "Session.Resume", "Session.Stopped"},
	"wrapper":   {"Session.copyInput", "Session.copyOutput", "Session.readReports", "Session.resize", "Session.startInput", "sideCopy.run"},
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// faultEnv names the function that panics: at its first call, or with ! behind it at every call. With "throws" behind it
// the Go runtime does.
const faultEnv = "PANICS_IN"

// faulty is the binary under test with a panic at the beginning of each of the faults.
var faulty = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(afteryou), "faulty")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	replace := make(map[string]string)
	put := func(path, name, text string) error {
		to := filepath.Join(dir, name)
		replace[path] = to
		return os.WriteFile(to, []byte(text), 0o600)
	}
	for pkg, functions := range faults {
		at, err := filepath.Abs(pkg)
		if err != nil {
			return "", err
		}
		if inner, err := filepath.Abs(filepath.Join("internal", pkg)); err == nil && exists(inner) {
			at = inner
		}
		left := slices.Clone(functions)
		files, err := filepath.Glob(filepath.Join(at, "*.go"))
		if err != nil {
			return "", err
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, data, parser.SkipObjectResolution)
			if err != nil {
				return "", err
			}
			text, from := "", 0
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				name := f.Name.Name
				if f.Recv != nil {
					name = strings.TrimPrefix(types.ExprString(f.Recv.List[0].Type), "*") + "." + name
				}
				if i := slices.Index(left, name); i >= 0 {
					left = slices.Delete(left, i, i+1)
					brace := fset.Position(f.Body.Lbrace).Offset + 1
					text += string(data[from:brace]) + fmt.Sprintf("fault(%q);", pkg+"."+name)
					from = brace
				}
			}
			if from > 0 {
				if err := put(path, pkg+"-"+filepath.Base(path), text+string(data[from:])); err != nil {
					return "", err
				}
			}
		}
		if len(left) > 0 {
			return "", fmt.Errorf("package %s has no %q", pkg, left)
		}
		if err := put(filepath.Join(at, "fault.go"), pkg+"-fault.go", `package `+pkg+`
import ("os"; "runtime/debug"; "strings"; "sync/atomic")
var faulted atomic.Bool
func deeper(n int) int { return deeper(n+1) + 1 }
func fault(name string) {
	if os.Getenv("`+faultEnv+`") == name+" throws" { debug.SetMaxStack(1 << 20); deeper(0) }
	in, always := strings.CutSuffix(os.Getenv("`+faultEnv+`"), "!")
	if in == name && (!faulted.Swap(true) || always) { panic("injected into " + name) }
}
`); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "afteryou")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building with faults: %w\n%s", err, out)
	}
	return program, nil
})

// faultyPerson is a person whose afteryou panics.
func faultyPerson(t *testing.T) (p *person, program string) {
	t.Helper()
	program, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	return newPerson(t), program
}

// logged is the person's log.
func (p *person) logged() string {
	data, _ := os.ReadFile(filepath.Join(p.home, ".local", "state", "afteryou", "log"))
	return string(data)
}

// told counts the lines of the log that tell of a panic, and fails where they are not one line each that says where.
func (p *person) told(site string) (n int) {
	p.t.Helper()
	for line := range strings.Lines(p.logged()) {
		if strings.Contains(line, "panic") {
			if !strings.Contains(line, "panic: injected into "+strings.TrimSuffix(site, "!")+"; in ") {
				p.t.Errorf("%s: the log says %q", site, line)
			}
			n++
		}
	}
	return n
}

// hook delivers an event and returns the exit code and all that was said.
func (p *person) hook(program, event string, args, env []string) (code int, said string) {
	p.t.Helper()
	cmd := exec.Command(program, append([]string{"hook"}, args...)...)
	cmd.Env = slices.Concat(p.env, []string{"CLAUDE_PID=" + strconv.Itoa(os.Getpid()), "CLAUDE_CODE_ENTRYPOINT=cli", "AFTERYOU_TURNS=1"}, env)
	cmd.Stdin = strings.NewReader(event)
	out, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// Whatever panics at whichever event, Claude Code sees a hook that has nothing to say.
func TestAPanicOfTheHookStopsNobody(t *testing.T) {
	t.Parallel()
	events := []string{"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch", "SubagentStart", "SubagentStop",
		"PreCompact", "PostCompact", "Stop", "StopFailure", "SessionEnd"}
	for _, site := range []string{
		"cli.loadSettings!", "claude.PoolKey!", "hook.read!", "hook.waiter.after!", "hook.waiter.visit!", "lockfile.decode!", "lockfile.Store.replace!",
		"lockfile.Identify!", "observe.Callers!", "observe.Read!", "turn.Pool.Admit!", "turn.Pool.Ask!", "turn.Pool.Sweep!",
	} {
		p, program := faultyPerson(t)
		if site == "hook.waiter.visit!" { // of sessions behind a gateway
			p.env = append(p.env, hook.GatewayEnv+"=http://127.0.0.1:1/x http://127.0.0.1:1", "ANTHROPIC_BASE_URL=http://127.0.0.1:1/x")
		}
		for _, name := range events {
			event := fmt.Sprintf(`{"hook_event_name":%q,"session_id":"s","cwd":"/","transcript_path":%q}`, name, filepath.Join(p.home, "s.jsonl"))
			if code, said := p.hook(program, event, nil, []string{faultEnv + "=" + site}); code != 0 || said != "" {
				t.Errorf("%s at %s: exit code %d, says %q; want 0 and silence", site, name, code, said)
			}
		}
		if p.told(site) == 0 {
			t.Errorf("%s: the log says nothing of it:\n%s", site, p.logged())
		}
	}
}

// What can't be recovered ends the hook by a signal, which Claude Code passes over, and leaves no core.
func TestRealSessionGoesOnOverARuntimeThrow(t *testing.T) {
	t.Parallel()
	p, program := faultyPerson(t)
	const site = "turn.Pool.Admit throws"
	cmd := exec.Command("/bin/sh", "-c", `ulimit -S -c "$(ulimit -H -c)"; exec "$0" hook`, program) // cores are written by default
	cmd.Env, cmd.Dir = append(p.env, faultEnv+"="+site), p.home
	cmd.Stdin = strings.NewReader(`{"hook_event_name":"UserPromptSubmit","session_id":"s","cwd":"/"}`)
	out, err := cmd.Output()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGABRT || status.CoreDump() || len(out) > 0 {
		t.Errorf("the hook ends with %v (a core: %v) and says %q; want SIGABRT and silence", err, status.CoreDump(), out)
	}
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)}, faultEnv+"="+site)
	s := m.session("one")
	s.Path = program
	m.print(s)
}

// A waiter that panics goes on without a turn, and leaves the line.
func TestAPanicOfAWaiterStopsNobody(t *testing.T) {
	t.Parallel()
	const event = `{"hook_event_name":"UserPromptSubmit","session_id":%q,"cwd":"/"}`
	for _, site := range []string{"line.Line.Stand", "line.Line.Wait", "line.Line.due", "line.Line.plan", "lockfile.Store.listen", "turn.Session.Stopped"} {
		p, program := faultyPerson(t)
		if code, said := p.hook(program, fmt.Sprintf(event, "has the turn"), nil, nil); code != 0 || said != "" {
			t.Fatalf("the first prompt: exit code %d, says %q", code, said)
		}
		if code, said := p.hook(program, fmt.Sprintf(event, "waits"), nil, []string{faultEnv + "=" + site}); code != 0 || said != "" {
			t.Errorf("%s: exit code %d, says %q; want 0 and silence", site, code, said)
		}
		if p.told(site) != 1 {
			t.Errorf("%s: the log says\n%s\nwant one line of it", site, p.logged())
		}
	}
}

// 2 is the word by which the background handler makes a session go on. A panic is not.
func TestAPanicWakesNobody(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]int{
		"": exitWake, "claude.ReadStopped!": 0, "hook.read!": 0, "hook.wakes!": 0, "turn.Session.Resume!": 0, "turn.Pool.Admit!": 0,
	} {
		p, program := faultyPerson(t)
		transcript := filepath.Join(p.home, "s.jsonl")
		p.write(transcript, fmt.Sprintf(`{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":429,"timestamp":%q,"message":{"content":[{"type":"text","text":"API Error: Request rejected (429)"}]}}`+"\n",
			time.Now().UTC().Format(time.RFC3339Nano)), 0o600)
		event := func(name string) string {
			return fmt.Sprintf(`{"hook_event_name":%q,"session_id":"s","cwd":"/","transcript_path":%q}`, name, transcript)
		}
		if code, said := p.hook(program, event("SessionStart"), nil, nil); code != 0 || said != "" {
			t.Fatalf("the session starts with %d, %q", code, said)
		}
		p.cool(3 * time.Second)
		code, said := p.hook(program, event("StopFailure"), []string{"wake"}, []string{faultEnv + "=" + site})
		if code != want || (said == "") != (want == 0) {
			t.Errorf("%q: exit code %d, says %q; want %d", site, code, said, want)
		}
		if told := p.told(site); (told == 0) != (site == "") {
			t.Errorf("%q: the log says\n%s", site, p.logged())
		}
	}
}

// The same with the real Claude Code: it is never told to stop, and the calls go without turns.
func TestRealSessionGoesOnOverPanics(t *testing.T) {
	t.Parallel()
	program, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)}, faultEnv+"=turn.Pool.Admit!")
	s := m.session("one")
	s.Path = program
	m.print(s)
	if n := strings.Count(m.logged(), "hook: panic: injected into turn.Pool.Admit; in "); n < 3 {
		t.Errorf("the log tells of %d panics, want one for the prompt and each batch of tools at least:\n%s", n, m.logged())
	}
}

// cool makes the limit of the person's session s end after d.
func (p *person) cool(d time.Duration) {
	p.t.Helper()
	store, err := lockfile.Open(filepath.Join(p.home, ".local", "state", "afteryou"))
	if err != nil {
		p.t.Fatal(err)
	}
	v, err := store.Update(context.Background(), func(s *turn.State) error {
		s.Pool(s.Sessions["s"].Pool).Limited(time.Now(), time.Now().Add(d), "rate limit")
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	v.Close()
}

// A panic while a session is made ready costs its turns: it starts as it would without us.
func TestAPanicBeforeTheStartLeavesAPlainStart(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"claude.Account", "claude.FindTranscript!", "claude.Hooks", "claude.MergeSettings", "claude.NameRun", "claude.Sort",
		"launch.Launch.gateway", "launch.Launch.prepare", "lockfile.decode", "cli.loadSettings"} {
		p, program := faultyPerson(t)
		p.write(filepath.Join(p.bin, "claude"), strings.Replace(stub, "2.1.330", "2.0.76", 1), 0o700) // one that is run again by us
		p.env = append(p.env, faultEnv+"="+site, "STUB_EXIT=7")
		o := p.start(program, "run", "--", "-p", "hello")
		switch {
		case o.code != 7 || o.out != "out\n" || o.claudeStdin != "typed":
			t.Errorf("%s: %+v", site, o)
		case strings.HasSuffix(site, "!"): // after the start
			if p.told(site) == 0 || o.errs != "err\n" {
				t.Errorf("%s: the log says\n%s\nand the person is told\n%s", site, p.logged(), o.errs)
			}
		case !slices.Equal(o.args, []string{"-p", "hello"}) || strings.Count(o.errs, "panic: injected into "+site+"; in ") != 1 || !strings.Contains(o.errs, "hint: "):
			t.Errorf("%s: Claude Code gets %q, and the person is told\n%s", site, o.args, o.errs)
		case o.env[hook.WarnedEnv] != "1" && site != "cli.loadSettings": // the hooks load them anew
			t.Errorf("%s: the hooks in the user's own settings may tell it again", site)
		}
	}
}

// What a run writes that we run again reaches the person, whatever panics over it.
func TestAPanicOverTheOutputCostsNoByte(t *testing.T) {
	t.Parallel()
	p, program := faultyPerson(t)
	const rows = `{"type":"system","subtype":"init"}` + "\n" + `{"type":"result","is_error":true}` + "\n"
	p.write(filepath.Join(p.bin, "claude"), `#!/bin/sh
[ "$*" = --version ] && { echo "2.0.76 (Claude Code)"; exit; }
printf '`+strings.ReplaceAll(rows, "\n", `\n`)+`'; exit 1
`, 0o700)
	const site = "ratelimit.Output!"
	p.env = append(p.env, faultEnv+"="+site)
	o := p.start(program, "run", "--", "-p", "--output-format", "stream-json", "--verbose", "hello")
	if o.code != 1 || o.out != rows || o.errs != "" || p.told(site) != 2 {
		t.Errorf("%+v; the log says\n%s", o, p.logged())
	}
}

// On a terminal a panic costs what it happened in, and never a byte or a key.
func TestAPanicBehindTheGlassCostsItsFunctionAlone(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"launch.typist.shows", "launch.typist.key", "lockfile.Identify!", "ratelimit.Stream.Feed!", "claude.SessionOf",
		"wrapper.Session.copyInput", "wrapper.Session.copyOutput", "wrapper.Session.readReports", "wrapper.Session.resize!", "wrapper.sideCopy.run"} {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			p, program := faultyPerson(t)
			p.write(filepath.Join(p.bin, "claude"), `#!/bin/sh
[ "$*" = --version ] && { echo "2.1.330 (Claude Code)"; exit; }
echo ready
while read -r line; do echo "got $line"; [ "$line" = bye ] && exit 7; done
`, 0o700)
			terminal, err := realclaude.Open(realclaude.Session{Path: program, Env: append(p.env, faultEnv+"="+site), Dir: p.home}, 80, 24, "run")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { terminal.Close() })
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			shows := func(text string) {
				t.Helper()
				if err := terminal.WaitFor(ctx, text); err != nil {
					t.Fatalf("%v; the log says\n%s", err, p.logged())
				}
			}
			shows("ready")
			for _, word := range []string{"one", "two"} {
				if err := terminal.Send([]byte(word + "\r")); err != nil {
					t.Fatal(err)
				}
				shows("got " + word)
				if err := terminal.Resize(90, 30); err != nil {
					t.Fatal(err)
				}
			}
			for p.told(site) == 0 {
				if ctx.Err() != nil {
					t.Fatalf("the log says nothing of it:\n%s", p.logged())
				}
				time.Sleep(10 * time.Millisecond)
			}
			if err := terminal.Send([]byte("bye\r")); err != nil {
				t.Fatal(err)
			}
			if code, err := terminal.Wait(ctx); code != 7 || err != nil {
				t.Errorf("it ends with %d, %v; want the program's 7; the log says\n%s", code, err, p.logged())
			}
			if text := terminal.Text(); !strings.Contains(text, "got bye") || strings.Contains(text, "panic") {
				t.Errorf("the terminal shows\n%s", text)
			}
		})
	}
}

// Once Claude Code has started behind the glass no second one starts beside it.
func TestAPanicBehindTheGlassStartsNoSecondClaude(t *testing.T) {
	t.Parallel()
	p, program := faultyPerson(t)
	p.claudeIs("2.1.330", "exec sleep 1000\n")
	const site = "wrapper.Session.startInput"
	p.env = append(p.env, faultEnv+"="+site)
	d := p.sit(false, program, "run", "--", "hello")
	if status, text := d.end(), d.text(); status.ExitStatus() != 1 || !strings.Contains(text, "panic: injected into "+site) || strings.Contains(text, "the terminal itself") {
		t.Errorf("it ends with %#x and says\n%s", status, text)
	}
}

// Calls pass the gateway whatever panics over them or over the state.
func TestAPanicOfTheGatewayCostsNoCall(t *testing.T) {
	t.Parallel()
	const answer = `{"type":"message","usage":{"input_tokens":1,"output_tokens":1}}`
	for site, limited := range map[string]bool{
		"turn.Class!": false, "gateway.modelOf!": false, "gateway.resources!": false, "gateway.usage.feed!": false, "gateway.usage.end!": false,
		"gateway.gate.grant!": false, "gateway.gate.sleep!": false, "gateway.gate.update!": false, "line.Line.plan!": false,
		"turn.Pool.Accepted!": false, "turn.Pool.Admit!": false, "turn.Pool.Ask!": false, "turn.Pool.Ended!": false, "turn.Pool.Headers!": false,
		"ratelimit.Header!": false,
		"gateway.holds!":    true, "ratelimit.Spends!": true,
	} {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			p, program := faultyPerson(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				if limited {
					w.Header().Set("Retry-After", "1")
					w.WriteHeader(429)
				}
				io.WriteString(w, answer)
			}))
			t.Cleanup(server.Close)
			p.write(filepath.Join(p.bin, "claude"), `#!/bin/sh
[ "$*" = --version ] && { echo "2.1.330 (Claude Code)"; exit; }
echo "$ANTHROPIC_BASE_URL" > "$HOME/url.new"; mv "$HOME/url.new" "$HOME/url"
read -r line
exit 7
`, 0o700)
			cmd := exec.Command(program, "run", "--", "-p", "hello")
			cmd.Env, cmd.Dir = append(p.env, faultEnv+"="+site, "AFTERYOU_GATEWAY=on", "ANTHROPIC_BASE_URL="+server.URL), p.home
			var said strings.Builder
			cmd.Stdout, cmd.Stderr = &said, &said
			end, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() })
			var base []byte
			for deadline := time.Now().Add(patience); len(base) == 0; time.Sleep(5 * time.Millisecond) {
				if base, _ = os.ReadFile(filepath.Join(p.home, "url")); time.Now().After(deadline) {
					t.Fatalf("Claude Code does not start: %s", &said)
				}
			}
			client := http.Client{Timeout: patience}
			for n := range 3 {
				resp, err := client.Post(strings.TrimSpace(string(base))+"/v1/messages", "application/json", strings.NewReader(`{"model":"claude-opus-4-6"}`))
				if err != nil {
					t.Fatalf("call %d: %v; the log says\n%s", n, err, p.logged())
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(body) != answer || (resp.StatusCode == 429) != limited {
					t.Errorf("call %d: %s, %q, %v", n, resp.Status, body, err)
				}
			}
			io.WriteString(end, "end\n")
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 7 || said.String() != "" {
				t.Errorf("the session ends with %v and says %q; want the program's 7 and nothing", err, &said)
			}
			if p.told(site) == 0 {
				t.Errorf("the log says nothing of it:\n%s", p.logged())
			}
		})
	}
}
