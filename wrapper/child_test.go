package wrapper

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// child starts argv beside a process of ours, on a terminal.
func child(t *testing.T, argv ...string) *screen {
	t.Helper()
	s := newScreen(t)
	s.start(append(as("child"), argv...))
	go s.read()
	return s
}

func TestChildEndsAsItsProgram(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 77": 77, "kill -TERM $$": -int(syscall.SIGTERM), "kill -KILL $$": -int(syscall.SIGKILL), "kill -QUIT $$": -int(syscall.SIGQUIT)} {
		if code := child(t, "sh", "-c", script).exit(); code != want {
			t.Errorf("%s: got %d, want %d", script, code, want)
		}
	}
	if code := child(t, "/nowhere/program").exit(); code == 0 {
		t.Error("a program that is not there: got 0")
	}
}

// Nothing stands between the program and the terminal.
func TestChildHasTheTerminal(t *testing.T) {
	s := newScreen(t)
	before := odd(t, s)
	s.start(append(as("child"), as("settings")...))
	go s.read()
	if got, want := s.said(), fmt.Sprintf("%+v <nil> nonblock false", before); got != want {
		t.Errorf("the program's settings: got %s, want %s", got, want)
	}
	if code := s.exit(); code != 0 {
		t.Errorf("got %d", code)
	}
}

// 1. Signals sent to us alone reach the program. 2. ^C and ^\ reach it once, though both of us get them.
func TestChildGetsEachSignalOnce(t *testing.T) {
	s := child(t, as("signals")...)
	if line := s.said(); !strings.HasPrefix(line, "ready ") {
		t.Fatal(line)
	}
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got, want := s.said(), strconv.Itoa(int(sig)); got != want {
			t.Errorf("sent %s, program got %s", want, got)
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGCONT} { // 1
		send(sig)
	}
	for keys, sig := range map[string]syscall.Signal{"\x03": syscall.SIGINT, "\x1c": syscall.SIGQUIT} { // 2
		s.typeKeys(keys)
		if got, want := s.said(), strconv.Itoa(int(sig)); got != want {
			t.Errorf("typed %q, program got %s, want %s", keys, got, want)
		}
		send(syscall.SIGUSR1) // a second one would come before
	}
	send(syscall.SIGTERM)
	if code := s.exit(); code != 0 {
		t.Errorf("exit code: got %d, want 0", code)
	}
}

// A program that was stopped alone and continued alone goes on with us, as without us: 1. The shell sees the job stop. 2. The
// program is continued, and so are we: a signal gets through. 3. fg works as ever.
func TestChildIsContinuedAlone(t *testing.T) {
	j := newJob(t, "fg", append(as("child"), as("stops", "pid", "cont", "usr1", "say=on", "line")...)...)
	var program int
	if _, err := fmt.Sscan(j.said(), &program); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		sig  syscall.Signal
		tell string
		says string
	}{
		{syscall.SIGSTOP, "wait", fmt.Sprintf("stopped %d", syscall.SIGSTOP)}, // 1
		{syscall.SIGCONT, "", "continued"},                                    // 2
	} {
		if err := syscall.Kill(program, step.sig); err != nil {
			t.Fatal(err)
		}
		if step.tell != "" {
			j.tell(step.tell)
		}
		j.want(step.says)
	}
	j.tell(fmt.Sprintf("signal %d", syscall.SIGUSR1))
	if a, b := j.said(), j.said(); min(a, b) != "on" || max(a, b) != "signal <nil>" { // of two processes
		t.Fatalf("got %q and %q, want the program to be on", a, b)
	}
	j.foreground() // 3
	j.typeKeys("first\r")
	j.want("line first")
	j.tell("wait")
	j.want("ended 5")
	j.cooked()
}

// However the program is stopped, the shell sees its job stop, and fg makes it go on.
func TestChildStopsAsAJob(t *testing.T) {
	for _, c := range []struct {
		name, step, keys string
		sig              syscall.Signal
	}{
		{"^Z", "say=on", "\x1a", syscall.SIGTSTP},
		{"the program stops itself alone", fmt.Sprintf("kill=%d", syscall.SIGTSTP), "", syscall.SIGSTOP},
		{"the program stops its group", fmt.Sprintf("killgroup=%d", syscall.SIGTSTP), "", syscall.SIGTSTP},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps := []string{"say=ready", c.step, "line", "line"}
			j := newJob(t, "fg", append(as("child"), as("stops", steps...)...)...)
			j.want("ready")
			if c.keys != "" {
				j.want("on")
				j.typeKeys(c.keys)
			}
			j.tell("wait")
			j.want(fmt.Sprintf("stopped %d", c.sig))
			j.foreground()
			j.typeKeys("first\r")
			j.want("line first")
			j.typeKeys("second\r")
			j.want("line second")
			j.tell("wait")
			j.want("ended 5")
			j.cooked()
		})
	}
}
