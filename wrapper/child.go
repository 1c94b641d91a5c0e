package wrapper

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"afteryou/internal/guard"
)

// Child runs the program beside this process, blocks until it has ended, and returns how. There is no pty and no copy, as
// with [Exec]; the program is in our process group, has these files as its first three descriptors, and all others
// that it would get without us. The terminal's job control works on both alike: ^C reaches both, ^Z stops both. When the
// program alone is stopped, we stop with it, so that a shell sees it, and go on when it does. The error says that it was not
// started.
//
// Signals sent to us are passed on. One that a shell or a terminal sends to the whole group the program gets twice,
// except for the keys ^C and ^\: while our group is the terminal's foreground they are taken to be keys. A program that
// outlived us would be cut off from what we do for it: on Linux our death kills it.
func Child(cmd Command, in, out, errs *os.File) (Status, error) {
	if cmd.Dir != "" {
		return Status{}, fmt.Errorf("starting %s: a directory of its own is not provided for", cmd.Path)
	}
	var files []uintptr
	for _, f := range []*os.File{in, out, errs} {
		fd, err := descriptor(f)
		if err != nil {
			return Status{}, fmt.Errorf("starting %s with %s: %w", cmd.Path, f.Name(), err)
		}
		files = append(files, uintptr(fd))
	}
	for fd := len(files); fd <= lastDescriptor(); fd++ {
		if inherited(fd) {
			files = append(files, uintptr(fd))
		} else {
			files = append(files, ^uintptr(0))
		}
	}
	sigs := catch()
	defer sigs.stop()
	started := make(chan error, 1)
	ended := make(chan Status, 1)
	var pid int
	guard.Go(func() {
		// The kernel takes the end of the thread that started the program for ours.
		runtime.LockOSThread()
		var err error
		pid, err = syscall.ForkExec(cmd.Path, cmd.Args, &syscall.ProcAttr{Env: cmd.env(), Files: files, Sys: dieWithUs()})
		started <- err
		if err == nil {
			ended <- waitChild(pid)
		}
	}, func(text string) { // with the thread goes the program, if it has started
		started <- errors.New(text)
		ended <- Status{Signal: syscall.SIGKILL}
	})
	if err := <-started; err != nil {
		return Status{}, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	for {
		select {
		case s := <-ended:
			return s, nil
		case <-sigs.size: // the kernel tells the whole group
		case <-sigs.cont:
			syscall.Kill(pid, syscall.SIGCONT) // sent to us alone, perhaps; to one that runs it does nothing
		case sig := <-sigs.forward:
			if key := sig == syscall.SIGINT || sig == syscall.SIGQUIT; !key || !inForeground() {
				syscall.Kill(pid, sig.(syscall.Signal)) // it may have ended just now
			}
		}
	}
}

// waitChild waits for the program's end, and stops us when it was stopped alone.
func waitChild(pid int) Status {
	for {
		var w syscall.WaitStatus
		switch _, err := syscall.Wait4(pid, &w, syscall.WUNTRACED, nil); {
		case err == syscall.EINTR:
		case err != nil:
			return Status{Signal: syscall.SIGKILL} // not ours any more, which only a debugger could bring about
		case w.Exited():
			return Status{Code: w.ExitStatus()}
		case w.Signaled():
			return Status{Signal: w.Signal()}
		case w.Stopped():
			// ^Z stopped us as well, and we go on because somebody continued both: nothing is left to do. Else the program
			// stands still, and stays so for longer than signals take.
			time.Sleep(pendingGrace)
			if p, err := syscall.Wait4(pid, &w, syscall.WNOHANG|unix.WCONTINUED, nil); err == nil && p == pid {
				if w.Exited() {
					return Status{Code: w.ExitStatus()}
				}
				if w.Signaled() {
					return Status{Signal: w.Signal()}
				}
				continue
			}
			stopWith(pid)
		}
	}
}

// stopWith stops us for as long as the program is stopped. While we are, nothing of ours could see it go on, and the kernel
// does not tell: a process beside us, this executable again, stops us and has an eye on it. If that can't be started we
// go on, for better the program alone stands still than we alone.
func stopWith(pid int) {
	self, err := executable()
	if err != nil {
		return
	}
	w, err := syscall.ForkExec(self, []string{wakerName, strconv.Itoa(pid)}, &syscall.ProcAttr{
		Env: os.Environ(), Sys: &syscall.SysProcAttr{Setpgid: true}, // what stops our group does not stop it
	})
	if err == nil {
		reap(w)
	}
}

const (
	wakerName = "afteryou: waker" // argv[0]
	wakerTick = 50 * time.Millisecond
)

// waker stops its parent, and continues it once the program is not stopped any more, or is gone. If a shell continued both,
// it is once too often: if ^Z stopped both again, between its look and this, that is undone.
func waker(pid int) {
	parent := syscall.Getppid()
	syscall.Kill(parent, syscall.SIGSTOP)
	for syscall.Getppid() == parent {
		if _, stopped, err := look(pid); err != nil || !stopped {
			syscall.Kill(parent, syscall.SIGCONT)
			return
		}
		time.Sleep(wakerTick)
	}
}

// inForeground says whether our process group has the terminal, where there is one.
func inForeground() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return foreground(fd)
}

// lastDescriptor is the highest descriptor that is looked at for the program to inherit; shells open few.
func lastDescriptor() int { return 255 }
