package wrapper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"afteryou/internal/guard"
)

// NotBegunError says why Start failed, with nothing started and the terminal as it was.
type NotBegunError struct{ error }

// Unwrap returns the reason.
func (e NotBegunError) Unwrap() error { return e.error }

// begin opens the pty and starts the program. On an error the terminal may be raw, and nothing else is left.
func (s *Session) begin(cmd Command) error {
	ptmx, tty, err := pty.Open()
	if err != nil {
		return fmt.Errorf("opening a pty: %w", err)
	}
	defer tty.Close()
	// Our own descriptor, because the Go runtime polls its own: it would be woken for every key in vain. Non-blocking, to
	// learn that there is nothing to read.
	s.master, err = unix.FcntlInt(ptmx.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	ptmx.Close()
	if err != nil {
		return fmt.Errorf("opening a pty: %w", err)
	}
	if err := s.start(cmd, tty); err != nil {
		unix.Close(s.master)
		return err
	}
	s.watch, s.keys = newSideCopy(s.options.Watch, s.options.Failed), newSideCopy(s.options.Keys, s.options.Failed)
	guard.Go(func() {
		defer close(s.outputDone)
		s.persist(s.copyOutput)
	}, s.options.Failed)
	if s.raw {
		s.order(orderGuard, 0, s.user, s.rawMode)
		s.startInput()
	}
	return nil
}

// start prepares both terminals and starts the monitor, which starts the program.
func (s *Session) start(cmd Command, tty *os.File) error {
	if err := unix.SetNonblock(s.master, true); err != nil {
		return fmt.Errorf("preparing the pty: %w", err)
	}
	// The program's side blocks: Fd sees to it.
	if err := setTermios(int(tty.Fd()), s.user); err != nil {
		return fmt.Errorf("preparing the pty: %w", err)
	}
	copySize(s.in, s.master)
	if foreground(s.in) {
		var err error
		if s.rawMode, err = makeRaw(s.in); err != nil {
			return fmt.Errorf("setting %s raw: %w", s.options.In.Name(), err)
		}
		s.raw = true
	} else {
		s.background = true
	}

	ordersR, orders, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("opening a pipe: %w", err)
	}
	defer ordersR.Close()
	reports, reportsW, err := os.Pipe()
	if err != nil {
		orders.Close()
		return fmt.Errorf("opening a pipe: %w", err)
	}
	defer reportsW.Close()
	stderr := tty
	if e := s.options.Err; e != nil {
		if fd, err := descriptor(e); err == nil && !sameTerminal(fd, s.in) {
			stderr = e
		}
	}
	if s.monitor, err = startMonitor(cmd, s.raw, tty, stderr, ordersR, reportsW, s.in); err == nil {
		reportsW.Close() // or the monitor's end would not be seen
		if s.pid, err = readStart(reports); err != nil {
			reap(s.monitor)
		}
	}
	if err != nil {
		orders.Close()
		reports.Close()
		return fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	s.orders = orders
	to := s.reports // supervise sets the field to nil
	guard.Go(func() {
		defer close(to)
		defer reports.Close()
		s.persist(func() { s.readReports(reports, to) })
	}, s.options.Failed)
	return nil
}

// startMonitor starts this executable again between us and the program, and returns its pid.
func startMonitor(cmd Command, fg bool, tty, stderr, orders, reports *os.File, terminal int) (pid int, err error) {
	self, err := executable()
	if err != nil {
		return 0, err
	}
	errFD, err := descriptor(stderr)
	if err != nil {
		return 0, err
	}
	files := []uintptr{tty.Fd(), tty.Fd(), uintptr(errFD)}
	// The program gets every other descriptor that it would get without us, under its number (think of <(…) in a shell).
	// The monitor's own three go into the gaps.
	slot := func(fd int) int {
		for inherited(len(files)) {
			files = append(files, uintptr(len(files)))
		}
		files = append(files, uintptr(fd))
		return len(files) - 1
	}
	a := monitorArgs{foreground: fg, path: cmd.Path, dir: cmd.Dir}
	a.orders, a.reports, a.terminal = slot(int(orders.Fd())), slot(int(reports.Fd())), slot(terminal)
	pid, err = syscall.ForkExec(self, a.list(cmd.Args), &syscall.ProcAttr{
		Env: cmd.env(), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0},
	})
	if err != nil {
		err = fmt.Errorf("starting %s between us and it: %w", self, err)
	}
	return pid, err
}

// inherited says whether a descriptor is passed on to programs we start.
func inherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

var errNoMonitor = errors.New("the monitor ended at once; main must call wrapper.Monitor first")

// readStart waits for the monitor's first report, and returns the program's pid.
func readStart(reports *os.File) (pid int, err error) {
	var r message
	if err := binary.Read(reports, binary.LittleEndian, &r); err != nil {
		return 0, errNoMonitor
	}
	if r.Kind != reportStarted {
		return 0, syscall.Errno(r.Value)
	}
	return int(r.Value), nil
}
