package wrapper

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	getTermiosRequest = unix.TIOCGETA
	setTermiosRequest = unix.TIOCSETA
	noKey             = 0xff // in Termios.Cc: no key does this
	lastSignal        = 31
)

// executable is this program's own file.
func executable() (string, error) { return os.Executable() }

// waitReadable waits until a read of fd would not block, or until wake is readable.
// It selects: poll knows no terminals on macOS.
func waitReadable(fd, wake int) (woken bool, err error) {
	for {
		var r unix.FdSet
		r.Set(fd)
		r.Set(wake)
		_, err := unix.Select(max(fd, wake)+1, &r, nil, nil, nil)
		if err == unix.EINTR {
			continue
		}
		return err == nil && r.IsSet(wake), err
	}
}

// waitWritable waits until a write to fd would not block, or until wake is readable.
func waitWritable(fd, wake int) (woken bool, err error) {
	for {
		var r, w unix.FdSet
		r.Set(wake)
		w.Set(fd)
		_, err := unix.Select(max(fd, wake)+1, &r, &w, nil, nil)
		if err == unix.EINTR {
			continue
		}
		return err == nil && r.IsSet(wake), err
	}
}

// look tells who the parent of a process is, and whether it is stopped.
func look(pid int) (parent int, stopped bool, err error) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0, false, err
	}
	const sstop = 4 // SSTOP of <sys/proc.h>
	return int(p.Eproc.Ppid), p.Proc.P_stat == sstop, nil
}
