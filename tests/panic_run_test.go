package tests

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/hook"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// A panic while a session is made ready costs its turns: it starts as it would without us.
func TestAPanicBeforeTheStartLeavesAPlainStart(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"claude.FindTranscript!", "claude.Hooks", "claude.MergeSettings", "claude.NameRun", "claude.Sort",
		"launch.Launch.gateway", "launch.Launch.prepare", "cli.loadSettings"} {
		p := faultyPerson(t, site)
		p.write("real/claude", strings.Replace(stub, "2.1.330", "2.0.76", 1), 0o700) // one that is run again by us
		p.env = append(p.env, "STUB_EXIT=7")
		o := p.run("run", "--", "-p", "hello")
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
	const site = "keeper.limited!"
	p := faultyPerson(t, site)
	const rows = `{"type":"system","subtype":"init"}` + "\n" + `{"type":"result","is_error":true}` + "\n"
	p.claudeIs("2.0.76", `printf '`+strings.ReplaceAll(rows, "\n", `\n`)+`'; exit 1
`)
	o := p.run("run", "--", "-p", "--output-format", "stream-json", "--verbose", "hello")
	if o.code != 1 || o.out != rows || o.errs != "" || p.told(site) != 2 {
		t.Errorf("%+v; the log says\n%s", o, p.logged())
	}
}

// On a terminal a panic costs what it happened in, and never a byte or a key.
func TestAPanicBehindTheGlassCostsItsFunctionAlone(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"keeper.typist.shows", "keeper.typist.key", "lockfile.Identify!", "screen.Stream.Feed!", "claude.SessionOf",
		"wrapper.Session.copyInput", "wrapper.Session.copyOutput", "wrapper.Session.readReports", "wrapper.Session.resize!", "wrapper.sideCopy.run"} {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			p := faultyPerson(t, site)
			p.claudeIs("2.1.330", `echo ready
while read -r line; do echo "got $line"; [ "$line" = bye ] && exit 7; done
`)
			terminal, err := terminal.Open(realclaude.Session{Path: p.program, Env: p.env, Dir: p.home}, 80, 24, "run")
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
			shows("got bye")
			if code, err := terminal.Wait(ctx); code != 7 || err != nil {
				t.Errorf("it ends with %d, %v; want the program's 7; the log says\n%s", code, err, p.logged())
			}
			if text := terminal.Text(); strings.Contains(text, "panic") {
				t.Errorf("the terminal shows\n%s", text)
			}
		})
	}
}

// Once Claude Code has started behind the glass no second one starts beside it.
func TestAPanicBehindTheGlassStartsNoSecondClaude(t *testing.T) {
	t.Parallel()
	const site = "wrapper.Session.startInput"
	p := faultyPerson(t, site)
	p.claudeIs("2.1.330", "exec sleep 1000\n")
	d := p.sit(false, p.program, "run", "--", "hello")
	if status, text := d.end(), d.text(); status.ExitStatus() != 1 || !strings.Contains(text, "panic: injected into "+site) || strings.Contains(text, "the terminal itself") {
		t.Errorf("it ends with %#x and says\n%s", status, text)
	}
}

// answering is the URL of a server that answers each call the same, with or without a limit.
func answering(t *testing.T, answer string, limited bool) string {
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
	return server.URL
}

// Calls pass the gateway whatever panics over them or over the state.
func TestAPanicOfTheGatewayCostsNoCall(t *testing.T) {
	t.Parallel()
	const answer = `{"type":"message","usage":{"input_tokens":1,"output_tokens":1}}`
	for site, limited := range map[string]bool{
		"limit.Class!": false, "gateway.modelOf!": false, "gate.resources!": false, "gateway.usage.feed!": false, "gateway.usage.end!": false,
		"gate.Gate.grant!": false, "gate.Gate.sleep!": false, "gate.Gate.update!": false, "line.Line.plan!": false,
		"turn.Account.Accepted!": false, "turn.Account.Admit!": false, "turn.Account.Ask!": false, "turn.Account.Ended!": false, "turn.Account.Headers!": false,
		"ratelimit.Header!": false,
		"gate.lifts!":       true, "ratelimit.Spends!": true,
	} {
		t.Run(site, func(t *testing.T) {
			t.Parallel()
			p := faultyPerson(t, site)
			server := answering(t, answer, limited)
			p.claudeIs("2.1.330", `echo "$ANTHROPIC_BASE_URL" > "$HOME/url.new"; mv "$HOME/url.new" "$HOME/url"
read -r line
exit 7
`)
			cmd := exec.Command(p.program, "run", "--", "-p", "hello")
			cmd.Env, cmd.Dir = append(p.env, "AFTERYOU_GATEWAY=on", "ANTHROPIC_BASE_URL="+server), p.home
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
			p.until("Claude Code to start", func() bool { _, err := os.Stat(p.path("url")); return err == nil })
			client := http.Client{Timeout: patience}
			for n := range 3 {
				resp, err := client.Post(strings.TrimSpace(p.read("url"))+"/v1/messages", "application/json", strings.NewReader(`{"model":"claude-opus-4-6"}`))
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
