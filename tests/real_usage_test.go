package tests

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/usage"
)

// costs are other ones for each request.
func costs(r fakeapi.Request) fakeapi.Usage {
	return fakeapi.Usage{Input: 10 + r.Messages, CacheCreation: 500 + r.Results, CacheHour: 100 + r.Seq, CacheRead: 7000 + r.Prompts, Output: 3 + r.Seq}
}

// delegates answers as then does, but has a subagent do what is to be delegated.
func delegates(then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	return func(r fakeapi.Request) fakeapi.Answer {
		a := then(r)
		if r.Agent == "" && r.LastText == "delegate" {
			a = fakeapi.Say("done")
			if r.Since == 0 {
				a.Tools = []fakeapi.Tool{{Name: "Agent", Input: map[string]any{"description": "part", "prompt": "part",
					"subagent_type": "general-purpose", "run_in_background": false}}}
			}
		}
		a.Usage = costs(r)
		return a
	}
}

// counts sums up what the server counted, and the requests of each session.
func counts(log []fakeapi.Request) (sum usage.Sum, of map[string]int) {
	of = make(map[string]int)
	for _, r := range log {
		of[r.Session]++
		sum.Requests++
		sum.Input += r.Cost.Input
		sum.CacheWrite += r.Cost.CacheCreation
		sum.CacheRead += r.Cost.CacheRead
		sum.Output += r.Cost.Output
		sum.Counted += r.Cost.Input + r.Cost.CacheCreation
	}
	return sum, of
}

// runs is what the program says in an environment.
func runs(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), afteryou, args...)
	cmd.Env, cmd.Dir = env, dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v, %s", args, err, out)
	}
	return string(out)
}

// 1. Two sessions call, one of them through a subagent. 2. One goes on, and another is forked from it. The figures are
// those of the server's log: in all, and of each session.
func TestRealUsageIsWhatTheServerCounted(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Cost: costs, Answer: delegates(fakeapi.Agentic(2))})
	const id = "11111111-2222-4333-8444-555555555555"
	config := "CLAUDE_CONFIG_DIR=" + filepath.Join(m.dir, "config of claude")
	s := m.session("one", config)
	run := func(prompt string, args ...string) {
		t.Helper()
		if out := runs(t, s.Dir, s.Env, append([]string{"run", "--", "-p", "--permission-mode", "bypassPermissions", prompt}, args...)...); strings.TrimSpace(out) != "done" {
			t.Fatalf("%s %q says %q", prompt, args, out)
		}
	}
	run("delegate") // 1
	run("hello", "--session-id", id)
	run("again", "--resume", id) // 2
	run("fork", "--resume", id, "--fork-session")
	want, of := counts(m.api.Log())
	if len(of) != 3 || want.Requests != 2+2+3*2 {
		t.Fatalf("%d requests of %v, want 10 of three sessions", want.Requests, of)
	}
	ask := func(args ...string) string {
		return runs(t, m.dir, []string{"HOME=" + m.dir, config}, append([]string{"usage"}, args...)...)
	}
	var r usage.Report
	// The last rows are written a moment after the end.
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		r = usage.Report{}
		if err := json.Unmarshal([]byte(ask("--json")), &r); err != nil {
			t.Fatal(err)
		}
		want.USD = r.Total.USD // see TestRealCostIsClaudeCodes
		if r.Total == want || time.Now().After(deadline) {
			break
		}
	}
	if r.Total != want || r.LastHour != want || r.Unattended == 0 {
		t.Errorf("total %+v, want %+v; %+v", r.Total, want, r)
	}
	if len(r.Sessions) != len(of) {
		t.Errorf("%d sessions, want %d", len(r.Sessions), len(of))
	}
	for _, s := range r.Sessions {
		if s.Requests != of[s.ID] || !s.Unattended || s.Dir == "" {
			t.Errorf("%+v, want %d requests of -p", s, of[s.ID])
		}
	}
	text := ask()
	for _, part := range []string{fmt.Sprintf(" %d  $", want.CacheRead), "11111111 ", " (-p)", "cache reads are free"} {
		if !strings.Contains(text, part) {
			t.Errorf("usage does not show %q:\n%s", part, text)
		}
	}
}

// What a session cost is what Claude Code says of it, subagents included: by the list's prices, which are also those of 2.1.332.
func TestRealCostIsClaudeCodes(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Cost: costs, Answer: delegates(fakeapi.Agentic(2))})
	for _, model := range []string{"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2", "claude-opus-4-8"} {
		config := "CLAUDE_CONFIG_DIR=" + filepath.Join(m.dir, "config of "+model)
		s := m.session(model, config)
		var claudes struct {
			USD float64 `json:"total_cost_usd"`
		}
		out := runs(t, s.Dir, s.Env, "run", "--", "-p", "--permission-mode", "bypassPermissions", "--output-format", "json", "--model", model, "delegate")
		if err := json.Unmarshal([]byte(out), &claudes); err != nil || claudes.USD == 0 {
			t.Fatalf("%v: %s", err, out)
		}
		var r usage.Report
		for deadline := time.Now().Add(patience); r.Total.Requests < 4 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			r = usage.Report{}
			if err := json.Unmarshal([]byte(runs(t, m.dir, []string{"HOME=" + m.dir, config}, "usage", "--json")), &r); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: Claude Code says $%.6f, usage $%.6f", model, claudes.USD, float64(r.Total.USD))
		if off := float64(r.Total.USD) - claudes.USD; off < -2e-6 || off > 2e-6 || r.Total.Unpriced > 0 {
			t.Errorf("%s: %+v cost $%.6f, Claude Code says $%.6f", model, r.Total, float64(r.Total.USD), claudes.USD)
		}
	}
}
