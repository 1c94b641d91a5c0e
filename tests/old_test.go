package tests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// A version that is not supported runs as without us, in whatever way it is started; that is said once, and nothing is installed.
func TestRealUnsupportedVersionRunsPlain(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: prompted(agent(0))}, withModule)
	m.version("1.0.128")
	s := m.session("home")
	const said = "sessions of Claude Code 1.0.128 take no turns: it is older than 2.0.55 (12 months)\nhint: claude update\n"
	if r := m.print(s); r.Stderr != "afteryou: "+said {
		t.Errorf("run says %q", r.Stderr)
	}
	cmd := exec.Command(afteryou, "install", "hooks", "--yes")
	cmd.Env, cmd.Dir = s.Env, s.Dir
	if out, err := cmd.CombinedOutput(); err == nil || string(out) != "afteryou: writing hooks: "+said {
		t.Errorf("install ends with %v and says %q", err, out)
	}
	if _, err := os.Stat(filepath.Join(m.stateDir(), "state.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a state: %v", err)
	}
}

// Versions without exec form run hooks by a shell and do not say CLAUDE_PID. A shell that stays beside the hook (Debian's)
// must not be taken for the session: its turn would be over with the hook.
func TestRealOldSessionsTakeTurnsStrictly(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.0.76", "2.1.78"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, fakeapi.Config{Answer: prompted(agent(time.Second / 2))}, "AFTERYOU_TURNS=strict")
			var err error
			if m.claude, err = realclaude.Install(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for i := range 2 {
				wg.Go(func() { m.print(m.session(fmt.Sprint("session", i))) })
			}
			wg.Wait()
			log := slices.DeleteFunc(m.api.Log(), func(r fakeapi.Request) bool { return r.LastText == "Warmup" || r.Tools == 0 })
			if both := fakeapi.Overlapping(log); len(log) != 6 || len(both) != 0 {
				t.Errorf("%d calls of turns, want 6; %d of them overlap", len(log), len(both))
			}
		})
	}
}
