package wrapper

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOutputArrivesByteForByte(t *testing.T) {
	size := 100 << 20
	if testing.Short() {
		size = 10 << 20
	}
	s := wrapped(t, as("flood", fmt.Sprint(size))...)
	got := s.all()
	if code := s.exit(); code != 0 {
		t.Errorf("exit code: got %d, want 0", code)
	}
	if want := random(size); !bytes.Equal(got, want) {
		t.Errorf("output: got %d bytes, %x; want %d, %x", len(got), sum(got), len(want), sum(want))
	}
}

// The program ends while its last output is still on the way, more than a pty holds, and the terminal is read only then.
func TestOutputPendingAtTheEndIsShown(t *testing.T) {
	for size := 1; size < 100_000; size *= 7 {
		s := newScreen(t)
		s.start(as("wrap", as("flood", fmt.Sprint(size))...))
		if size < 2000 {
			s.exit() // all of it fits into the terminal
		}
		go s.read()
		if got := s.all(); !bytes.Equal(got, random(size)) {
			t.Errorf("%d bytes: got %d, not the same", size, len(got))
		}
	}
}

func TestEveryByteTypedArrives(t *testing.T) {
	s := wrapped(t, as("rawecho")...)
	s.expect("ready")
	var all []byte
	for b := range 256 {
		if b != 'Q' {
			all = append(all, byte(b))
		}
	}
	s.typeKeys(string(all))
	got := s.until("every byte's echo", func(shown []byte, _ bool) bool { return len(shown) >= len("ready")+len(all) })
	if got = got[len("ready"):]; !bytes.Equal(got, all) {
		t.Errorf("echo: got %x, want %x", got, all)
	}
	for _, b := range all { // and each alone
		s.typeKeys(string([]byte{b}))
		all = append(all, b)
		s.until(fmt.Sprintf("byte %#x", b), func(shown []byte, _ bool) bool {
			return bytes.Equal(shown[len("ready"):], all)
		})
	}
	s.typeKeys("Q")
	if code := s.exit(); code != 0 {
		t.Errorf("exit code: got %d, want 0", code)
	}
}

func TestALongPasteArrives(t *testing.T) {
	const size = 1 << 20
	s := wrapped(t, as("raw", fmt.Sprint(size))...)
	s.expect("ready")
	s.typeKeys(string(random(size)))
	if got, want := s.said(), fmt.Sprintf("%x", sum(random(size))); got != want {
		t.Errorf("sum of what was typed: got %s, want %s", got, want)
	}
	s.exit()
}

func TestKeysOfACookedProgram(t *testing.T) {
	cases := []struct {
		name, keys, want string
		code             int
	}{
		{"^C interrupts", "\x03", "ready^C", -int(syscall.SIGINT)},
		{"^\\ quits", "\x1c", "ready^\\", -int(syscall.SIGQUIT)},
		{"^D ends the input", "\x04", "ready", 0},
		{"a line is echoed, and its return becomes a newline", "ab\r\x04", "readyab\r\nab\r\n", 0},
		{"a key is rubbed out", "abc\x7f\r\x04", "readyabc\b \b\r\nab\r\n", 0},
		{"^V takes the sense from ^C", "\x16\x03\r\x04", "ready^\b^C\r\n\x03\r\n", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := wrapped(t, "sh", "-c", "printf ready; exec cat")
			s.expect("ready")
			if c.code != 0 {
				// sh would take it for its own end: let cat be there.
				s.typeKeys("there\r")
				s.expect("there\r\nthere\r\n")
			}
			s.typeKeys(c.keys)
			got := string(s.all())
			got = strings.Replace(got, "there\r\nthere\r\n", "", 1)
			if code := s.exit(); code != c.code {
				t.Errorf("exit code: got %d, want %d", code, c.code)
			}
			if got != c.want {
				t.Errorf("shown: got %q, want %q", got, c.want)
			}
		})
	}
}

// ^S stops a cooked program's output, for it has the terminal's settings; ^Q lets it go on.
func TestFlowControl(t *testing.T) {
	s := wrapped(t, as("stops", "line", "print=first", "line", "print=second")...)
	s.typeKeys("\r")
	s.expect("first")
	s.typeKeys("\x13")  // ^S
	s.typeKeys("key\r") // arrives, its echo does not
	if got := s.said(); got != "line " {
		t.Fatalf("got %q", got)
	}
	if got := s.said(); got != "line key" {
		t.Fatalf("typed while output is stopped: got %q", got)
	}
	if shown := s.until("anything", func([]byte, bool) bool { return true }); bytes.Contains(shown, []byte("second")) {
		t.Errorf("printed in spite of ^S: %q", shown)
	}
	s.typeKeys("\x11") // ^Q
	s.expect("second")
	s.exit()
}

