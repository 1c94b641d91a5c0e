package wrapper

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// These tests do at a real terminal what a person does at a shell: ^Z, fg, bg and &. Three processes and a monitor take
// part:
//
//   - shellRole, the session's leader, whose controlling terminal is the screen's. It starts the job in a process group of
//     its own, waits for it with WUNTRACED, and takes and gives the terminal as a shell does. Without it the job's process
//     group would be orphaned, and the kernel would not stop it.
//   - wrapRole, the job: what the shell must see stop, with the signal that stopped the program.
//   - stopsRole, the program, on the inner pty. It says past both terminals what happens to it.
type job struct {
	*screen
	orders *os.File
	before unix.Termios
}

// newJob starts argv as a job, in the foreground ("fg") or not ("bg").
func newJob(t *testing.T, ground string, argv ...string) *job {
	t.Helper()
	j := &job{screen: newScreen(t)}
	j.before = odd(t, j.screen)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	j.orders = w
	t.Cleanup(func() { w.Close() })
	j.start(append(append(as("shell"), ground), argv...), r)
	r.Close()
	go j.read()
	return j
}

func wrappedStops(steps ...string) []string { return as("wrap", as("stops", steps...)...) }

func (j *job) tell(order string) {
	j.t.Helper()
	if _, err := fmt.Fprintln(j.orders, order); err != nil {
		j.t.Fatal(err)
	}
}

func (j *job) want(line string) {
	j.t.Helper()
	if got := j.said(); got != line {
		j.t.Fatalf("got %q, want %q", got, line)
	}
}

// foreground is the shell's fg.
func (j *job) foreground() {
	j.t.Helper()
	j.tell("terminal")
	j.want("terminal <nil>")
	j.tell("continue")
}

// raw waits until the terminal is in the wrapper's hands.
func (j *job) raw() {
	j.t.Helper()
	eventually(j.t, "the terminal is raw", func() bool { return settings(j.t, j.screen).Lflag&unix.ICANON == 0 })
}

// cooked checks that the shell found the terminal as it was.
func (j *job) cooked() {
	j.t.Helper()
	if got := settings(j.t, j.screen); got != j.before {
		j.t.Errorf("settings: got %+v, want %+v", got, j.before)
	}
}

func TestStopAndForeground(t *testing.T) {
	// The plan, for each way to stop:
	//  1. The shell starts the job in the foreground. The program says that it is there.
	//  2. The program is stopped: ^Z is typed, or it stops itself.
	//  3. The shell sees its job stop by the same signal, and finds the terminal with the settings it had.
	//  4. A line is typed. The shell reads it; the wrapper, though it has the terminal open, does not.
	//  5. The window changes its size.
	//  6. The shell gives the terminal to the job and continues it (fg).
	//  7. The program gets SIGCONT, and finds the new size.
	//  8. A line is typed. The program reads it.
	//  9. All over again, from 2.
	// 10. The program ends, the shell sees its exit code, and the terminal has its settings.
	cases := []struct {
		name string
		step string // of the program
		keys string
		sig  syscall.Signal
	}{
		{"^Z in cooked mode", "line", "\x1a", syscall.SIGTSTP},
		{"the program sends itself SIGTSTP", "kill=20", "", syscall.SIGTSTP},
		{"the program sends itself SIGSTOP", "kill=19", "", syscall.SIGSTOP},
		{"the program sends its group SIGTSTP", "killgroup=20", "", syscall.SIGTSTP},
		{"the program sends its group SIGSTOP", "killgroup=19", "", syscall.SIGSTOP},
	}
	for _, c := range cases {
		c.step = strings.NewReplacer("20", fmt.Sprint(int(syscall.SIGTSTP)), "19", fmt.Sprint(int(syscall.SIGSTOP))).Replace(c.step)
		t.Run(c.name, func(t *testing.T) {
			round := []string{"say=ready", c.step, "cont", "size", "line"}
			j := newJob(t, "fg", wrappedStops(append(round, round...)...)...) // 1
			for rows := uint16(50); rows < 52; rows++ {
				j.want("ready")
				j.typeKeys(c.keys) // 2
				j.tell("wait")
				j.want(fmt.Sprintf("stopped %d", c.sig)) // 3
				j.cooked()
				j.tell("read") // 4
				j.typeKeys("fg\r")
				j.want(`shell read "fg\n" <nil>`)
				if err := unix.IoctlSetWinsize(j.fd(), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: 80}); err != nil { // 5
					t.Fatal(err)
				}
				j.foreground() // 6
				if c.keys == "" {
					j.want("continued") // 7
				} else {
					j.raw()
					j.typeKeys("first\r") // the read that ^Z stopped goes on
					j.want("line first")
					j.want("continued")
				}
				j.want(fmt.Sprintf("size %d", rows))
				j.typeKeys("second\r") // 8
				j.want("line second")
			} // 9
			j.tell("wait")
			j.want("ended 5") // 10
			j.cooked()
		})
	}
}

