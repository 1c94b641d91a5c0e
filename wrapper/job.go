package wrapper

import "syscall"

// The session is one job of the shell: it stops when the program does, and has the terminal only in the foreground.

// suspend stops us as the program was stopped, and with us our process group, for the shell waits for all of it.
func (s *Session) suspend(sig syscall.Signal) {
	s.stopInput()
	s.restore()
	if sig != syscall.SIGSTOP && orphaned() {
		// Nobody could continue us, and the kernel would not stop us. Directly run the program would not have stopped either:
		// ^Z would have done nothing, and in the background its reads would have failed.
		if foreground(s.in) {
			s.resume()
		} else {
			s.hangUp()
		}
		return
	}
	// The process stops at some moment after this, and everything goes on with the SIGCONT in supervise. A SIGCONT that somebody
	// sent just before would be taken for it, and the program would go on while we are stopped, printing into the pty; the
	// shell's own SIGCONT sets that right.
	_ = syscall.Kill(0, sig) // we may signal ourselves
}

// onContinued takes up the job where it was stopped: SIGCONT came.
func (s *Session) onContinued() {
	s.stopping = 0
	s.resume()
}

// resume takes up the terminal, if it is ours again, and lets the program go on.
func (s *Session) resume() {
	switch {
	case s.hungUp || s.ended:
	case foreground(s.in):
		s.takeTerminal()
	default:
		s.stopInput()
		s.raw = false // whoever has the terminal now has set it as he likes
		s.background = true
		s.order(orderCooked, 0)
		s.order(orderBackground, 0)
	}
	s.resize()
	s.order(orderGroup, int(syscall.SIGCONT))
}

func (s *Session) takeTerminal() {
	if s.raw {
		// A SIGSTOP gave us no chance to restore it, and a shell has changed it; or SIGCONT came out of the blue, and this
		// changes nothing.
		_ = setTermios(s.in, s.rawMode)
	} else {
		user, err := getTermios(s.in)
		if err != nil {
			s.hangUp()
			return
		}
		rawMode, err := makeRaw(s.in)
		if err != nil {
			s.hangUp()
			return
		}
		if user != s.rawMode { // it may be still: SIGSTOP, bg and fg, and a shell that leaves settings alone
			s.user = user
		}
		s.rawMode, s.raw = rawMode, true
		s.order(orderGuard, 0, s.user, s.rawMode)
		s.order(orderForeground, 0) // as a shell gives a job the terminal
	}
	s.background = false
	s.startInput()
}

// restore gives the terminal back as it was, if it is ours to set.
func (s *Session) restore() {
	if !s.raw {
		return
	}
	s.raw = false
	if foreground(s.in) {
		_ = setTermios(s.in, s.user) // fails only if the terminal is gone
	}
	if s.orders != nil {
		s.order(orderCooked, 0)
	}
}
