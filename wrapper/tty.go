package wrapper

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// descriptor returns f's number, without what f.Fd would do to it: switch O_NONBLOCK off in the open file that we share
// with the shell and whoever else was started from it.
func descriptor(f *os.File) (int, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	err = c.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// sameTerminal says whether two descriptors are one terminal, also if one of them was opened as /dev/tty.
func sameTerminal(a, b int) bool {
	if !term.IsTerminal(a) || !term.IsTerminal(b) {
		return false
	}
	var sa, sb unix.Stat_t
	if unix.Fstat(a, &sa) == nil && unix.Fstat(b, &sb) == nil && sa.Rdev == sb.Rdev {
		return true
	}
	// Only our controlling terminal tells its foreground process group, and we have one at most.
	_, errA := unix.IoctlGetInt(a, unix.TIOCGPGRP)
	_, errB := unix.IoctlGetInt(b, unix.TIOCGPGRP)
	return errA == nil && errB == nil
}

// foreground says whether we may read the terminal and change its settings without being stopped for it.
func foreground(fd int) bool {
	pgrp, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err != nil || pgrp == unix.Getpgrp() // an error: not our controlling terminal, no job control
}

func getTermios(fd int) (unix.Termios, error) {
	t, err := unix.IoctlGetTermios(fd, getTermiosRequest)
	if err != nil {
		return unix.Termios{}, err
	}
	return *t, nil
}

// setTermios takes effect at once: it waits for no output and throws no typed key away.
func setTermios(fd int, t unix.Termios) error {
	for {
		err := unix.IoctlSetTermios(fd, setTermiosRequest, &t)
		if err != unix.EINTR {
			return err
		}
	}
}

// makeRaw sets raw mode and returns it. A read in it never waits (VMIN is 0): whoever reads has polled, and if the key
// was taken by a shell in between, while we were stopped, the read must not hang.
func makeRaw(fd int) (unix.Termios, error) {
	if _, err := term.MakeRaw(fd); err != nil {
		return unix.Termios{}, err
	}
	t, err := getTermios(fd)
	if err != nil {
		return unix.Termios{}, err
	}
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 0, 0
	return t, setTermios(fd, t)
}

// copySize gives one terminal the size of another, in characters and pixels. The kernel tells the program if it changed.
func copySize(from, to int) {
	size, err := unix.IoctlGetWinsize(from, unix.TIOCGWINSZ)
	if err != nil {
		return // the terminal is gone; whoever reads it finds out
	}
	_ = unix.IoctlSetWinsize(to, unix.TIOCSWINSZ, size) // fails only if the pty is gone
}

// orphaned says whether the kernel would not stop us at SIGTSTP, SIGTTIN or SIGTTOU: nobody outside our process group, but
// in our session, is a parent of it, so nobody could continue it. Of the parents it looks at our own line only; in a job
// that a shell started the others have the same one.
func orphaned() bool {
	group := unix.Getpgrp()
	session, err := unix.Getsid(0)
	if err != nil {
		return true
	}
	for pid := os.Getppid(); pid > 0; {
		g, err := unix.Getpgid(pid)
		if err != nil {
			return true
		}
		if g != group {
			sid, err := unix.Getsid(pid)
			return err != nil || sid != session
		}
		if pid, _, err = look(pid); err != nil {
			return true
		}
	}
	return true // pid 0: the parent is outside our container
}

// latch tells one goroutine to stop, be it that it waits for a channel or for a descriptor.
type latch struct {
	tripped chan struct{}
	r, w    *os.File
	fd      int // of r; readable once tripped
	once    sync.Once
}

func newLatch() (*latch, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("opening a pipe: %w", err)
	}
	l := &latch{tripped: make(chan struct{}), r: r, w: w}
	if l.fd, err = descriptor(r); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *latch) trip() {
	l.once.Do(func() {
		close(l.tripped)
		l.w.Close()
	})
}

// close frees the latch. Nobody may wait for it any more.
func (l *latch) close() { l.r.Close() }
