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

// A Session is one program behind the user's terminal.
//
// Its goroutines, and who ends them: keep owns the terminal's settings and decides everything, until the program has
// ended; copyOutput ends when keep tells it, or the terminal is gone; copyInput runs while the terminal is ours and is
// ended by keep; readReports ends with the monitor. Type runs in its caller's goroutine, and keep's end ends it.
type Session struct {
	options         Options
	in, out, master int // descriptors
	pid, monitor    int
	orders          *os.File
	watch, keys     *sideCopy

	// Used by keep alone, once it runs.
	user, rawMode unix.Termios   // the terminal's settings as they were, and ours
	raw           bool           // rawMode is set
	background    bool           // the terminal is the shell's or another job's
	stopping      syscall.Signal // the program has stopped by it, and its last output is on the way
	ended         bool           // status holds
	allShown      bool           // and everything it printed is on the terminal
	outputOver    bool           // copyOutput has ended
	hungUp        bool
	masterClosed  bool
	input         *inputCopy   // nil: keys are left in the terminal
	stallTicker   *time.Ticker // looks for a terminal that takes nothing; nil: nobody wants an end
	ticksLeft     int          // until it stops
	writesAtTick  uint64       // writes, at the last tick

	reports     chan message  // closed when the monitor is gone
	terminalErr chan struct{} // the terminal is gone; holds one token
	outputDone  chan struct{}

	// asked is the number of the last question put to copyOutput: is everything shown that was printed until now? It sends
	// the number on answered when it is. quitAsked tells it to end. A byte in pokeW wakes it.
	asked        atomic.Uint64
	writes       atomic.Uint64 // counts the beginnings and the ends of writes to the terminal: odd in a write
	answered     chan uint64
	pokeR, pokeW *os.File
	poke         int // pokeR's descriptor

	writing chan struct{} // holds a token while somebody writes to master: keys and typed text never mix
	typed   []byte        // read from the terminal, not yet written to master; copyInput's, kept over its restarts
	pressed uint64        // bit n: a key that sends the program signal n was typed; copyInput's, and keep's after stopInput
	closing *latch        // ends Type

	status Status
	err    error
	done   chan struct{} // closed after status and err are set
}

// Start starts the program behind the user's terminal. The terminal must be one and the same for In and Out.
// Until the program has ended the terminal belongs to the session, and so do all signals that a program can catch, except
// SIGCHLD, SIGURG, SIGPROF and SIGTSTP: they are the program's. Only one session at a time makes sense.
// Where no process has been started, and the program may still be started otherwise, the error is a [NotBegunError].
func Start(cmd Command, o Options) (_ *Session, err error) {
	s := &Session{
		options:     o,
		reports:     make(chan message, 1),
		terminalErr: make(chan struct{}, 1),
		outputDone:  make(chan struct{}),
		answered:    make(chan uint64, 1),
		writing:     make(chan struct{}, 1),
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
	guard.Go(func() { s.keep(cmd, sigs, ready) }, func(text string) {
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

// PID is the program's.
func (s *Session) PID() int { return s.pid }

// Wait waits for the program's end. By then the terminal's settings are what they were, and Watch and Keys have seen
// everything, if they do not take longer than a second for the rest.
func (s *Session) Wait() (Status, error) {
	<-s.done
	return s.status, s.err
}

// keep is the session's life, in one goroutine.
func (s *Session) keep(cmd Command, sigs caught, ready chan<- error) {
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
	for !s.over() {
		guard.Run(func() { s.next(sigs) }, s.options.Failed)
	}
	s.finish(sigs)
}

// next does what the next event asks for.
func (s *Session) next(sigs caught) {
	select {
	case r, ok := <-s.reports:
		if !ok {
			s.reports = nil
			s.lost()
			break
		}
		s.reported(r)
	case n := <-s.answered:
		if n == s.asked.Load() {
			s.shown()
		}
	case <-s.terminalErr:
		s.hangUp()
	case <-s.doneOutput():
		s.outputEnded()
	case <-s.ticks():
		s.checkStalled()
	case <-sigs.size:
		s.resize()
	case <-sigs.cont:
		if !s.raw && !foreground(s.in) {
			s.forwardPending(sigs)
		}
		s.continued()
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

// order is carried out in the order given. If the monitor is gone, reports says so.
func (s *Session) order(kind byte, value int, more ...any) {
	_ = writeMessages(s.orders, append([]any{message{kind, int32(value)}}, more...)...)
}

func (s *Session) reported(r message) {
	switch r.Kind {
	case reportStopped:
		sig := syscall.Signal(r.Value)
		if s.background && (sig == syscall.SIGTTIN || sig == syscall.SIGTTOU) && foreground(s.in) {
			s.continued() // a shell that brings a running job to the foreground sends no SIGCONT
			return
		}
		if s.hungUp && sig != syscall.SIGSTOP {
			// Nobody will continue it, and for that reason the kernel would not have stopped it without us. A program of several
			// threads comes here when one reads, and is stopped for that, before another has died of the hang-up.
			s.order(orderGroup, int(syscall.SIGCONT))
			return
		}
		s.stopping = sig
		s.askShown()
	case reportExited, reportKilled:
		s.stopInput()
		if r.Kind == reportExited {
			s.status = Status{Code: int(r.Value)}
		} else {
			sig := syscall.Signal(r.Value)
			s.status = Status{Signal: sig, typed: s.pressed&(1<<sig) != 0}
			s.endSoon()
		}
		s.ended, s.stopping = true, 0
		s.askShown()
	}
}

// lost: somebody killed the monitor, and the kernel has hung up the program for it.
func (s *Session) lost() {
	if s.ended {
		return
	}
	s.ended, s.status = true, Status{Signal: syscall.SIGHUP}
	s.err = fmt.Errorf("the monitor of %d is gone", s.pid)
	s.endSoon()
	s.stopInput()
	s.askShown()
}

// shown: everything the program printed before it stopped or ended is on the terminal.
func (s *Session) shown() {
	if s.ended {
		s.allShown = true
	} else if s.stopping != 0 {
		sig := s.stopping
		s.stopping = 0
		s.suspend(sig)
	}
}

// over says whether the program has ended and all it printed is shown.
func (s *Session) over() bool {
	return s.ended && (s.allShown || s.outputOver)
}

func (s *Session) resize() {
	if !s.masterClosed {
		copySize(s.in, s.master)
	}
}

// hangUp: the user's terminal is gone, so the program's must go. It gets SIGHUP, and we wait for its end.
func (s *Session) hangUp() {
	if s.hungUp {
		return
	}
	s.hungUp = true
	s.raw = false // nothing to restore
	s.stopInput()
	s.asked.Store(quitAsked)
	s.wakeOutput()
	s.order(orderCooked, 0)
	s.order(orderGroup, int(syscall.SIGHUP))
	s.order(orderGroup, int(syscall.SIGCONT))
}

// finish leaves nothing behind.
func (s *Session) finish(sigs caught) {
	s.stopInput()
	s.closing.trip()
	s.asked.Store(quitAsked)
	s.wakeOutput()
	if s.stallTicker != nil {
		s.stallTicker.Stop()
	}
	if !s.outputOver {
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
