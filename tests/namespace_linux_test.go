package tests

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crossing is a person some of whose sessions may be in a container that shares the state directory.
type crossing struct{ *person }

// prompts starts the hook of a session that asks for a turn. Outside, the test is all sessions' Claude Code; within a
// command, the shell is.
func (c crossing) prompts(session string, within ...string) *exec.Cmd {
	c.t.Helper()
	args := slices.Concat(within, []string{"sh", "-c", `CLAUDE_PID=${OUTSIDE:-$$} "$0" hook; exit $?`, afteryou})
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = c.env
	if within == nil {
		cmd.Env = append(c.env, "OUTSIDE="+strconv.Itoa(os.Getpid()))
	}
	cmd.Stdin = strings.NewReader(eventOf("UserPromptSubmit", session, "/nowhere"))
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// line is who has turns and who waits.
func (c crossing) line() string {
	c.t.Helper()
	var turns, waiting []string
	for _, p := range c.status().Pools {
		for _, one := range p.Turns {
			turns = append(turns, one.Session)
		}
		for _, one := range p.Waiting {
			waiting = append(waiting, one.Session)
		}
	}
	return strings.Join(turns, " ") + " | " + strings.Join(waiting, " ")
}

// stands waits for a line.
func (c crossing) stands(line string) {
	c.t.Helper()
	c.until("the line "+line, func() bool { return c.line() == line })
}

// replaced counts how often the state is replaced while time passes.
func (c crossing) replaced(d time.Duration) (n int) {
	c.t.Helper()
	last := uint64(0)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		fi, err := os.Stat(c.path(".local/state/afteryou/state.json"))
		if err != nil {
			c.t.Fatal(err)
		}
		if inode := fi.Sys().(*syscall.Stat_t).Ino; inode != last {
			n, last = n+1, inode
		}
	}
	return n
}

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
			c := crossing{newSomeone(t, "", "AFTERYOU_TURNS=strict")}
			if err := c.prompts("first").Wait(); err != nil { // 1
				t.Fatal(err)
			}
			second := c.prompts("second") // 2
			c.stands("first | second")
			third := c.prompts("third", unshare...)
			c.stands("first | second third")

			if n := c.replaced(2 * time.Second); n >= 20 { // 3
				t.Errorf("the state is replaced %d times in 2 s while nothing happens", n)
			}
			if line := c.line(); line != "first | second third" {
				t.Errorf("then the line is %s", line)
			}

			c.hooked(eventOf("Stop", "first", "/nowhere")) // 4
			if err := second.Wait(); err != nil {
				t.Error(err)
			}
			c.stands("second | third")
			c.hooked(eventOf("Stop", "second", "/nowhere"))
			if err := third.Wait(); err != nil {
				t.Error(err)
			}
			// Its container is gone with it, and nobody outside can tell.
			c.stands("third | ")
		})
	}
}
