package wrapper

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

const (
	chunk = 32 << 10

	// What the kernel can hold of a pty's output is far below this. So much read after the program's end, and it is a
	// grandchild that prints without end.
	pendingLimit = 1 << 20

	flushAndQuit = math.MaxUint64
)

// copyOutput writes to the user's terminal what the program prints. While the terminal takes nothing neither does it,
// so that the program blocks as it would, with the two ptys' and one chunk's worth in between.
func (s *Session) copyOutput() {
	buf := make([]byte, chunk)
	var flushed uint64
	pending := 0
	for {
		wanted := s.flushWanted.Load() // before the read: where there is nothing to read then, it is done
		if wanted == flushAndQuit {
			return
		}
		n, err := unix.Read(s.master, buf)
		switch {
		case n > 0:
			if !s.show(buf[:n]) {
				return
			}
			s.watch.put(buf[:n])
			if wanted == flushed {
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
		if wanted != flushed {
			flushed, pending = wanted, 0
			s.flushDone <- wanted
		} else if woken, err := waitReadable(s.master, s.poke); err != nil {
			return
		} else if woken {
			s.drainPoke()
		}
	}
}

// show writes p to the terminal. It returns false when the terminal is gone or copyOutput is to end.
func (s *Session) show(p []byte) bool {
	for len(p) > 0 {
		s.writes.Add(1)
		n, err := unix.Write(s.out, p)
		s.writes.Add(1)
		switch {
		case s.flushWanted.Load() == flushAndQuit:
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
	_, _ = unix.Read(s.poke, b[:]) // it does not block, and what is wanted stands in flushWanted
}

func (s *Session) wakeOutput() {
	_, _ = s.pokeW.Write([]byte{0}) // a full pipe wakes too
}

// wantFlush has answered say when everything printed so far is on the terminal.
func (s *Session) wantFlush() {
	if s.hungUp || s.outputEnded {
		return
	}
	s.flushWanted.Add(1)
	s.wakeOutput()
}

const (
	// stallGrace is how long a terminal may take nothing, once the end is wanted, before it is given up.
	stallGrace = 2 * time.Second

	// So often that is looked at. A program that has not ended then, has survived the signal, and a stall is no longer its end.
	stallTicks = 5
)

// endSoon looks for a stalled terminal from now on: we were told to end, or the program was killed. A terminal that nobody
// reads then holds nobody up, as it would not hold up the program run directly.
func (s *Session) endSoon() {
	s.ticksLeft = stallTicks
	if s.stallTicker == nil {
		s.stallTicker, s.writesAtTick = time.NewTicker(stallGrace), s.writes.Load()
	}
}

func (s *Session) ticks() <-chan time.Time {
	if s.stallTicker == nil || s.outputEnded {
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
		s.flushWanted.Store(flushAndQuit)
		s.onOutputEnd()
	}
	s.writesAtTick = writes
	if s.ticksLeft--; s.ticksLeft <= 0 && !s.ended {
		s.stallTicker.Stop()
		s.stallTicker = nil
	}
}

// doneOutput returns outputDone, and nil once its news has come.
func (s *Session) doneOutput() <-chan struct{} {
	if s.outputEnded {
		return nil
	}
	return s.outputDone
}

// onOutputEnd hangs up: there is no terminal to write to, or no pty to read.
func (s *Session) onOutputEnd() {
	s.outputEnded = true
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
	s.masterLock <- struct{}{} // for good: nobody writes to it any more
	unix.Close(s.master)
}