// A script in the job's group stops with it, or the shell would never see the job stop.
func TestStopInsideAScript(t *testing.T) {
	j := newJob(t, "fg", append([]string{"sh", "-c", `"$@"; exit $?`, "sh"}, wrappedStops("say=ready", "line")...)...)
	j.want("ready")
	j.typeKeys("\x1a")
	j.tell("wait")
	j.want(fmt.Sprintf("stopped %d", syscall.SIGTSTP))
	j.foreground()
	j.typeKeys("x\r")
	j.want("line x")
	j.tell("wait")
	j.want("ended 5")
}

// What a program prints before it stops itself is shown before the shell goes on.
func TestOutputBeforeAStopIsShown(t *testing.T) {
	text := strings.Repeat("has been suspended ", 500)
	j := newJob(t, "fg", wrappedStops("print="+text, fmt.Sprintf("kill=%d", syscall.SIGSTOP), "cont")...)
	j.tell("wait")
	j.want(fmt.Sprintf("stopped %d", syscall.SIGSTOP))
	j.expect(text) // the wrapper is stopped: nobody can still write it
	j.foreground()
	j.want("continued")
	j.tell("wait")
	j.want("ended 5")
}

// bg: a stopped program that asks nothing of the terminal goes on behind the shell's back.
func TestBackground(t *testing.T) {
	j := newJob(t, "fg", wrappedStops("say=ready", fmt.Sprintf("kill=%d", syscall.SIGTSTP), "cont", "print=hello", "line")...)
	j.want("ready")
	j.tell("wait")
	j.want(fmt.Sprintf("stopped %d", syscall.SIGTSTP))
	j.tell("continue") // bg
	j.want("continued")
	j.expect("hello")
	j.cooked()
	j.tell("wait") // it reads
	j.want(fmt.Sprintf("stopped %d", syscall.SIGTTIN))
	j.cooked()
	j.foreground()
	j.typeKeys("x\r")
	j.want("line x")
	j.tell("wait")
	j.want("ended 5")
	j.cooked()
}

func TestStartInTheBackground(t *testing.T) {
	t.Run("a program that asks nothing of the terminal", func(t *testing.T) {
		j := newJob(t, "bg", wrappedStops("print=hello")...)
		j.tell("wait")
		j.want("ended 5")
		j.expect("hello")
		j.cooked()
	})
	for step, sig := range map[string]syscall.Signal{"raw": syscall.SIGTTOU, "size": syscall.SIGTTIN} {
		t.Run("a program stopped by "+sig.String(), func(t *testing.T) {
			j := newJob(t, "bg", wrappedStops(step, "key")...)
			if step == "size" {
				j.want("size 0")
			}
			j.tell("wait")
			j.want(fmt.Sprintf("stopped %d", sig))
			j.cooked()
			j.foreground()
			j.raw()
			j.typeKeys("x\r")
			j.want("key 78 <nil>")
			j.tell("wait")
			j.want("ended 5")
			j.cooked()
		})
	}
	t.Run("and brought to the foreground without a SIGCONT, because it runs", func(t *testing.T) {
		j := newJob(t, "bg", wrappedStops("say=ready", "usr1", "line")...)
		j.want("ready")
		j.tell("terminal")
		j.want("terminal <nil>")
		j.tell(fmt.Sprintf("signal %d", syscall.SIGUSR1))
		j.want("signal <nil>")
		j.typeKeys("x\r")
		j.want("line x")
		j.tell("wait")
		j.want("ended 5")
		j.cooked()
	})
}