// While the terminal takes no output the program waits, and what is typed arrives.
func TestKeysArriveWhileOutputIsBlocked(t *testing.T) {
	s := newScreen(t)
	s.start(as("wrap", as("blocked")...)) // and nobody reads
	if got := s.said(); got != "ready" {
		t.Fatal(got)
	}
	eventually(t, "the terminal is full", func() bool {
		n, err := unix.IoctlGetInt(s.fd(), bytesWaitingRequest)
		return err == nil && n > 1000
	})
	for _, key := range []string{"a", "\x03", "\x13"} {
		s.typeKeys(key)
		if got, want := s.said(), fmt.Sprintf("%q", key[0]); got != want {
			t.Errorf("typed %q: program got %s, want %s", key, got, want)
		}
	}
	go s.read()
	if got := s.said(); got != "printed <nil>" {
		t.Errorf("after the terminal was read: got %q", got)
	}
	if got := s.all(); len(got) != 1<<20 {
		t.Errorf("shown: got %d bytes, want %d", len(got), 1<<20)
	}
}

func TestTerminalSize(t *testing.T) {
	s := newScreen(t)
	set := func(rows, cols, x, y uint16) string {
		if err := unix.IoctlSetWinsize(s.fd(), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols, Xpixel: x, Ypixel: y}); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %d %d %d", rows, cols, x, y)
	}
	want := set(33, 101, 909, 660)
	s.wrap(as("size")...)
	if got := s.said(); got != want {
		t.Errorf("size at the start: got %s, want %s", got, want)
	}
	for _, want := range []string{set(34, 101, 909, 680), set(34, 101, 1818, 1360), set(7, 8, 9, 10)} {
		_ = want // several changes may be seen as one; the last must be seen
	}
	for got := ""; got != "7 8 9 10"; {
		got = s.said()
	}
	s.exit()
}

func TestTerminalSizeChangesOneByOne(t *testing.T) {
	s := wrapped(t, as("size")...)
	s.said()
	for rows := uint16(40); ; rows-- {
		if err := unix.IoctlSetWinsize(s.fd(), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: 2, Xpixel: 3, Ypixel: rows * 9}); err != nil {
			t.Fatal(err)
		}
		if got, want := s.said(), fmt.Sprintf("%d 2 3 %d", rows, rows*9); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if rows == 7 {
			break
		}
	}
	s.exit()
}

func TestAGrandchildHoldsTheTerminal(t *testing.T) {
	t.Run("and is silent", func(t *testing.T) {
		s := wrapped(t, "sh", "-c", "sleep 1000 & echo $! >&3; printf bye; exit 3")
		pid := s.said()
		t.Cleanup(func() { _ = exec.Command("kill", pid).Run() })
		if code := s.exit(); code != 3 {
			t.Errorf("exit code: got %d, want 3", code)
		}
		if got := string(s.all()); got != "bye" {
			t.Errorf("shown: got %q, want %q", got, "bye")
		}
		// Directly run it would outlive its parent as well.
		if err := exec.Command("kill", "-0", pid).Run(); err != nil {
			t.Errorf("the grandchild did not survive: %v", err)
		}
	})
	t.Run("and prints without end", func(t *testing.T) {
		s := wrapped(t, "sh", "-c", "yes & printf bye; exit 3")
		if code := s.exit(); code != 3 {
			t.Errorf("exit code: got %d, want 3", code)
		}
		s.expect("bye")
		s.gone() // the hang-up ends it
	})
}

func TestTypedText(t *testing.T) {
	s := newScreen(t)
	s.start(as("type", "héy\r", "sh", "-c", "echo pid $$ >&3; read x; echo got $x >&3"))
	go s.read()
	got := map[string]bool{}
	var pids []string
	for range 5 {
		line := s.said()
		if strings.HasPrefix(line, "pid ") {
			pids = append(pids, line)
		}
		got[line] = true
	}
	if len(pids) != 2 || pids[0] != pids[1] {
		t.Errorf("PID and the program's pid: got %v", pids)
	}
	for _, want := range []string{"typed <nil>", "got héy", "typed the program is ending"} {
		if !got[want] {
			t.Errorf("%q: not in %v", want, got)
		}
	}
	s.exit()
}

