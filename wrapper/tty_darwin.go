package wrapper

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	getTermiosRequest = unix.TIOCGETA
	setTermiosRequest = unix.TIOCSETA
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

func parent(pid int) (int, error) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0, err
	}
	return int(p.Eproc.Ppid), nil
}
