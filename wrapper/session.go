package wrapper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"afteryou/internal/guard"
)

// Session runs one program behind the user's terminal.
//
// Its goroutines, and who ends them: supervise owns the terminal's settings and decides everything, until the program has
// ended. copyOutput ends when supervise tells it to, or when the terminal is gone. copyInput runs while the terminal is
// ours, and supervise ends it. readReports ends with the monitor. Type runs in its caller's goroutine, and the end of
// supervise ends it.
type Session struct {
	options         Options
	in, out, master int // descriptors
	pid, monitor    int
	orders          *os.File
	watch, keys     *sideCopy

	// Used by supervise alone, once it runs.
	user, rawMode unix.Termios   // the terminal's settings as they were, and ours
	raw           bool           // rawMode is set
	background    bool           // the terminal is the shell's or another job's
	stopping      syscall.Signal // the program has stopped by it, and its last output is on the way
	ended         bool           // the program has: status holds
	flushed       bool           // and everything it printed is on the terminal
	outputEnded   bool           // copyOutput has
	hungUp        bool
	masterClosed  bool
	input         *inputCopy   // nil: keys are left in the terminal
	stallTicker   *time.Ticker // looks for a terminal that takes nothing; nil: nobody wants an end
	ticksLeft     int          // until it stops
	writesAtTick  uint64       // writes, at the last tick

	reports     chan message  // closed when the monitor is gone
	terminalErr chan struct{} // the terminal is gone; holds one token
	outputDone  chan struct{}

	// flushWanted counts the flushes that were asked of copyOutput: it shows all that was printed until then, and sends the
	// number on flushDone. flushAndQuit tells it to end. A byte in pokeW wakes it.
	flushWanted  atomic.Uint64
	flushDone    chan uint64
	writes       atomic.Uint64 // counts the beginnings and the ends of writes to the terminal: odd in a write
	pokeR, pokeW *os.File
	poke         int // pokeR's descriptor

	masterLock chan struct{} // holds a token while somebody writes to master: keys and the text of Type never mix
	unwritten  []byte        // read from the terminal, not yet written to master; copyInput's, kept over its restarts
	signalKeys uint64        // bit n: a key that sends the program signal n was typed; copyInput's, and supervise's after stopInput
	closing    *latch        // ends Type

	status Status
	err    error
	done   chan struct{} // closed after status and err are set
}

// Start starts the program behind the user's terminal, and does not wait for its end. In and Out must be one terminal.
// Until the program has ended the terminal belongs to the session, and so do all signals that a program can catch, except
// SIGCHLD, SIGURG, SIGPROF and SIGTSTP: they are the program's. A process can have only one session at a time. The error is
// a [NotBegunError] where no process has been started, so that the program may still be started otherwise.
func Start(cmd Command, o Options) (_ *Session, err error) {
	s := &Session{
		options:     o,
		reports:     make(chan message, 1),
		terminalErr: make(chan struct{}, 1),
		outputDone:  make(chan struct{}),
		flushDone:   make(chan uint64, 1),
		masterLock:  make(chan struct{}, 1),
		done:        make(chan struct{}),
	}
	defer func() {
		if err != nil && s.monitor == 0 {
			err = NotBegunError{err}
		}
	}()
	if s.in, err = descriptor(o.In); err != nil {
		return nil, fmt.Errorf("input %s: %w", o.In.Name(), err)
	}
	if s.out, err = descriptor(o.Out); err != nil {
		return nil, fmt.Errorf("output %s: %w", o.Out.Name(), err)
	}
	if !sameTerminal(s.in, s.out) {
		return nil, fmt.Errorf("%s and %s are not one terminal", o.In.Name(), o.Out.Name())
	}
	if s.user, err = getTermios(s.in); err != nil {
		return nil, fmt.Errorf("reading the settings of %s: %w", o.In.Name(), err)
	}
	if s.closing, err = newLatch(); err != nil {
		return nil, err
	}
	if s.pokeR, s.pokeW, err = os.Pipe(); err != nil {
		s.closing.close()
		return nil, fmt.Errorf("opening a pipe: %w", err)
	}
	if s.poke, err = descriptor(s.pokeR); err != nil {
		return nil, err
	}

	if s.options.Failed == nil {
		s.options.Failed = func(string) {}
	}
	sigs := catch()
	ready := make(chan error, 1)
	guard.Go(func() { s.supervise(cmd, sigs, ready) }, func(text string) {
		s.options.Failed(text)
		s.restore()
		ready <- errors.New(text) // read only where the program has not started
		if !s.ended {
			s.err = errors.New(text)
		}
		close(s.done)
	})
	if err := <-ready; err != nil {
		return nil, err
	}
	return s, nil
}

// PID returns the program's process id. It may be another process's after Wait has returned.
func (s *Session) PID() int { return s.pid }

// Wait blocks until the program has ended, and returns how. By then the terminal's settings are what they were. Watch and
// Keys have seen everything, unless they take longer than a second for the rest. The error says that the program was lost:
// its monitor was killed.
func (s *Session) Wait() (Status, error) {
	<-s.done
	return s.status, s.err
}

// supervise runs the session from its start to its end, in one goroutine.
func (s *Session) supervise(cmd Command, sigs caught, ready chan<- error) {
	err := s.begin(cmd)
	if err != nil {
		s.restore()
		sigs.stop()
		s.closing.trip()
		s.closing.close()
		s.pokeR.Close()
		s.pokeW.Close()
		ready <- err
		return
	}
	ready <- nil
	for !s.finished() {
		guard.Run(func() { s.next(sigs) }, s.options.Failed)
	}
	s.finish(sigs)
}

