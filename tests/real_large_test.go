package tests

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// narrow is a server that lets through so many input tokens a minute, and nothing that is larger.
func narrow(perMinute int, then fakeapi.AnswerFunc) fakeapi.Config {
	return fakeapi.Config{Limits: fakeapi.Limits{Input: fakeapi.Limit{PerMinute: float64(perMinute)}},
		Cost: func(fakeapi.Request) fakeapi.Usage { return fakeapi.Usage{Input: 10} },
		Answer: func(r fakeapi.Request) fakeapi.Answer {
			if strings.Contains(string(r.Body), huge) {
				return fakeapi.RateLimited(time.Second)
			}
			return then(r)
		}}
}

// huge begins a prompt of twice the limit.
const huge = "a huge prompt"

// A prompt of twice the limit ends its turn with one line that tells the numbers, after one request, by the module and by the gateway;
// the next session is not held.
func TestRealPromptThatNeverFits(t *testing.T) {
	t.Parallel()
	const limit = 14_000
	prompt := huge + strings.Repeat(" word another", 2*limit*4/13+1)
	for name, c := range map[string]struct{ extra, says string }{
		"module":  {withModule, "stopped this request: This request would exceed"}, // the server's words; the numbers are a notification
		"gateway": {throughGateway, "the rate limit is 14000 a minute"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, narrow(limit, fakeapi.Agentic(1)), c.extra)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := realclaude.Print(ctx, m.session("huge"), prompt)
			t.Logf("%d after %v: %s%s", r.Code, r.Elapsed, r.Stdout, r.Stderr)
			if err != nil || r.Code != 1 || !strings.Contains(r.Stdout, c.says) {
				t.Errorf("%d, %v", r.Code, err)
			}
			if n := len(m.api.Rejections()); n != 1 {
				t.Errorf("%d requests for it, want one", n)
			}
			m.print(m.session("after"))
			m.free()
		})
	}
}

// Clients are told so as well, once, by an error that they do not try again: a line that tells the numbers.
func TestRealClientsOfAPromptThatNeverFits(t *testing.T) {
	t.Parallel()
	const limit = 2_000
	m := newMachine(t, narrow(limit, clientsToo(fakeapi.Agentic(1))), withModule)
	sdk, err := realclaude.InstallClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(m.dir, "large.mjs")
	write(t, script, fmt.Sprintf(`import Anthropic from %q
const content = %q + ' word another'.repeat(%d)
for (const ask of [content, 'hello']) {
  const begun = Date.now()
  try {
    const answer = await new Anthropic().messages.create({ model: 'claude-opus-5-5', max_tokens: 16, messages: [{ role: 'user', content: ask }] })
    console.log(answer.content[0].text)
  } catch (x) { console.log(x.status, x.error.error.message); console.error(`+"`${Date.now() - begun} ms`"+`) }
}
`, sdk, huge, 2*limit*4/13+1))
	s := m.session("program")
	cmd := exec.CommandContext(t.Context(), afteryou, "exec", "--", "node", script)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	t.Logf("%s%s", out, errs.String())
	told, rest, _ := strings.Cut(string(out), "\n")
	if !strings.HasPrefix(told, "413 This prompt has about ") || !strings.Contains(told, "the rate limit is 2000 a minute") || rest != "done\n" || err != nil {
		t.Errorf("it prints %q, %v", out, err)
	}
	if log := m.api.Log(); len(log) != 2 {
		t.Errorf("%d requests, want one for each prompt: %+v", len(log), log)
	}
	m.free()
}
