package lockfile

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"afteryou/internal/guard"
	"afteryou/internal/turn"
)

// bellMark begins the name of a process' bell.
const bellMark = "bell-"

// Bell wakes one that waits. The bells of a process hang on one named pipe, which is there while it has any: who changes
// the state writes to the pipes of those whom it concerns, so that nobody else wakes.
type Bell struct {
	// Rings gets a value when the bell was rung since the last one. A ring may mean nothing.
	Rings chan struct{}
	// Deaf says that there is no pipe to be had: nobody can ring.
	Deaf  bool
	store *Store
}

// Bell hangs up a bell. A ring that comes when it returned is not lost. The caller must close it.
func (s *Store) Bell() *Bell {
	b := &Bell{Rings: make(chan struct{}, 1), store: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bells) == 0 {
		s.pipe = pipe(s.own(bellMark, Self()))
		if s.pipe != nil {
			from := s.pipe
			guard.Go(func() { s.listen(from) }, func(text string) { s.Log("bell: %s", text) }) // until the last bell is closed
		}
	}
	if b.Deaf = s.pipe == nil; s.bells == nil {
		s.bells = make(map[*Bell]bool)
	}
	s.bells[b] = true
	return b
}

// Close takes the bell down.
func (b *Bell) Close() {
	s := b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.bells, b)
	if len(s.bells) == 0 && s.pipe != nil {
		os.Remove(s.pipe.Name())
		s.pipe.Close()
		s.pipe = nil
	}
}

// pipe opens the named pipe for reading and writing, so that it has no end; nil: that is not possible here.
func pipe(path string) *os.File {
	if err := unix.Mkfifo(path, 0o600); err != nil && err != unix.EEXIST {
		return nil
	}
	// By hand, because package os reads no named pipe with the poller on macOS: the end of one is not told there.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), path)
}

func (s *Store) listen(from *os.File) {
	for buf := make([]byte, 512); ; {
		if _, err := from.Read(buf); err != nil {
			return // it was closed
		}
		s.mu.Lock()
		for b := range s.bells {
			select {
			case b.Rings <- struct{}{}:
			default:
			}
		}
		s.mu.Unlock()
	}
}

// Ring rings the bells of a process, if it has any. It never blocks. On another machine they are not heard.
func (s *Store) Ring(p turn.Process) {
	fd, err := unix.Open(s.own(bellMark, p), unix.O_WRONLY|unix.O_NONBLOCK|syscall.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return // nobody listens
	}
	unix.Write(fd, []byte{'!'}) // a full pipe rings already
	unix.Close(fd)
}
