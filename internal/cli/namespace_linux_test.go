package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/lockfile"
)

// A container shares the state directory, and can look at nobody outside, nor anybody at who is in it; with /proc of its own,
// or with that of the outside. 1. A session outside has the only turn. 2. One outside and one inside wait. 3. For two seconds
// both go on waiting, and hardly anything is written. 4. They have their turns in the order in which they came.
func TestTurnsAcrossPidNamespaces(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"a container":                       {"--mount-proc"},
		"a namespace without /proc":         {"--mount", "sh", "-c", `mount -t tmpfs none /proc && exec "$@"`, "sh"},
		"a namespace with the outer's proc": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unshare := append([]string{"unshare", "-pf", "--kill-child"}, args...)
			if out, err := exec.Command(unshare[0], append(unshare[1:], "true")...).CombinedOutput(); err != nil {
				t.Skipf("not tested: %s is not permitted: %s", strings.Join(unshare, " "), out)
			}
			dir := t.TempDir()
			env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_STATE_HOME=" + dir, "AFTERYOU_TURNS=strict"}
			start := func(event, session string, within ...string) *exec.Cmd {
				// Outside, the test is all sessions' Claude Code; within, the shell is.
				args := slices.Concat(within, []string{"sh", "-c", `CLAUDE_PID=${OUTSIDE:-$$} "$0" hook; exit $?`, afteryou})
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Env = env
				if within == nil {
					cmd.Env = append(env, "OUTSIDE="+strconv.Itoa(os.Getpid()))
				}
				cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"hook_event_name":%q,"session_id":%q,"cwd":"/","transcript_path":"/nowhere"}`, event, session))
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
				return cmd
			}
			give := func(session string) {
				t.Helper()
				if err := start("Stop", session).Wait(); err != nil {
					t.Fatal(err)
				}
			}
			store, err := lockfile.Open(filepath.Join(dir, "afteryou"))
			if err != nil {
				t.Fatal(err)
			}
			line := func() (turns, waiting string) {
				v, err := store.View()
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				for _, p := range v.State.Pools {
					for _, g := range p.Grants {
						turns += g.Session + " "
					}
					for _, q := range p.Queue {
						waiting += q.Session + " "
					}
				}
				return turns, waiting
			}
			until := func(wantTurns, wantWaiting string) {
				t.Helper()
				for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
					turns, waiting := line()
					if turns == wantTurns && waiting == wantWaiting {
						return
					}
					if time.Now().After(deadline) {
						t.Fatalf("%q have turns and %q wait; want %q and %q", turns, waiting, wantTurns, wantWaiting)
					}
				}
			}
			if err := start("UserPromptSubmit", "first").Wait(); err != nil {
				t.Fatal(err)
			}
			second := start("UserPromptSubmit", "second")
			until("first ", "second ")
			third := start("UserPromptSubmit", "third", unshare...)
			until("first ", "second third ")

			replaced, last := 0, uint64(0)
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				fi, err := os.Stat(filepath.Join(store.Dir(), "state.json"))
				if err != nil {
					t.Fatal(err)
				}
				if inode := fi.Sys().(*syscall.Stat_t).Ino; inode != last {
					replaced, last = replaced+1, inode
				}
			}
			if replaced >= 20 {
				t.Errorf("the state is replaced %d times in 2 s while nothing happens", replaced)
			}
			if turns, waiting := line(); turns != "first " || waiting != "second third " {
				t.Errorf("then %q have turns and %q wait", turns, waiting)
			}

			give("first")
			if err := second.Wait(); err != nil {
				t.Error(err)
			}
			until("second ", "third ")
			give("second")
			if err := third.Wait(); err != nil {
				t.Error(err)
			}
			// Its container is gone with it, and nobody outside can tell.
			until("third ", "")
		})
	}
}

// 1. A session has the turn. 2. The disk is full. 3. Its call is answered. 4. There is room again: whoever changes the state
// next gives the turn back.
func TestATurnIsGivenBackOnAFullDisk(t *testing.T) {
	t.Parallel()
	unshare := []string{"unshare", "-m"}
	if out, err := exec.Command(unshare[0], append(unshare[1:], "mount", "-t", "tmpfs", "none", "/mnt")...).CombinedOutput(); err != nil {
		t.Skipf("not tested: %s is not permitted: %s", strings.Join(unshare, " "), out)
	}
	cmd := exec.Command(unshare[0], append(unshare[1:], "sh", "-c", `
mount -t tmpfs -o size=64k none "$HOME" || exit
event() { echo '{"hook_event_name":"'$1'","session_id":"00000000-0000-4000-8000-00000000000'$2'","cwd":"/"}' | "$0" hook; }
event UserPromptSubmit 1
cat /dev/zero > "$HOME/fill" 2> "$HOME/none"
event Stop 1
rm "$HOME/fill"
event SessionStart 2
cat "$HOME/afteryou/state.json"`, afteryou)...)
	dir := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_STATE_HOME=" + dir, "CLAUDE_PID=" + strconv.Itoa(os.Getpid())}
	out, err := cmd.CombinedOutput()
	if state := string(out); err != nil || !strings.Contains(state, `"sessions"`) || strings.Contains(state, `"grants"`) {
		t.Errorf("the state is %s, %v; want nobody to have the turn", state, err)
	}
}