// Somebody stops us, not the program, and gives us no chance to restore the terminal. A shell sets it for itself.
func TestWrapperIsStopped(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGTSTP} {
		j := newJob(t, "fg", wrappedStops("say=ready", "line", "cont", "line")...)
		j.want("ready")
		j.typeKeys("a\r")
		j.want("line a")
		j.tell(fmt.Sprintf("signal %d", sig))
		j.want("signal <nil>")
		j.tell("wait")
		j.want(fmt.Sprintf("stopped %d", sig))
		if err := setTermios(j.fd(), j.before); err != nil {
			t.Fatal(err)
		}
		j.foreground()
		j.want("continued")
		j.raw()
		j.typeKeys("b\r")
		j.want("line b")
		j.tell("wait")
		j.want("ended 5")
		j.cooked()
	}
}

// Without a shell nobody could continue the job: ^Z does not stop it, with or without us.
func TestStopWithoutAShell(t *testing.T) {
	s := wrapped(t, as("stops", "say=ready", "line", "say=still there")...)
	if got := s.said(); got != "ready" {
		t.Fatal(got)
	}
	s.typeKeys("\x1ax\r")
	for _, want := range []string{"line x", "still there"} {
		if got := s.said(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if code := s.exit(); code != 5 {
		t.Errorf("exit code: got %d, want 5", code)
	}
}

// The job's parent is gone, the shell has the terminal, and nobody will ever continue the job: what reads there, ends.
func TestReadInAnOrphanedBackground(t *testing.T) {
	for _, ground := range []string{"fg", "bg"} {
		j := newJob(t, ground, append([]string{"sh", "-c", `exec 9<&0; "$@" <&9 &`, "sh"}, wrappedStops("pid", "usr1", "key")...)...)
		var pid int
		if _, err := fmt.Sscan(j.said(), &pid); err != nil {
			t.Fatal(err)
		}
		j.tell("wait") // for sh; the terminal is the shell's
		j.want("ended 0")
		if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		// A shell sets the terminal as it likes; in raw mode there is no line to read.
		if err := setTermios(j.fd(), j.before); err != nil {
			t.Fatal(err)
		}
		if ground == "fg" {
			j.typeKeys("x\r") // started in the foreground it waits for a key to learn that the terminal is lost
		}
		// The monitor is its parent and waits for it: no zombie stays.
		eventually(t, "the program has ended", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
		if ground == "bg" {
			j.typeKeys("x\r")
		}
		j.tell("read") // nothing was taken from the shell
		got := j.said()
		if strings.HasPrefix(got, "key 00 ") { // its read failed before it died of the hang-up
			got = j.said()
		}
		if want := `shell read "x\n" <nil>`; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		j.orders.Close() // ends the shell
		j.gone()
	}
}

// The terminal is hung up while the job is stopped: nothing is left behind.
func TestHangUpWhileStopped(t *testing.T) {
	j := newJob(t, "fg", wrappedStops("say=ready", "line")...)
	j.want("ready")
	j.typeKeys("\x1a")
	j.tell("wait")
	j.want(fmt.Sprintf("stopped %d", syscall.SIGTSTP))
	j.master.Close()
	j.gone()
}

// kill %1: the shell sends SIGTERM to the stopped job, and SIGCONT so that it can die of it.
func TestKillWhileStopped(t *testing.T) {
	// cat, because a Go program may read in one thread, and be stopped for it, before another thread dies of SIGTERM.
	j := newJob(t, "fg", as("wrap", "cat")...)
	j.raw()
	j.typeKeys("there\r")
	j.expect("there\r\nthere\r\n")
	j.typeKeys("\x1a")
	j.tell("wait")
	j.want(fmt.Sprintf("stopped %d", syscall.SIGTSTP))
	j.tell(fmt.Sprintf("signal %d", syscall.SIGTERM))
	j.want("signal <nil>")
	j.tell("continue")
	j.tell("wait")
	j.want(fmt.Sprintf("died %d", syscall.SIGTERM))
	j.cooked()
}
