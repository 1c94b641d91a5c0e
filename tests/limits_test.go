package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/lockfile"
)

// limits runs afteryou limits at a home.
func limits(t *testing.T, home string, env []string, args ...string) (out, errs string, code int) {
	t.Helper()
	cmd := exec.Command(afteryou, append([]string{"limits"}, args...)...)
	cmd.Env = append([]string{"HOME=" + home, "XDG_STATE_HOME=" + filepath.Join(home, "state"), "TZ=UTC"}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if both := stdout.String() + stderr.String(); strings.Contains(both, realclaude.Key) {
		t.Errorf("limits shows the key: %s", both)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func TestLimits(t *testing.T) {
	t.Parallel()
	api, err := fakeapi.Start(fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 50, Burst: 50}, Input: fakeapi.Limit{PerMinute: 30000, Burst: 30000}},
		Header: fakeapi.Unified{Status: "allowed", Claim: "five_hour", Resets: time.Now().Add(2 * time.Hour), Used: 0.25}.Header(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	home := t.TempDir()
	env := []string{"ANTHROPIC_BASE_URL=" + api.URL(), "ANTHROPIC_API_KEY=" + realclaude.Key}

	out, errs, code := limits(t, home, env)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	want := []string{
		`^account    ` + regexp.QuoteMeta(api.URL()) + `, API key$`, `^model      claude-haiku-\S+$`, `^limited    no$`, `^$`,
		`^LIMIT +PER MINUTE +REMAINING +RESETS$`, `^requests +50 +49 +\d\d:\d\d:\d\d, in [1-3]s$`, `^input tokens +30000 +29\d\d\d +\d\d:\d\d:\d\d, in [0-3]s$`,
		`^tokens +30000 +29\d\d\d +\d\d:\d\d:\d\d, in [0-3]s$`, `^5h window +75 %, allowed +.*, in (2h0m0s|1h59m5\ds)$`,
	}
	if code != 0 || errs != "" || len(lines) != len(want) {
		t.Fatalf("limits: exit %d, says %q and\n%s", code, errs, out)
	}
	for i := range want {
		if !regexp.MustCompile(want[i]).MatchString(lines[i]) {
			t.Errorf("line %q, want %s", lines[i], want[i])
		}
	}
	var r standing
	out, errs, code = limits(t, home, env, "--json", "--model", "some-model")
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || errs != "" {
		t.Fatalf("limits --json: exit %d, %v, says %q and\n%s", code, err, errs, out)
	}
	if r.Model != "some-model" || r.Limited != nil || len(r.Limits) != 3 || r.Limits[0].Name != "requests" || r.Limits[0].Limit != 50 || r.Limits[0].ResetsIn == nil ||
		len(r.Windows) != 1 || r.Windows[0].Used != 0.25 || r.Windows[0].ResetsAt == nil {
		t.Errorf("limits --json prints %s", out)
	}
	if n := len(api.Log()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// What it is told to wait, the sessions of the same account wait too: the hook's account is the same one.
func TestLimitsShareTheCoolDown(t *testing.T) {
	t.Parallel()
	api, err := fakeapi.Start(fakeapi.Config{Answer: func(fakeapi.Request) fakeapi.Answer { return fakeapi.RateLimited(75 * time.Second) }})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	home := t.TempDir()
	key, url := "ANTHROPIC_API_KEY="+realclaude.Key, "ANTHROPIC_BASE_URL="+api.URL()
	// A session of another account is there already, and one of this.
	for session, env := range map[string][]string{"one": {key, url}, "other": {"ANTHROPIC_API_KEY=another", url}} {
		cmd := exec.Command(afteryou, "hook")
		cmd.Env = append([]string{"HOME=" + home, "XDG_STATE_HOME=" + filepath.Join(home, "state")}, env...)
		cmd.Stdin = strings.NewReader(`{"hook_event_name":"SessionStart","session_id":"` + session + `"}`)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("hook: %v: %s", err, out)
		}
	}
	// The key stands in Claude Code's settings, which count before the environment.
	if err := os.Mkdir(filepath.Join(home, ".claude"), 0o700); err != nil {
		t.Fatal(err)
	}
	settings := `{"env":{"ANTHROPIC_API_KEY":"` + realclaude.Key + `"}}`
	if err := os.WriteFile(filepath.Join(home, ".claude", "settings.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := limits(t, home, []string{url, "ANTHROPIC_API_KEY=not-this-one"})
	if code != exitLimited || errs != "" || !regexp.MustCompile(`(?m)^limited    rate limit until .*, in 1m1[45]s; your sessions wait for it$`).MatchString(out) {
		t.Errorf("limits: exit %d, says %q and\n%s", code, errs, out)
	}
	store, err := lockfile.Open(filepath.Join(home, "state", "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := store.View()
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	cooling := func(session string) bool {
		return !v.State.Account(v.State.Sessions[session].Account).CoolsUntil(time.Now(), "").IsZero()
	}
	if !cooling("one") || cooling("other") {
		t.Errorf("cooling: the account's session %v, another's %v; want the first alone", cooling("one"), cooling("other"))
	}
	data, err := os.ReadFile(filepath.Join(home, "state", "afteryou", "state.json"))
	if err != nil || bytes.Contains(data, []byte(realclaude.Key)) {
		t.Errorf("the state holds the key: %v, %s", err, data)
	}
	var r standing
	out, _, code = limits(t, home, []string{url}, "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitLimited || r.Limited == nil || !r.Limited.Shared || r.Limited.Seconds < 70 || r.Limited.Until == nil {
		t.Errorf("limits --json: exit %d, %v:\n%s", code, err, out)
	}
}

func TestLimitsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	api, err := fakeapi.Start(fakeapi.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	for name, c := range map[string]struct {
		status int
		args   []string
		want   []string
	}{
		"a wrong key":   {401, nil, []string{"401 Unauthorized: invalid x-api-key", "hint: the key or token is not valid for " + api.URL()}},
		"no such model": {404, []string{"--model", "opus"}, []string{"404 Not Found: Not found", "hint: --model takes a name as the API knows it, such as claude-"}},
		"a broken API":  {500, nil, []string{"500 Internal Server Error: Internal server error"}},
	} {
		t.Run(name, func(t *testing.T) {
			api.SetAnswer(func(fakeapi.Request) fakeapi.Answer { return fakeapi.Answer{Status: c.status} })
			out, errs, code := limits(t, t.TempDir(), []string{"ANTHROPIC_API_KEY=" + realclaude.Key, "ANTHROPIC_BASE_URL=" + api.URL()}, c.args...)
			if code != exitFailure || out != "" || !strings.HasPrefix(errs, "afteryou: ") {
				t.Errorf("exit %d, says %q and %q", code, out, errs)
			}
			for _, w := range c.want {
				if !strings.Contains(errs, w) {
					t.Errorf("says %q, want %q", errs, w)
				}
			}
		})
	}
}

// What limits sends with the user's key is what the real Claude Code sends it as, and the account is the one that the real
// one's hooks name.
func TestRealLimitsAskAsTheSessionsDo(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(1)})
			// Only that credential, and from the user's settings, which Claude Code puts before its environment.
			s := m.session("one", "ANTHROPIC_API_KEY=", "ANTHROPIC_CUSTOM_HEADERS=X-One: a: b\nX-Two:c")
			dir := filepath.Join(m.dir, "one", ".claude")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			settings := `{"env":{"` + name + `":"` + realclaude.Key + `"}}`
			if err := os.WriteFile(filepath.Join(dir, "settings.json"), []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			m.print(s)
			m.api.SetAnswer(func(fakeapi.Request) fakeapi.Answer { return fakeapi.RateLimited(75 * time.Second) })
			cmd := exec.Command(afteryou, "limits")
			cmd.Env = s.Env
			if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != exitLimited {
				t.Fatalf("limits: %v\n%s", err, out)
			}
			log := m.api.Log()
			real, ours := log[0], log[len(log)-1]
			for _, h := range []string{"X-Api-Key", "Authorization", "Anthropic-Version", "X-One", "X-Two", "Content-Type"} {
				if real.Header.Get(h) != ours.Header.Get(h) {
					t.Errorf("%s is %q, Claude Code's is %q", h, ours.Header.Get(h), real.Header.Get(h))
				}
			}
			if real.Path != ours.Path || !strings.Contains(real.Header.Get("Anthropic-Beta"), ours.Header.Get("Anthropic-Beta")) {
				t.Errorf("%s with %q, Claude Code's is %s with %q", ours.Path, ours.Header.Get("Anthropic-Beta"), real.Path, real.Header.Get("Anthropic-Beta"))
			}
			if r := m.status(); len(r.Pools) != 1 || r.Pools[0].CoolDown == nil {
				t.Errorf("the session's limit is another than the one asked for: %+v", r)
			}
		})
	}
}
