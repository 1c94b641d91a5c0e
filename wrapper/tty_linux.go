package wrapper

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	getTermiosRequest = unix.TCGETS
	setTermiosRequest = unix.TCSETS
	noKey             = 0 // in Termios.Cc: no key does this
	lastSignal        = 64
)

// executable is this program's own file, also after an update has replaced it on disk.
func executable() (string, error) { return "/proc/self/exe", nil }

// waitReadable waits until a read of fd would not block, or until wake is readable.
func waitReadable(fd, wake int) (woken bool, err error) { return wait(fd, unix.POLLIN, wake) }

// waitWritable waits until a write to fd would not block, or until wake is readable.
func waitWritable(fd, wake int) (woken bool, err error) { return wait(fd, unix.POLLOUT, wake) }

func wait(fd int, events int16, wake int) (woken bool, err error) {
	fds := [2]unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds[:], -1)
		if err == unix.EINTR {
			continue
		}
		return fds[1].Revents != 0, err
	}
}

// look tells who the parent of a process is, and whether it is stopped.
func look(pid int) (parent int, stopped bool, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false, err
	}
	// pid (comm) state ppid …, where comm may hold anything.
	var state rune
	_, err = fmt.Sscanf(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " %c %d", &state, &parent)
	return parent, state == 'T', err
}
