package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// A machine that sleeps stops its processes, and the wall clock goes on: whoever waited for what is over by then goes on
// at once.
func TestWaitersGoOnAfterASleep(t *testing.T) {
	t.Parallel()
	const wait = 3 * time.Second
	for _, tt := range []struct {
		args  []string
		event string
		code  int
	}{
		{[]string{"hook"}, "UserPromptSubmit", 0},
		{[]string{"hook", "wake"}, "StopFailure", exitWake},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store, err := lockfile.Open(filepath.Join(dir, "afteryou"))
			if err != nil {
				t.Fatal(err)
			}
			env := []string{"HOME=" + dir, "XDG_STATE_HOME=" + dir, "CLAUDE_PID=" + strconv.Itoa(os.Getpid()), "CLAUDE_CODE_ENTRYPOINT=cli"}
			transcript := filepath.Join(dir, "s.jsonl")
			row := fmt.Sprintf(`{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":429,"timestamp":%q,"message":{"content":[{"type":"text","text":"API Error: Request rejected (429)"}]}}`, time.Now().UTC().Format(time.RFC3339Nano))
			if err := os.WriteFile(transcript, []byte(row+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			start := func(event string, args ...string) *exec.Cmd {
				cmd := exec.Command(afteryou, args...)
				cmd.Env = env
				cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"hook_event_name":%q,"session_id":"s","cwd":"/","transcript_path":%q}`, event, transcript))
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { cmd.Process.Kill() })
				return cmd
			}
			if err := start("SessionStart", "hook").Wait(); err != nil {
				t.Fatal(err)
			}
			var until time.Time
			v, err := store.Update(context.Background(), func(s *turn.State) error {
				until = time.Now().Add(wait)
				s.Pool(s.Sessions["s"].Pool).Limited(time.Now(), until, "rate limit")
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			cmd := start(tt.event, tt.args...)
			for waits := false; !waits; time.Sleep(10 * time.Millisecond) {
				v, err := store.View()
				if err != nil {
					t.Fatal(err)
				}
				v.Close()
				waits = !v.State.Sessions["s"].Stop.Since.IsZero()
				if time.Now().After(until.Add(patience)) {
					t.Fatal("it does not wait")
				}
			}
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(until.Add(time.Second)))
			woke := time.Now()
			if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("it ends with %d, want %d", code, tt.code)
			}
			// Not after what was left of the wait when the sleep began.
			if took := time.Since(woke); took > patience/2 {
				t.Errorf("it goes on %v after the machine woke", took)
			} else {
				t.Logf("it goes on %v after the machine woke", took.Round(time.Millisecond))
			}
		})
	}
}
