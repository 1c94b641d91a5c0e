package wrapper

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// caught holds the signals on their way to us. A full channel drops a signal, as the kernel merges equal ones.
type caught struct {
	size, cont, forward chan os.Signal
	pipe                chan os.Signal // of our own connections: it must not kill us, and is nobody else's
}

// catch takes all signals that can be taken, until stop.
func catch() caught {
	c := caught{make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 64), make(chan os.Signal, 1)}
	signal.Notify(c.size, syscall.SIGWINCH)
	signal.Notify(c.cont, syscall.SIGCONT)
	signal.Notify(c.pipe, syscall.SIGPIPE)
	for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
		switch sig {
		case syscall.SIGKILL, syscall.SIGSTOP: // cannot be caught
		case syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGPIPE: // above
		case syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU: // once caught, the Go runtime never lets them stop us again
		case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF: // of our own making: children, preemption, profiles
		case 32, 33, 34: // the C library's; the Go runtime does not let them be caught
		default:
			if !signal.Ignored(sig) { // nohup: the program ignores it as well
				signal.Notify(c.forward, sig)
			}
		}
	}
	return c
}

func (c caught) stop() {
	signal.Stop(c.size)
	signal.Stop(c.cont)
	signal.Stop(c.forward)
	signal.Stop(c.pipe)
}

// forward passes a signal on. Who sent it to our whole group meant the program's whole group, but only SIGHUP (from a
// shell) and the keys of a terminal that is not raw are surely sent so.
func (s *Session) forward(sig syscall.Signal) {
	if sig == syscall.SIGTERM || sig == syscall.SIGHUP {
		s.endSoon()
	}
	group := sig == syscall.SIGHUP || !s.raw && (sig == syscall.SIGINT || sig == syscall.SIGQUIT)
	if group {
		s.order(orderGroup, int(sig))
	} else {
		s.order(orderSignal, int(sig))
	}
}

// pendingGrace is how long SIGCONT waits for the signals that were sent before it.
const pendingGrace = 20 * time.Millisecond

// forwardPending passes on what was sent while we were stopped. A shell's kill sends a stopped job SIGTERM and then
// SIGCONT, but the Go runtime may deliver them in the other order: the program, in the background, would go on, read, and
// be stopped again before it got its SIGTERM. If a signal comes later than this all the same, the job stays stopped and
// the signal waits in it.
func (s *Session) forwardPending(sigs caught) {
	grace := time.NewTimer(pendingGrace)
	defer grace.Stop()
	for {
		select {
		case sig := <-sigs.forward:
			s.forward(sig.(syscall.Signal))
		case <-grace.C:
			return
		}
	}
}
