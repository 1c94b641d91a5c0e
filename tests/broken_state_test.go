package tests

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// 1. Something stands in the place of the state that can't be believed. 2. Whoever looks at it says so, and does not break down.
// 3. Each event of a session runs the hook, which exits 0 and says nothing that would stop the session. 4. The state is
// good, and what stood there is set aside.
func TestABrokenStateStopsNoSession(t *testing.T) {
	t.Parallel()
	text := func(content string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	for what, put := range map[string]func(path string) error{
		"a null session":     text(`{"version":2,"sessions":{"x":null}}`),
		"a null account":     text(`{"version":2,"accounts":{"x":null}}`),
		"a null call":        text(`{"version":2,"accounts":{"x":{"calls":[null]}}}`),
		"a count below none": text(`{"version":2,"accounts":{"x":{"classes":{"":{"cool":{"times":-1},"pace":{"window":-1}}}}}}`),
		"one of before":      text(`{"version":1,"pools":{"x":null}}`),
		"garbage":            text("\x00\xff"),
		"a directory":        func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":             func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link":             func(path string) error { return os.Symlink("/dev/zero", path) },
		"100 MB":             func(path string) error { return errors.Join(text("")(path), os.Truncate(path, 100<<20)) },
	} {
		t.Run(what, func(t *testing.T) {
			s := newSomeone(t, "2.1.330")
			dir := s.path(".local/state/afteryou")
			state := filepath.Join(dir, "state.json")
			spoil := func() {
				if err := errors.Join(os.MkdirAll(dir, 0o700), os.RemoveAll(state), put(state)); err != nil {
					t.Fatal(err)
				}
			}
			run := func(in string, args ...string) (out, errs string, code int) {
				cmd := exec.Command(afteryou, args...)
				var o, e strings.Builder
				cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.env, strings.NewReader(in), &o, &e
				if err := cmd.Run(); cmd.ProcessState == nil {
					t.Fatal(err)
				}
				return o.String(), e.String(), cmd.ProcessState.ExitCode()
			}
			spoil()
			for _, args := range [][]string{{"status"}, {"doctor"}, {"statusline"}} {
				_, errs, code := run(`{"session_id":"s"}`, args...)
				if strings.Contains(errs, "goroutine") || code > 1 {
					t.Errorf("%q: exit %d, %s", args, code, errs)
				}
			}
			for _, event := range []string{"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolBatch", "SubagentStart", "SubagentStop", "PreCompact", "PostCompact", "Stop", "StopFailure", "SessionEnd"} {
				spoil()
				in, err := json.Marshal(map[string]string{"hook_event_name": event, "session_id": "s", "agent_id": strings.TrimSuffix(strings.TrimPrefix(event, "Subagent"), event), "error": "rate_limit"})
				if err != nil {
					t.Fatal(err)
				}
				out, errs, code := run(string(in), "hook")
				if code != 0 || errs != "" || out != "" {
					t.Errorf("the hook of %s: exit %d, says %q and %q", event, code, out, errs)
				}
				if fi, err := os.Lstat(state); err != nil || !fi.Mode().IsRegular() || fi.Size() > 1<<20 {
					t.Errorf("after the hook of %s the state is %v, %v", event, fi, err)
				}
			}
			aside, _ := filepath.Glob(filepath.Join(dir, "state.corrupt-*"))
			if len(aside) != 3 {
				t.Errorf("set aside are %q, want the latest three", aside)
			}
		})
	}
}