func TestCopies(t *testing.T) {
	t.Run("are complete", func(t *testing.T) {
		s := newScreen(t)
		s.start(append(append(as("watch"), "fast"), as("rawecho")...))
		go s.read()
		s.expect("ready")
		s.typeKeys("abc\x00\xff")
		s.expect("abc\x00\xff")
		s.typeKeys("Q")
		shown := s.all()
		if got, want := s.said(), fmt.Sprintf("0 %d %x %x", len(shown), sum(shown), "abc\x00\xffQ"); got != want {
			t.Errorf("lost, output and keys: got %s, want %s", got, want)
		}
	})
	t.Run("lose data rather than slow the program", func(t *testing.T) {
		const size = 5 << 20
		s := newScreen(t)
		s.start(append(append(as("watch"), "slow"), as("flood", fmt.Sprint(size))...))
		go s.read()
		if got := s.all(); !bytes.Equal(got, random(size)) {
			t.Errorf("shown: got %d bytes, want %d", len(got), size)
		}
		var lost, n int
		if _, err := fmt.Sscan(s.said(), &lost, &n); err != nil || lost == 0 || n == 0 || n > 2*copyLimit {
			t.Errorf("copy: lost %d times, got %d bytes (%v); want a loss told and at most %d", lost, n, err, 2*copyLimit)
		}
	})
}

// Descriptors that a shell passes to the program, as for <(…), arrive under their numbers and no others do, and so does
// a redirected standard error.
func TestDescriptorsArrive(t *testing.T) {
	run := func(role string) (shown, files string, open []string) {
		dir := t.TempDir()
		s := newScreen(t)
		s.start([]string{"bash", "-c", `exec 4>"$1"/4 9>"$1"/9 2>"$1"/2; shift; exec "$@"`, "bash", dir,
			"env", roleEnv + "=" + role, os.Args[0], "bash", "-c", "echo four >&4; echo nine >&9; echo two >&2; echo one; ls /dev/fd >&3; echo end >&3"})
		go s.read()
		for line := s.said(); line != "end"; line = s.said() {
			open = append(open, line)
		}
		for _, name := range []string{"2", "4", "9"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
			}
			files += string(text)
		}
		return string(s.all()), files, open
	}
	shown, files, open := run("wrap")
	directShown, directFiles, directOpen := run("exec")
	if want := "one\r\n"; shown != want || directShown != want {
		t.Errorf("shown: got %q, directly %q, want %q", shown, directShown, want)
	}
	if want := "two\nfour\nnine\n"; files != want || directFiles != want {
		t.Errorf("written to descriptors 2, 4 and 9: got %q, directly %q, want %q", files, directFiles, want)
	}
	if !slices.Equal(open, directOpen) {
		t.Errorf("descriptors of the program: got %v, directly %v", open, directOpen)
	}
}

// Limits, file mask, directory, environment and ignored signals are what the program would have without us.
func TestProgramInheritsTheRest(t *testing.T) {
	const show = `cd /; umask 027; trap "" INT HUP TSTP; ulimit -n 200; X=1 exec "$@"`
	const look = `ulimit -a; umask; pwd; echo $X; grep -E 'Sig(Blk|Ign)' /proc/self/status 2>/dev/null; echo end`
	run := func(role string) string {
		s := newScreen(t)
		s.start([]string{"bash", "-c", show, "bash", "env", roleEnv + "=" + role, os.Args[0], "bash", "-c", look})
		go s.read()
		return string(s.all())
	}
	if got, want := run("wrap"), run("exec"); got != want || !strings.HasSuffix(got, "end\r\n") {
		t.Errorf("the program found:\n%s\nwithout us:\n%s", got, want)
	}
}

func TestNoTerminal(t *testing.T) {
	a, b := newScreen(t), newScreen(t)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, o := range map[string]Options{
		"two terminals": {In: a.tty, Out: b.tty},
		"no input":      {In: file, Out: a.tty},
		"no output":     {In: a.tty, Out: file},
	} {
		if _, err := Run(command([]string{"true"}), o); err == nil || !strings.HasSuffix(err.Error(), "are not one terminal") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestProgramThatCannotStart(t *testing.T) {
	s := newScreen(t)
	before := settings(t, s)
	_, err := Run(Command{Path: "/nowhere/at all", Args: []string{"x"}}, Options{In: s.tty, Out: s.tty})
	if want := "starting /nowhere/at all: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if after := settings(t, s); after != before {
		t.Errorf("settings: got %+v, want %+v", after, before)
	}
}

func TestExec(t *testing.T) {
	argv := as("exec", "sh", "-c", `cat; echo $0 >&2; exit 7`)
	cmd := exec.Command(argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(random(1<<20)), &stderr
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("got %v", err)
	}
	if !bytes.Equal(out, random(1<<20)) || stderr.String() != "sh\n" {
		t.Errorf("got %d bytes, %q", len(out), &stderr)
	}
}

func settings(t testing.TB, s *screen) unix.Termios {
	t.Helper()
	termios, err := getTermios(s.fd())
	if err != nil {
		t.Fatal(err)
	}
	return termios
}
