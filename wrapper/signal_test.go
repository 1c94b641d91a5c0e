package wrapper

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestExitStatus(t *testing.T) {
	s := newScreen(t)
	s.start(as("exits"))
	go s.read()
	for line := s.said(); line != "done"; line = s.said() {
		t.Error(line)
	}
	if code := s.exit(); code != 0 {
		t.Errorf("got %d: %s", code, s.all())
	}
}

func TestDeathBySignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV, syscall.SIGTERM, syscall.SIGABRT} {
		s := wrapped(t, "sh", "-c", fmt.Sprintf("kill -%d $$", sig))
		if code, want := s.exit(), -int(sig); code != want {
			t.Errorf("%v: got %d, want %d", sig, code, want)
		}
	}
}

// A script that runs us goes on after a SIGINT that only the program got, or got through us, as it does without us: also if
// ^C was typed before as a mere character.
func TestSIGINTOfTheProgramAloneLeavesTheScriptAlone(t *testing.T) {
	for name, c := range map[string]struct{ program, keys string }{
		"by itself":         {"kill -INT $$", ""},
		"through us":        {"kill -INT $(($(ps -o ppid= -p $PPID))); exec sleep 100", ""},
		"^C a character":    {"stty -isig; printf ready; read x; kill -INT $$", "\x03\r"},
		"another key typed": {"printf ready; read x; kill -INT $$", "x\r"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t)
			s.start(append([]string{"bash", "-c", `"$@"; echo "after $?"`, "bash"}, as("wrap", "sh", "-c", c.program)...))
			go s.read()
			if c.keys != "" {
				s.expect("ready")
				s.typeKeys(c.keys)
			}
			if code := s.exit(); code != 0 || !bytes.Contains(s.all(), []byte("after 130")) {
				t.Errorf("the script ends with %d and prints %q, want 0 and that it went on after 130", code, s.all())
			}
		})
	}
}

func TestSignalsReachTheProgram(t *testing.T) {
	s := wrapped(t, as("signals")...)
	if line := s.said(); !strings.HasPrefix(line, "ready ") {
		t.Fatal(line)
	}
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGCONT, syscall.SIGTERM} {
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got, want := s.said(), strconv.Itoa(int(sig)); got != want {
			t.Errorf("sent %s, program got %s", want, got)
		}
	}
	if code := s.exit(); code != 0 {
		t.Errorf("exit code: got %d, want 0", code)
	}
}

// A stream of ours that breaks off is none of the program's, behind the glass or beside us.
func TestSIGPIPEIsOurs(t *testing.T) {
	for _, role := range []string{"wrap", "child"} {
		s := newScreen(t)
		s.start(append(as(role), as("signals")...))
		go s.read()
		if line := s.said(); !strings.HasPrefix(line, "ready ") {
			t.Fatal(line)
		}
		for range 30 {
			for _, sig := range []syscall.Signal{syscall.SIGPIPE, syscall.SIGUSR1} {
				if err := s.cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := s.said(), strconv.Itoa(int(syscall.SIGUSR1)); got != want {
				t.Fatalf("%s: the program got signal %s, want %s", role, got, want)
			}
		}
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := s.exit(); code != 0 {
			t.Errorf("%s: exit code: got %d, want 0", role, code)
		}
	}
}

// Every signal that would kill us is the program's, kills it, and leaves the terminal as it was.
func TestTerminalIsRestoredAfterASignal(t *testing.T) {
	for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
		switch sig {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT,
			syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGPROF, syscall.SIGPIPE:
			continue // they don't kill, or have a test of their own, or are ours
		case 32, 33, 34: // the C library's and the Go runtime's
			continue
		}
		if unix.SignalName(sig) == "SIGINFO" || unix.SignalName(sig) == "SIGIO" && lastSignal == 31 {
			continue // ignored on macOS
		}
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := newScreen(t)
			before := odd(t, s)
			s.wrap("sh", "-c", "printf ready; exec sleep 1000")
			s.expect("ready")
			if err := s.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code, want := s.exit(), -int(sig); code != want {
				t.Errorf("exit code: got %d, want %d", code, want)
			}
			if after := settings(t, s); after != before {
				t.Errorf("settings: got %+v, want %+v", after, before)
			}
		})
	}
}

