package wrapper

import (
	"bytes"
	"errors"
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"afteryou/internal/guard"
)

const (
	chunk = 32 << 10

	// What the kernel can hold of a pty's output is far below this. So much read after the program's end, and it is a
	// grandchild that prints without end.
	pendingLimit = 1 << 20

	quitAsked = math.MaxUint64
)

// copyOutput writes to the user's terminal what the program prints. While the terminal takes nothing neither does it,
// so that the program blocks as it would, with the two ptys' and one chunk's worth in between.
func (s *Session) copyOutput() {
	buf := make([]byte, chunk)
	var answered uint64
	pending := 0
	for {
		asked := s.asked.Load() // before the read: nothing to read then answers it
		if asked == quitAsked {
			return
		}
		n, err := unix.Read(s.master, buf)
		switch {
		case n > 0:
			if !s.show(buf[:n]) {
				return
			}
			s.watch.put(buf[:n])
			if asked == answered {
				continue
			}
			if pending += n; pending < pendingLimit {
				continue
			}
		case err == unix.EINTR:
			continue
		case err != unix.EAGAIN:
			return // nobody has the pty open any more, not even the monitor
		}
		if asked != answered {
			answered, pending = asked, 0
			s.answered <- asked
		} else if woken, err := waitReadable(s.master, s.poke); err != nil {
			return
		} else if woken {
			s.drainPoke()
		}
	}
}

// show returns false when the terminal is gone or the end was asked for.
func (s *Session) show(p []byte) bool {
	for len(p) > 0 {
		s.writes.Add(1)
		n, err := unix.Write(s.out, p)
		s.writes.Add(1)
		switch {
		case s.asked.Load() == quitAsked:
			return false
		case n > 0:
			p = p[n:]
		case err == unix.EINTR:
		case err == unix.EAGAIN: // somebody left O_NONBLOCK on the terminal that we all share
			s.writes.Add(1)
			woken, err := waitWritable(s.out, s.poke)
			s.writes.Add(1)
			if err != nil {
				return false
			}
			if woken {
				s.drainPoke()
			}
		default:
			return false
		}
	}
	return true
}

func (s *Session) drainPoke() {
	var b [64]byte
	_, _ = unix.Read(s.poke, b[:]) // it does not block, and the question itself is in asked
}

func (s *Session) wakeOutput() {
	_, _ = s.pokeW.Write([]byte{0}) // a full pipe wakes too
}

// askShown has answered say when everything printed so far is on the terminal.
func (s *Session) askShown() {
	if s.hungUp || s.outputOver {
		return
	}
	s.asked.Add(1)
	s.wakeOutput()
}

const (
	// stallGrace is how long a terminal may take nothing, once the end is wanted, before it is given up.
	stallGrace = 2 * time.Second

	// So often that is looked at. A program that has not ended then, has survived the signal, and a stall is no longer its end.
	stallTicks = 5
)

// endSoon is for when the end is wanted: we were told to end, or the program was killed. A terminal that nobody reads then
// holds nobody up, as it would not hold up the program run directly.
func (s *Session) endSoon() {
	s.ticksLeft = stallTicks
	if s.stallTicker == nil {
		s.stallTicker, s.writesAtTick = time.NewTicker(stallGrace), s.writes.Load()
	}
}

func (s *Session) ticks() <-chan time.Time {
	if s.stallTicker == nil || s.outputOver {
		return nil
	}
	return s.stallTicker.C
}

// checkStalled gives the terminal up if one and the same write to it has lasted for stallGrace. copyOutput stays behind
// in that write, and touches nothing of ours when it comes back. A program that hangs in a write of its own, deaf to
// the signal, is freed by the hang-up.
func (s *Session) checkStalled() {
	writes := s.writes.Load()
	if writes%2 == 1 && writes == s.writesAtTick {
		s.stopInput()
		s.restore()
		s.asked.Store(quitAsked)
		s.outputEnded()
	}
	s.writesAtTick = writes
	if s.ticksLeft--; s.ticksLeft <= 0 && !s.ended {
		s.stallTicker.Stop()
		s.stallTicker = nil
	}
}

// doneOutput is nil once outputEnded has been called.
func (s *Session) doneOutput() <-chan struct{} {
	if s.outputOver {
		return nil
	}
	return s.outputDone
}

