package wrapper

import (
	"bytes"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"afteryou/internal/guard"
)

// inputCopy is a copyInput that runs.
type inputCopy struct {
	latch *latch
	done  chan struct{}
}

// startInput starts copyInput, if it does not run. Only supervise calls it, and stopInput.
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

// stopInput ends copyInput: nothing more is read from the terminal. What was read and not yet written to the pty waits for
// startInput.
func (s *Session) stopInput() {
	if s.input == nil {
		return
	}
	s.input.latch.trip()
	<-s.input.done
	s.input.latch.close()
	s.input = nil
}

// copyInput writes to the pty what is typed, until the latch trips.
func (s *Session) copyInput(l *latch) {
	buf := make([]byte, chunk)
	for {
		if len(s.unwritten) > 0 {
			t, gone := getTermios(s.master) // before the program can react
			n, err := s.write(s.unwritten, l)
			if gone == nil {
				s.noteSignalKeys(s.unwritten[:n], t)
			}
			s.unwritten = s.unwritten[n:]
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
			s.unwritten = buf[:n]
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

// noteSignalKeys looks for ^C and ^\ in what was typed, if the pty made signals of them. From a terminal a script in our
// process group would have got them too, and minds them when the program has ended, however late: none is forgotten.
func (s *Session) noteSignalKeys(p []byte, t unix.Termios) {
	if t.Lflag&unix.ISIG == 0 {
		return
	}
	for key, sig := range map[int]syscall.Signal{unix.VINTR: syscall.SIGINT, unix.VQUIT: syscall.SIGQUIT} {
		if c := t.Cc[key]; c != noKey && bytes.IndexByte(p, c) >= 0 {
			s.signalKeys |= 1 << sig
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

// write writes all of p to the pty, and returns early once the latch has tripped. It blocks while the program does not read.
func (s *Session) write(p []byte, l *latch) (written int, err error) {
	select {
	case <-l.tripped:
		return 0, errEnding
	case s.masterLock <- struct{}{}:
	}
	defer func() { <-s.masterLock }()
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
// not read, and keys wait behind it. Once the program is ending it returns an error. It may be called at any time from any
// goroutine.
func (s *Session) Type(text string) error {
	_, err := s.write([]byte(text), s.closing)
	return err
}
