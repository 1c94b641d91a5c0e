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

// 1. Two sessions call, one of them through a subagent. 2. One goes on, and another is forked from it. The figures are
// those of the server's log: in all, and of each session.
func TestRealUsageIsWhatTheServerCounted(t *testing.T) {
	t.Parallel()
	usual := fakeapi.Agentic(2)
	m := newMachine(t, fakeapi.Config{
		Cost: func(r fakeapi.Request) fakeapi.Usage {
			return fakeapi.Usage{Input: 10 + r.Messages, CacheCreation: 500 + r.Results, CacheRead: 7000 + r.Prompts, Output: 3 + r.Seq}
		},
		Answer: func(r fakeapi.Request) fakeapi.Answer {
			a := usual(r)
			if r.Agent == "" && r.LastText == "delegate" {
				a = fakeapi.Say("done")
				if r.Since == 0 {
					a.Tools = []fakeapi.Tool{{Name: "Agent", Input: map[string]any{"description": "part", "prompt": "part",
						"subagent_type": "general-purpose", "run_in_background": false}}}
				}
			}
			a.Usage = fakeapi.Usage{Input: 10 + r.Messages, CacheCreation: 500 + r.Results, CacheRead: 7000 + r.Prompts, Output: 3 + r.Seq}
			return a
		},
	})
	const id = "11111111-2222-4333-8444-555555555555"
	config := "CLAUDE_CONFIG_DIR=" + filepath.Join(m.dir, "config of claude")
	s := m.session("one", config)
	run := func(prompt string, args ...string) {
		t.Helper()
		args = append([]string{"run", "--", "-p", "--permission-mode", "bypassPermissions", prompt}, args...)
		cmd := exec.CommandContext(t.Context(), afteryou, args...)
		cmd.Env, cmd.Dir = s.Env, s.Dir
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "done" {
			t.Fatalf("%v: %v, %s", args, err, out)
		}
	}
	run("delegate") // 1
	run("hello", "--session-id", id)
	run("again", "--resume", id) // 2
	run("fork", "--resume", id, "--fork-session")

	var want usage.Sum
	of := make(map[string]int)
	for _, r := range m.api.Log() {
		of[r.Session]++
		want.Requests++
		want.Input += r.Cost.Input
		want.CacheWrite += r.Cost.CacheCreation
		want.CacheRead += r.Cost.CacheRead
		want.Output += r.Cost.Output
		want.Counted += r.Cost.Input + r.Cost.CacheCreation
	}
	if len(of) != 3 || want.Requests != 2+2+3*2 {
		t.Fatalf("%d requests of %v, want 10 of three sessions", want.Requests, of)
	}
	ask := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(afteryou, append([]string{"usage"}, args...)...)
		cmd.Env = []string{"HOME=" + m.dir, config}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("usage %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	var r usage.Report
	// The last rows are written a moment after the end.
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		r = usage.Report{}
		if err := json.Unmarshal([]byte(ask("--json")), &r); err != nil {
			t.Fatal(err)
		}
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
	for _, part := range []string{fmt.Sprintf(" %d\n", want.CacheRead), "11111111 ", " (-p)", "cache reads are free"} {
		if !strings.Contains(text, part) {
			t.Errorf("usage does not show %q:\n%s", part, text)
		}
	}
}