// persist runs the loop of a goroutine to its end, and again where it panics: bytes must go on. One that panics without
// end is given up.
func (s *Session) persist(loop func()) {
	for range 100 {
		if guard.Run(loop, s.options.Failed) {
			return
		}
	}
}

// next waits for one event and does what it asks for.
func (s *Session) next(sigs caught) {
	select {
	case r, ok := <-s.reports:
		if !ok {
			s.reports = nil
			s.onMonitorGone()
			break
		}
		s.onReport(r)
	case n := <-s.flushDone:
		if n == s.flushWanted.Load() {
			s.onFlushed()
		}
	case <-s.terminalErr:
		s.hangUp()
	case <-s.doneOutput():
		s.onOutputEnd()
	case <-s.ticks():
		s.checkStalled()
	case <-sigs.size:
		s.resize()
	case <-sigs.cont:
		if !s.raw && !foreground(s.in) {
			s.forwardPending(sigs)
		}
		s.onContinued()
	case sig := <-sigs.forward:
		s.forward(sig.(syscall.Signal))
	}
}

func reap(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}

func (s *Session) readReports(f *os.File, reports chan<- message) {
	for {
		var r message
		if err := binary.Read(f, binary.LittleEndian, &r); err != nil {
			return
		}
		reports <- r
	}
}

// order tells the monitor to do something. Orders are carried out one by one. If the monitor is gone, reports says so.
func (s *Session) order(kind byte, value int, more ...any) {
	_ = writeMessages(s.orders, append([]any{message{kind, int32(value)}}, more...)...)
}

func (s *Session) onReport(r message) {
	switch r.Kind {
	case reportStopped:
		sig := syscall.Signal(r.Value)
		if s.background && (sig == syscall.SIGTTIN || sig == syscall.SIGTTOU) && foreground(s.in) {
			s.onContinued() // a shell that brings a running job to the foreground sends no SIGCONT
			return
		}
		if s.hungUp && sig != syscall.SIGSTOP {
			// Nobody will continue it, and for that reason the kernel would not have stopped it without us. A program of several
			// threads comes here when one reads, and is stopped for that, before another has died of the hang-up.
			s.order(orderGroup, int(syscall.SIGCONT))
			return
		}
		s.stopping = sig
		s.wantFlush()
	case reportExited, reportKilled:
		s.stopInput()
		if r.Kind == reportExited {
			s.status = Status{Code: int(r.Value)}
		} else {
			sig := syscall.Signal(r.Value)
			s.status = Status{Signal: sig, byKey: s.signalKeys&(1<<sig) != 0}
			s.endSoon()
		}
		s.ended, s.stopping = true, 0
		s.wantFlush()
	}
}

// onMonitorGone ends the session: somebody killed the monitor, and the kernel has hung up the program for it.
func (s *Session) onMonitorGone() {
	if s.ended {
		return
	}
	s.ended, s.status = true, Status{Signal: syscall.SIGHUP}
	s.err = fmt.Errorf("the monitor of %d is gone", s.pid)
	s.endSoon()
	s.stopInput()
	s.wantFlush()
}

// onFlushed lets the session stop or end: all that the program printed before it did is on the terminal.
func (s *Session) onFlushed() {
	if s.ended {
		s.flushed = true
	} else if s.stopping != 0 {
		sig := s.stopping
		s.stopping = 0
		s.suspend(sig)
	}
}

// finished reports whether the program has ended and all it printed is shown, as far as it can be.
func (s *Session) finished() bool {
	return s.ended && (s.flushed || s.outputEnded)
}

func (s *Session) resize() {
	if !s.masterClosed {
		copySize(s.in, s.master)
	}
}

// hangUp sends the program SIGHUP, for the user's terminal is gone. The session goes on until the program ends.
func (s *Session) hangUp() {
	if s.hungUp {
		return
	}
	s.hungUp = true
	s.raw = false // nothing to restore
	s.stopInput()
	s.flushWanted.Store(flushAndQuit)
	s.wakeOutput()
	s.order(orderCooked, 0)
	s.order(orderGroup, int(syscall.SIGHUP))
	s.order(orderGroup, int(syscall.SIGCONT))
}

// finish closes and ends all that the session has. It waits for the monitor, and a moment for the readers of the copies.
func (s *Session) finish(sigs caught) {
	s.stopInput()
	s.closing.trip()
	s.flushWanted.Store(flushAndQuit)
	s.wakeOutput()
	if s.stallTicker != nil {
		s.stallTicker.Stop()
	}
	if !s.outputEnded {
		select {
		case <-s.outputDone:
		case <-time.After(stallGrace): // what a grandchild prints hangs in a write: given up, as in checkStalled
		}
	}
	s.restore()
	s.closeMaster()
	s.closing.close()
	select {
	case <-s.outputDone:
		s.pokeR.Close()
		s.pokeW.Close()
	default: // it hangs in a write to a stalled terminal; when that ends it may look at them
	}
	s.orders.Close() // ends the monitor
	reap(s.monitor)
	if s.reports != nil {
		for range s.reports { // until it is closed; nothing it could still say matters
		}
	}
	sigs.stop()
	s.watch.end()
	s.keys.end()
	close(s.done)
}
