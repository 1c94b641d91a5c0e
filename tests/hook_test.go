package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/turn"
)

// eventOf is what Claude Code tells a hook.
func eventOf(name, session, transcript string) string {
	return fmt.Sprintf(`{"hook_event_name":%q,"session_id":%q,"cwd":"/","transcript_path":%q}`, name, session, transcript)
}

// hook is the hook for an event, in a session whose Claude Code is this test.
func (p *person) hook(event string, args ...string) *exec.Cmd {
	cmd := exec.Command(p.program, append([]string{"hook"}, args...)...)
	cmd.Env, cmd.Dir = append([]string{"CLAUDE_PID=" + strconv.Itoa(os.Getpid()), "CLAUDE_CODE_ENTRYPOINT=cli"}, p.env...), p.home
	cmd.Stdin = strings.NewReader(event)
	return cmd
}

// hooking starts the hook for an event. It ends with the test at the latest.
func (p *person) hooking(event string, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := p.hook(event, args...)
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// hooked runs the hook for an event to its end, and wants it to have nothing to say.
func (p *person) hooked(event string) {
	p.t.Helper()
	if out, err := p.hook(event).CombinedOutput(); err != nil || len(out) > 0 {
		p.t.Fatalf("the hook of %s: %v, %s", event, err, out)
	}
}

// rejected makes the transcript of a session whose turn a limit has just ended.
func (p *person) rejected(session string) (transcript string) {
	p.t.Helper()
	p.write(session+".jsonl", fmt.Sprintf(`{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":429,"timestamp":%q,"message":{"content":[{"type":"text","text":"API Error: Request rejected (429)"}]}}`+"\n",
		time.Now().UTC().Format(time.RFC3339Nano)), 0o600)
	return p.path(session + ".jsonl")
}

// cool makes the limit of a session end after d.
func (p *person) cool(session string, d time.Duration) (until time.Time) {
	p.t.Helper()
	p.state(func(s *turn.State) error {
		until = time.Now().Add(d)
		s.Open(s.Sessions[session].Account).Limited(time.Now(), "", until, "rate limit")
		return nil
	})
	return until
}

// twelve makes the home one in which 12 sessions share a limit: two call, four wait in line, all for the limit's end.
func (p *person) twelve() {
	p.t.Helper()
	api, err := fakeapi.Start(fakeapi.Config{Answer: func(fakeapi.Request) fakeapi.Answer { return fakeapi.RateLimited(35 * time.Second) }})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { api.Close() })
	p.env = append(p.env, "ANTHROPIC_BASE_URL="+api.URL(), "ANTHROPIC_API_KEY="+realclaude.Key, "AFTERYOU_TURNS=2")
	event := func(name string, session int) string {
		return eventOf(name, fmt.Sprintf("%08d-aaaa", session), "/nowhere")
	}
	for i := range 12 {
		p.hooked(event("SessionStart", i))
	}
	for i := range 2 {
		p.hooked(event("UserPromptSubmit", i))
	}
	for i := range 4 {
		p.hooking(event("UserPromptSubmit", 3+i))
		p.until("its place in line", func() bool {
			r := p.status()
			return len(r.Pools) == 1 && len(r.Pools[0].Waiting) == i+1
		})
	}
	if out, errs, code := p.afteryou("limits"); code != exitLimited {
		p.t.Fatalf("limits: exit %d, %s%s", code, out, errs)
	}
}