// odd gives the terminal settings that nobody would mistake for defaults.
func odd(t *testing.T, s *screen) unix.Termios {
	t.Helper()
	termios := settings(t, s)
	termios.Iflag |= unix.IXANY | unix.IXOFF
	termios.Lflag &^= unix.ECHOCTL
	termios.Cc[unix.VINTR] = 'k'
	termios.Cc[unix.VTIME] = 3
	if err := setTermios(s.fd(), termios); err != nil {
		t.Fatal(err)
	}
	return settings(t, s)
}

func TestProgramFindsTheTerminalsSettings(t *testing.T) {
	s := newScreen(t)
	before := odd(t, s)
	s.wrap(as("settings")...)
	if got, want := s.said(), fmt.Sprintf("%+v <nil> nonblock false", before); got != want {
		t.Errorf("the program's settings: got %s, want %s", got, want)
	}
	s.exit()
	if after := settings(t, s); after != before { // though the program left its own dirty
		t.Errorf("settings: got %+v, want %+v", after, before)
	}
}

// What the Go runtime throws can't be recovered.
func TestTerminalIsRestoredAfterARuntimeThrow(t *testing.T) {
	s := newScreen(t)
	before := odd(t, s)
	s.start(as("throw", as("hangup")...))
	go s.read()
	if code := s.exit(); code != 2 {
		t.Errorf("exit code: got %d, want the Go runtime's 2", code)
	}
	eventually(t, "settings restored", func() bool { return settings(t, s) == before })
	if got := s.said(); got != "hangup" {
		t.Errorf("the program got %q, want a hang-up", got)
	}
	s.gone()
}

func TestTerminalIsRestoredAfterSIGKILL(t *testing.T) {
	s := newScreen(t)
	before := odd(t, s)
	s.wrap(as("hangup")...)
	s.expect("ready")
	if now := settings(t, s); now == before {
		t.Error("the terminal is not raw")
	}
	_ = s.cmd.Process.Kill()
	eventually(t, "settings restored", func() bool { return settings(t, s) == before })
	if got := s.said(); got != "hangup" {
		t.Errorf("the program got %q, want a hang-up", got)
	}
	s.gone()
}

func TestAStopAfterSIGKILLHoldsNobody(t *testing.T) {
	s := wrapped(t, "sh", "-c", stopsAtHangUp)
	s.expect("ready")
	_ = s.cmd.Process.Kill()
	if got := s.said(); got != "ended" {
		t.Errorf("the program says %q, want that it ended", got)
	}
	s.gone()
}

// stopsAtHangUp is a program that is stopped before it ends of a hang-up. Without us the kernel would not have stopped it:
// it is nobody's job any more.
const stopsAtHangUp = "trap 'kill -TSTP $$; echo ended >&3; exit 9' HUP; printf ready; while :; do read x || sleep 0.01; done"

func TestHangUp(t *testing.T) {
	t.Run("the program is told and we end with its code", func(t *testing.T) {
		s := wrapped(t, as("hangup")...)
		s.expect("ready")
		s.master.Close()
		if got := s.said(); got != "hangup" {
			t.Errorf("the program got %q, want a hang-up", got)
		}
		if got := s.said(); got != "true" {
			t.Errorf("the program's input has ended: got %q", got)
		}
		if code := s.exit(); code != 23 {
			t.Errorf("exit code: got %d, want 23", code)
		}
		s.gone()
	})
	t.Run("while it prints", func(t *testing.T) {
		s := wrapped(t, "yes")
		s.expect("y\r\ny")
		s.master.Close()
		if code := s.exit(); code != -int(syscall.SIGHUP) && code != 1 { // yes may see the write fail first
			t.Errorf("exit code: got %d, want death by SIGHUP or 1", code)
		}
		s.gone()
	})
	t.Run("while it prints and nobody reads", func(t *testing.T) {
		s := newScreen(t)
		s.start(as("wrap", "yes"))
		eventually(t, "the terminal is full", func() bool {
			n, err := unix.IoctlGetInt(s.fd(), bytesWaitingRequest)
			return err == nil && n > 1000
		})
		s.master.Close()
		s.exit()
		s.gone()
	})
	t.Run("to a program that is stopped before it ends", func(t *testing.T) {
		s := wrapped(t, "sh", "-c", stopsAtHangUp)
		s.expect("ready")
		s.master.Close()
		if code := s.exit(); code != 9 {
			t.Errorf("exit code: got %d, want 9", code)
		}
		s.gone()
	})
	t.Run("to a program that ignores it", func(t *testing.T) {
		s := wrapped(t, "sh", "-c", "trap '' HUP; printf ready; while read x; do :; done; exit 9")
		s.expect("ready")
		s.master.Close()
		if code := s.exit(); code != 9 {
			t.Errorf("exit code: got %d, want 9", code)
		}
		s.gone()
	})
}

