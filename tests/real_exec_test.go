package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// clients are programs that make so many calls one after the other, each by another client, and print a line for each answer:
// command lines, which stand for themselves in a shell too.
func (m *machine) clients(calls int) map[string][]string {
	m.t.Helper()
	sdk, err := realclaude.InstallClient(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	script := filepath.Join(m.dir, "client.mjs")
	write(m.t, script, fmt.Sprintf(`import Anthropic from %q
const client = new Anthropic()
const ask = { model: 'claude-opus-5-5', max_tokens: 16, messages: [{ role: 'user', content: 'hello' }] }
for (let i = 0; i < %d; i++) {
  try {
    const answer = i %% 2 ? await client.messages.create(ask) : await client.messages.stream(ask).finalMessage()
    console.log(answer.content[0].text)
  } catch (x) { console.log(String(x)) }
}
`, sdk, calls))
	binary := filepath.Join(m.dir, "client")
	if _, err := os.Stat(binary); err != nil {
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Dir = "tests/testdata/client"
		if out, err := build.CombinedOutput(); err != nil {
			m.t.Fatalf("building the client: %v\n%s", err, out)
		}
	}
	curl := fmt.Sprintf(`for i in $(seq %d); do curl -s "$ANTHROPIC_BASE_URL/v1/messages" -H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' `+
		`-d '{"model":"claude-opus-5-5","max_tokens":16,"messages":[{"role":"user","content":"hello"}]}' | sed 's/.*"text":"\([a-z]*\)".*/\1\n/'; done`, calls)
	return map[string][]string{"the SDK for TypeScript": {"node", script}, "the SDK for Go": {binary, fmt.Sprint(calls)}, "curl": {"sh", "-c", curl}}
}

// exec runs a command line through exec, if through, and returns what it prints.
func (m *machine) exec(s realclaude.Session, through bool, line ...string) string {
	m.t.Helper()
	if through {
		line = append([]string{afteryou, "exec", "--"}, line...)
	}
	cmd := exec.CommandContext(m.t.Context(), line[0], line[1:]...)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		m.t.Errorf("%q: %v, says %q and %q", line, err, out, errs.Bytes())
	}
	return string(out)
}

// Each client beside the others and a session of Claude Code, all on one small limit: nobody learns of a rejection, and each has one
// turn for a call.
func TestRealClientsTakeTurns(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 90, Burst: 1}},
		Answer: fakeapi.Slow(300*time.Millisecond, clientsToo(fakeapi.Agentic(3)))}, withModule)
	var wg sync.WaitGroup
	for name, line := range m.clients(3) {
		s := m.session(strings.ReplaceAll(name, " ", "-"))
		wg.Go(func() {
			if out := m.exec(s, true, line...); out != strings.Repeat("done\n", 3) {
				t.Errorf("%s prints %q", name, out)
			}
		})
	}
	s := m.session("claude")
	wg.Go(func() { m.print(s) })
	wg.Wait()
	m.untold()
	m.counts()
	m.status() // wants one account
	t.Logf("%d answers, %d rejections", len(m.api.Answers()), len(m.api.Rejections()))
	if n := len(m.api.Answers()); n != 12 {
		t.Errorf("%d answers, want 12", n)
	}
}

// clientsToo answers what is no session's as a client wants it, all else as then does.
func clientsToo(then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	return func(r fakeapi.Request) fakeapi.Answer {
		if r.Tools == 0 {
			return fakeapi.Say("done")
		}
		return then(r)
	}
}

// Programs on the Agent SDK, whose sessions use a tool, call one after the other where that is the rule: through exec, by the module
// that install put up, and where there are both. A call has one turn.
func TestRealAgentSDKTakesTurns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ install, exec bool }{"exec": {exec: true}, "the module": {install: true}, "both": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Slow(200*time.Millisecond, toolOnce())}, withModule, "AFTERYOU_TURNS=strict")
			sdk, err := realclaude.InstallSDK(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(m.dir, "host.mjs")
			write(t, script, fmt.Sprintf(`import { query } from %q
const options = { permissionMode: 'bypassPermissions', allowDangerouslySkipPermissions: true }
for await (const m of query({ prompt: 'hello', options })) if (m.type === 'result') console.log(m.result)
`, sdk))
			var wg sync.WaitGroup
			for i := range 2 {
				s := m.session(fmt.Sprint("program", i))
				if c.install {
					m.program(s, "install", "hooks", "--yes")
				}
				wg.Go(func() {
					if out := m.exec(s, c.exec, "node", script); out != "done\n" {
						t.Errorf("it prints %q", out)
					}
					ranOnce(t, filepath.Join(s.Dir, "proof"))
				})
			}
			wg.Wait()
			if log := m.api.Log(); len(log) != 4 || len(fakeapi.Overlapping(log)) > 0 {
				t.Errorf("%d calls, want 4 and none beside another: %+v", len(log), log)
			}
			m.counts()
		})
	}
}
