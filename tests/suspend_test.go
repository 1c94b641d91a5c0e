package tests

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A machine that sleeps stops its processes, and the wall clock goes on: whoever waited for what is over by then goes on
// at once.
func TestWaitersGoOnAfterASleep(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		event string
		args  []string
		code  int
	}{
		{"UserPromptSubmit", nil, 0},
		{"StopFailure", []string{"wake"}, exitWake},
	} {
		t.Run(tt.event, func(t *testing.T) {
			t.Parallel()
			p := newSomeone(t, "")
			transcript := p.rejected("s")
			p.hooked(eventOf("SessionStart", "s", transcript))
			until := p.cool("s", 3*time.Second)
			cmd := p.hooking(eventOf(tt.event, "s", transcript), tt.args...)
			p.until("it to wait", func() bool {
				r := p.status()
				return len(r.Pools) == 1 && len(r.Pools[0].Waiting)+len(r.Pools[0].Stopped) == 1
			})
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(until.Add(time.Second)))
			woke := time.Now()
			if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
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
