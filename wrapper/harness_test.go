package wrapper

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Nothing here is simulated: a test opens a pty and starts this test binary again on it, which wraps a program that is
// this test binary once more, or cat, sleep or sh. What a process is to be stands in roleEnv.
const roleEnv = "AFTERYOU_TEST_ROLE"

// deadline bounds every wait. It is no measure of speed: it only turns a hang into a failure.
const deadline = 100 * time.Second

func TestMain(m *testing.M) {
	if Monitor() {
		return
	}
	name := os.Getenv(roleEnv)
	if name == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0")               // or with -race each of a thousand processes takes a second to end
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // or under nohup no program here would mind a hang-up
		os.Exit(m.Run())
	}
	run, ok := role(name)
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		os.Exit(99)
	}
	os.Exit(run(os.Args[1:]))
}

// as is the command line of a program that is this binary in a role.
func as(role string, args ...string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append([]string{"env", roleEnv + "=" + role, self}, args...)
}

func command(argv []string) Command {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		panic(err)
	}
	return Command{Path: path, Args: argv}
}

// A screen is the far end of the terminal that the wrapper takes for the user's.
type screen struct {
	t      testing.TB
	master *os.File
	tty    *os.File // nil once the process on it was started
	cmd    *exec.Cmd
	waited bool
	toSide *bufio.Reader

	mu      sync.Mutex
	changed *sync.Cond
	shown   []byte
	ended   bool // nobody has the terminal open any more
}

func newScreen(t testing.TB) *screen {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	// pty.Open leaves it in blocking mode, in which Close would wait for a Read.
	fd, err := unix.FcntlInt(ptmx.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ptmx.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	s := &screen{t: t, master: master, tty: tty}
	s.changed = sync.NewCond(&s.mu)
	t.Cleanup(func() {
		s.master.Close() // hangs up whatever still runs
		if s.tty != nil {
			s.tty.Close()
		}
		if s.cmd != nil && !s.waited {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	return s
}

// start starts argv as the leader of a session on the terminal.
func (s *screen) start(argv []string, extra ...*os.File) {
	s.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.tty, s.tty, s.tty
	s.cmd.ExtraFiles = append([]*os.File{w}, extra...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	w.Close()
	s.tty.Close()
	s.tty = nil
	s.toSide = bufio.NewReader(r)
	s.t.Cleanup(func() { r.Close() })
}

// wrap starts argv behind the wrapper and collects what the terminal shows.
func (s *screen) wrap(argv ...string) *screen {
	s.t.Helper()
	s.start(as("wrap", argv...))
	go s.read()
	return s
}

func wrapped(t testing.TB, argv ...string) *screen {
	t.Helper()
	return newScreen(t).wrap(argv...)
}

func (s *screen) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.shown = append(s.shown, buf[:n]...)
		s.ended = err != nil
		s.changed.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// until waits until ok, called with what is shown so far, is true.
func (s *screen) until(what string, ok func(shown []byte, ended bool) bool) []byte {
	s.t.Helper()
	late := time.AfterFunc(deadline, func() { s.changed.Broadcast() })
	defer late.Stop()
	end := time.Now().Add(deadline)
	s.mu.Lock()
	defer s.mu.Unlock()
	for !ok(s.shown, s.ended) {
		if time.Now().After(end) {
			tail := s.shown
			if len(tail) > 2000 {
				tail = tail[len(tail)-2000:]
			}
			s.t.Fatalf("waiting for %s: got %q (%d bytes in all, terminal closed: %v)", what, tail, len(s.shown), s.ended)
		}
		s.changed.Wait()
	}
	return s.shown
}

func (s *screen) expect(text string) []byte {
	s.t.Helper()
	return s.until(fmt.Sprintf("%q", text), func(shown []byte, _ bool) bool { return bytes.Contains(shown, []byte(text)) })
}

// all is everything shown until the last process left the terminal.
func (s *screen) all() []byte {
	s.t.Helper()
	return s.until("the terminal's end", func(_ []byte, ended bool) bool { return ended })
}

func (s *screen) typeKeys(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatalf("typing %q: %v", keys, err)
	}
}

// said is the next line that came past the terminal.
func (s *screen) said() string {
	s.t.Helper()
	line, err := s.sideLine()
	if err != nil {
		s.t.Fatalf("reading past the terminal: %v", err)
	}
	return line
}

// gone waits until no process that could talk past the terminal is left: neither the wrapper, nor its monitor, nor the
// program or a child of it.
func (s *screen) gone() {
	s.t.Helper()
	for {
		line, err := s.sideLine()
		if err == io.EOF {
			return
		}
		if err != nil {
			s.t.Fatalf("waiting for all processes to end: %v", err)
		}
		s.t.Logf("said at last: %s", line)
	}
}

func (s *screen) sideLine() (string, error) {
	type result struct {
		line string
		err  error
	}
	c := make(chan result, 1)
	go func() {
		line, err := s.toSide.ReadString('\n')
		c <- result{strings.TrimSuffix(line, "\n"), err}
	}()
	select {
	case r := <-c:
		return r.line, r.err
	case <-time.After(deadline):
		return "", fmt.Errorf("nothing came")
	}
}

// exit waits for the wrapper's end and returns what its parent sees.
func (s *screen) exit() int {
	s.t.Helper()
	late := time.AfterFunc(deadline, func() {
		s.t.Logf("the wrapper does not end")
		_ = s.cmd.Process.Signal(syscall.SIGKILL)
	})
	defer late.Stop()
	s.waited = true
	_ = s.cmd.Wait() // an exit code other than 0 is no error here
	ws := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return -int(ws.Signal())
	}
	return ws.ExitStatus()
}

func (s *screen) fd() int {
	s.t.Helper()
	fd, err := descriptor(s.master)
	if err != nil {
		s.t.Fatal(err)
	}
	return fd
}

// eventually polls.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: still not", what)
		}
	}
}

// Run starts the program as Start does, blocks until it has ended, and returns how.
func Run(cmd Command, o Options) (Status, error) {
	s, err := Start(cmd, o)
	if err != nil {
		return Status{}, err
	}
	return s.Wait()
}
