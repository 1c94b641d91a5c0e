package wrapper

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"afteryou/internal/guard"
)

// The monitor and its parent, the session, talk over two pipes: orders go down, reports come up. All messages are of one
// size and shorter than what a pipe takes in one piece.
type message struct {
	Kind  byte
	Value int32
}

const (
	// Orders.
	orderForeground = 'f' // the program may use the pty
	orderBackground = 'b' // it may not: it is stopped if it reads
	orderSignal     = 's' // Value is sent to the program
	orderGroup      = 'g' // Value is sent to its process group
	orderGuard      = 'r' // two termios follow: if we are lost without a word, and the terminal stands at the second, set the first
	orderCooked     = 'c' // nothing to guard any more

	// Reports.
	reportStarted = 'p' // Value is the program's pid
	reportFailed  = 'e' // Value is the errno
	reportStopped = 't' // Value is the signal
	reportExited  = 'x' // Value is the code; nothing follows
	reportKilled  = 'k' // Value is the signal; nothing follows
)

const monitorName = "afteryou: monitor" // argv[0]

// monitorArgs are the monitor's arguments; the program's own follow.
type monitorArgs struct {
	orders, reports, terminal int // descriptors
	foreground                bool
	path, dir                 string
}

func (a monitorArgs) list(args []string) []string {
	return append([]string{monitorName, strconv.Itoa(a.orders), strconv.Itoa(a.reports), strconv.Itoa(a.terminal),
		strconv.FormatBool(a.foreground), a.path, a.dir}, args...)
}

func parseMonitorArgs(list []string) (a monitorArgs, args []string, ok bool) {
	if len(list) < 7 || list[0] != monitorName {
		return a, nil, false
	}
	var err [4]error
	a.orders, err[0] = strconv.Atoi(list[1])
	a.reports, err[1] = strconv.Atoi(list[2])
	a.terminal, err[2] = strconv.Atoi(list[3])
	a.foreground, err[3] = strconv.ParseBool(list[4])
	a.path, a.dir = list[5], list[6]
	return a, list[7:], errors.Join(err[:]...) == nil
}

// Monitor does the work of the processes that Start and Child put beside us, which are this executable again. It must be the
// first call of main, and of TestMain where tests call Start or Child. In them it blocks until their work is done and
// returns true, and main must return. In any other process it returns false at once.
//
// Start's leads the program's session, is its parent as a shell would be, tells when it stops and ends, and passes
// signals on. It ends when the program has ended and we have closed the orders or are gone. If we are gone without having
// said so, by SIGKILL or a throw of the Go runtime, it restores the user's terminal and hangs up the program.
func Monitor() bool {
	if len(os.Args) == 2 && os.Args[0] == wakerName {
		pid, err := strconv.Atoi(os.Args[1])
		if err == nil {
			waker(pid)
		}
		return err == nil
	}
	a, args, ok := parseMonitorArgs(os.Args)
	if !ok {
		return false
	}
	for _, fd := range []int{a.orders, a.reports, a.terminal} {
		unix.CloseOnExec(fd)
	}
	m := &monitor{
		orders:   os.NewFile(uintptr(a.orders), "orders"),
		reports:  os.NewFile(uintptr(a.reports), "reports"),
		terminal: a.terminal,
	}
	m.run(a, args)
	return true
}

type monitor struct {
	orders, reports *os.File
	terminal        int // the user's; ours is descriptor 0

	pid   int
	ended atomic.Bool // the program was reaped: its pid may be anybody's
}

func (m *monitor) run(a monitorArgs, args []string) {
	// The pty's hang-up comes to us as the leader of its session. We outlive it to report the end; the program is told by
	// an order or by listen. Whoever ignored SIGHUP when we were started (nohup) has it ignored in the program too.
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	pid, err := syscall.ForkExec(a.path, args, &syscall.ProcAttr{
		Dir: a.dir, Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setpgid: true, Foreground: a.foreground, Ctty: 0},
	})
	if err != nil {
		errno, _ := err.(syscall.Errno) // ForkExec returns nothing else once it has forked; 0 says unknown
		m.report(reportFailed, int(errno))
		return
	}
	m.pid = pid
	// Only now: what is ignored before a start stays ignored in the program.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	m.report(reportStarted, pid)

	listened := make(chan struct{})
	guard.Go(func() {
		defer close(listened)
		m.listen()
	}, func(string) {}) // nobody listens to us any more; the program is waited for all the same
	m.wait()
	<-listened
}

// wait reports the program's stops, and returns when it has ended.
func (m *monitor) wait() {
	for {
		var ws syscall.WaitStatus
		_, err := syscall.Wait4(m.pid, &ws, syscall.WUNTRACED, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // it is no child of ours: impossible
			m.ended.Store(true)
			m.report(reportExited, 255)
			return
		case ws.Stopped():
			sig := ws.StopSignal()
			if !m.report(reportStopped, int(sig)) && sig != syscall.SIGSTOP {
				m.signal(-m.pid, syscall.SIGCONT) // nobody else will, and without us the kernel would not have stopped it
			}
		default:
			// Between the kernel's reaping and this line a signal could reach a stranger who got the same pid: the
			// numbers would have to go round once within microseconds.
			m.ended.Store(true)
			// The end of a session's leader, soon ours, sends SIGHUP to the foreground group. What the program left
			// running in its group must not get it: run directly it would not.
			_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, unix.Getpgrp()) // fails only if the pty is hung up
			if ws.Signaled() {
				m.report(reportKilled, int(ws.Signal()))
			} else {
				m.report(reportExited, ws.ExitStatus())
			}
			return
		}
	}
}

// listen carries out orders until there can be no more.
func (m *monitor) listen() {
	var terminal struct{ User, Raw unix.Termios }
	guarded := false
	for {
		var o message
		if err := binary.Read(m.orders, binary.LittleEndian, &o); err != nil {
			break
		}
		switch o.Kind {
		case orderForeground:
			_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, m.pid) // fails only if the pty is hung up or the group gone
		case orderBackground:
			_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, unix.Getpgrp()) // the same
		case orderSignal:
			m.signal(m.pid, syscall.Signal(o.Value))
		case orderGroup:
			m.signal(-m.pid, syscall.Signal(o.Value))
		case orderGuard:
			guarded = binary.Read(m.orders, binary.LittleEndian, &terminal) == nil
		case orderCooked:
			guarded = false
		}
	}
	if guarded {
		// We are not in the terminal's session, so setting it never stops us. If a shell has set it meanwhile, it is no
		// longer ours; the microseconds between the look and the deed are the price.
		if now, err := getTermios(m.terminal); err == nil && now == terminal.Raw {
			_ = setTermios(m.terminal, terminal.User) // nobody is left to tell
		}
	}
	unix.Close(m.terminal)
	m.signal(-m.pid, syscall.SIGHUP)
	m.signal(-m.pid, syscall.SIGCONT)
}

func (m *monitor) signal(pid int, sig syscall.Signal) {
	if !m.ended.Load() {
		_ = syscall.Kill(pid, sig) // it may have become a zombie this moment
	}
}

// report says whether there is still somebody who can be told.
func (m *monitor) report(kind byte, value int) bool {
	return binary.Write(m.reports, binary.LittleEndian, message{kind, int32(value)}) == nil
}

func writeMessages(w io.Writer, parts ...any) error {
	var b []byte
	for _, p := range parts {
		var err error
		if b, err = binary.Append(b, binary.LittleEndian, p); err != nil {
			return err
		}
	}
	_, err := w.Write(b)
	return err
}