// outputEnded: there is no terminal to write to, or no pty to read.
func (s *Session) outputEnded() {
	s.outputOver = true
	s.hangUp()
	s.closeMaster() // the kernel hangs the pty up
}

// closeMaster needs copyInput ended, and copyOutput ended or told to.
func (s *Session) closeMaster() {
	if s.masterClosed {
		return
	}
	s.masterClosed = true
	s.closing.trip()
	s.writing <- struct{}{} // for good: nobody writes to it any more
	unix.Close(s.master)
}

// startInput and stopInput are keep's. After stopInput nothing is read from the terminal; what was read and not yet
// written to the pty waits for startInput.
func (s *Session) startInput() {
	if s.input != nil || s.hungUp || s.ended {
		return
	}
	l, err := newLatch()
	if err != nil { // out of descriptors: a terminal that cannot be read is as good as gone
		s.terminalGone()
		return
	}
	in := &inputCopy{latch: l, done: make(chan struct{})}
	s.input = in
	guard.Go(func() {
		defer close(in.done)
		s.persist(func() { s.copyInput(l) })
	}, s.options.Failed)
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

func (s *Session) stopInput() {
	if s.input == nil {
		return
	}
	s.input.latch.trip()
	<-s.input.done
	s.input.latch.close()
	s.input = nil
}

type inputCopy struct {
	latch *latch
	done  chan struct{}
}

// copyInput writes to the pty what is typed, until the latch trips.
func (s *Session) copyInput(l *latch) {
	buf := make([]byte, chunk)
	for {
		if len(s.typed) > 0 {
			t, gone := getTermios(s.master) // before the program can react
			n, err := s.write(s.typed, l)
			if gone == nil {
				s.notePressed(s.typed[:n], t)
			}
			s.typed = s.typed[n:]
			if err != nil {
				return
			}
		}
		woken, err := waitReadable(s.in, l.fd)
		if err != nil {
			s.terminalGone()
			return
		}
		if woken {
			return
		}
		n, err := unix.Read(s.in, buf)
		if n > 0 {
			s.keys.put(buf[:n])
			s.typed = buf[:n]
			continue
		}
		// Nothing although there was something: a shell was faster while we were stopped, or a hang-up. EIO also comes in the
		// background when nobody is there to stop us for it; nobody will ever give us the terminal then.
		if _, gone := getTermios(s.in); gone != nil || err == unix.EIO {
			s.terminalGone()
			return
		}
	}
}

// notePressed looks for ^C and ^\ in what was typed, if the pty made signals of them. From a terminal a script in our
// process group would have got them too, and minds them when the program has ended, however late: none is forgotten.
func (s *Session) notePressed(p []byte, t unix.Termios) {
	if t.Lflag&unix.ISIG == 0 {
		return
	}
	for key, sig := range map[int]syscall.Signal{unix.VINTR: syscall.SIGINT, unix.VQUIT: syscall.SIGQUIT} {
		if c := t.Cc[key]; c != noKey && bytes.IndexByte(p, c) >= 0 {
			s.pressed |= 1 << sig
		}
	}
}

func (s *Session) terminalGone() {
	select {
	case s.terminalErr <- struct{}{}:
	default: // said already
	}
}

var errEnding = errors.New("the program is ending")

// write writes all of p to the pty, or says how much it could before the latch tripped.
func (s *Session) write(p []byte, l *latch) (written int, err error) {
	select {
	case <-l.tripped:
		return 0, errEnding
	case s.writing <- struct{}{}:
	}
	defer func() { <-s.writing }()
	for written < len(p) {
		n, err := unix.Write(s.master, p[written:])
		switch {
		case n > 0:
			written += n
		case err == unix.EINTR:
		case err == unix.EAGAIN: // the program does not read
			woken, err := waitWritable(s.master, l.fd)
			if err != nil {
				return written, err
			}
			if woken {
				return written, errEnding
			}
		default:
			return written, os.NewSyscallError("write", err)
		}
	}
	return written, nil
}

// Type writes text into the pty as if it had been typed, in one piece between two keys. It blocks while the program does
// not read, and keys wait behind it. It is safe for concurrent use; once the program is ending it returns an error.
func (s *Session) Type(text string) error {
	_, err := s.write([]byte(text), s.closing)
	return err
}