// Nobody reads the terminal. Who is told to end, ends all the same, and the terminal is left as it was: 1. It is filled before
// anybody starts. 2. The program prints, and says so past the terminal. 3. We are told to end, or the program kills itself.
// 4. All end.
func TestStalledTerminal(t *testing.T) {
	for _, c := range []struct {
		name, script string
		sig          syscall.Signal // to us; 0: none
		want         int
	}{
		{"a program that dies of the signal", "echo x; echo ready >&3; exec yes", syscall.SIGTERM, -int(syscall.SIGTERM)},
		{"a program that dies of a hang-up", "echo x; echo ready >&3; exec yes", syscall.SIGHUP, -int(syscall.SIGHUP)},
		{"a program that has a last word", "trap '' HUP; trap 'echo bye; exit 3' TERM; echo x; echo ready >&3; while :; do echo yyyyyyyyyyyyyyy; done", syscall.SIGTERM, 3},
		{"a program that ended before, or does so by itself", "trap '' TERM HUP; echo x; echo ready >&3; exit 4", syscall.SIGTERM, 4},
		{"a program that is killed", "echo x; echo ready >&3; kill -9 $$", 0, -int(syscall.SIGKILL)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScreen(t)
			before := odd(t, s)
			fill(t, s.tty) // 1
			s.start(as("wrap", "sh", "-c", c.script))
			if got := s.said(); got != "ready" { // 2
				t.Fatal(got)
			}
			if c.sig != 0 { // 3
				if err := s.cmd.Process.Signal(c.sig); err != nil {
					t.Fatal(err)
				}
			}
			if code := s.exit(); code != c.want { // 4
				t.Errorf("exit code: got %d, want %d", code, c.want)
			}
			if after := settings(t, s); after != before {
				t.Errorf("settings: got %+v, want %+v", after, before)
			}
			s.gone()
		})
	}
}

// fill writes to a terminal until it takes nothing more. The kernel moves what was written along, and then takes more; so it
// does without OPOST, as the terminal will be in raw mode.
func fill(t *testing.T, tty *os.File) {
	t.Helper()
	fd := int(tty.Fd())
	was, err := getTermios(fd)
	if err != nil {
		t.Fatal(err)
	}
	raw := was
	raw.Oflag &^= unix.OPOST
	if err := setTermios(fd, raw); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for full := 0; full < 100; {
		if _, err := unix.Write(fd, []byte{'x'}); err == unix.EAGAIN {
			full++
			time.Sleep(time.Millisecond)
		} else if err != nil {
			t.Fatal(err)
		} else {
			full = 0
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	if err := setTermios(fd, was); err != nil {
		t.Fatal(err)
	}
	switch n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0); {
	case err != nil:
		t.Fatal(err)
	case n != 0:
		fill(t, tty) // a busy machine's kernel had not moved all along yet
	}
}

// A terminal that is read loses nothing of what a program prints when it is told to end.
func TestLastWordsAreShown(t *testing.T) {
	const size = 1 << 20
	s := wrapped(t, append([]string{"sh", "-c", `trap '"$@"; exit 3' TERM; printf ready; while :; do sleep 0.01; done`, "sh"}, as("flood", fmt.Sprint(size))...)...)
	s.expect("ready")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	got := bytes.TrimPrefix(s.all(), []byte("ready"))
	if code := s.exit(); code != 3 || !bytes.Equal(got, random(size)) {
		t.Errorf("got %d and %d bytes, want 3 and the %d that were printed", code, len(got), size)
	}
}

// Somebody kills the process between us and the program.
func TestMonitorIsKilled(t *testing.T) {
	s := newScreen(t)
	before := odd(t, s)
	s.wrap(as("signals")...)
	var monitor, program int
	if _, err := fmt.Sscanf(s.said(), "ready %d %d", &monitor, &program); err != nil {
		t.Fatal(err)
	}
	// It outlives the hang-up, but not this test.
	t.Cleanup(func() { _ = syscall.Kill(program, syscall.SIGKILL) })
	if err := syscall.Kill(monitor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := s.exit(); code != 98 {
		t.Errorf("exit code: got %d, want an error", code)
	}
	if after := settings(t, s); after != before {
		t.Errorf("settings: got %+v, want %+v", after, before)
	}
	if got := s.said(); got != strconv.Itoa(int(syscall.SIGHUP)) {
		t.Errorf("the program got %s, want a hang-up", got)
	}
}
