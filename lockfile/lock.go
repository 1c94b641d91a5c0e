package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"afteryou/internal/guard"
)

// stalled is how long the state must not be replaced while the lock is busy for its holder to be given up: it is held for
// milliseconds at a time, so that this means a stopped holder or a broken file system, and a session must not hang on
// either. However many wait for the lock, their turns come.
const stalled = 2 * time.Second

// ErrBusy is that the lock was not to be had.
var ErrBusy = errors.New("the lock is busy")

// lock takes the lock: at once where it is free, else in the kernel's queue, first come, first served. It gives up with
// ErrBusy when nobody makes progress, and when ctx ends; with a ctx that ended already it only tries. The caller must call
// unlock. A process that dies lets go of the lock.
func (s *Store) lock(ctx context.Context) (unlock func() error, err error) {
	l := s.file()
	if ok, err := l.TryLock(); ok || err != nil {
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", l.Path(), err)
		}
		return l.Close, nil
	}
	if ctx.Err() == nil {
		s.want(1)
		defer s.want(-1)
	}
	for seen := s.stat(); ; {
		select {
		case got := <-s.got:
			if err = got.err; err == nil {
				return got.Close, nil
			}
		case <-ctx.Done():
			err = errors.Join(ErrBusy, ctx.Err())
		case <-time.After(stalled):
			now := s.stat()
			if !same(seen, now) {
				seen = now
				continue
			}
			err = fmt.Errorf("%w, and was for %v without a change of the state", ErrBusy, stalled)
		}
		return nil, fmt.Errorf("locking %s: %w", l.Path(), err)
	}
}

func (s *Store) file() *flock.Flock {
	return flock.New(filepath.Join(s.dir, "lock"), flock.SetFlag(os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
}

// attempt is a wait in the kernel's queue that is over.
type attempt struct {
	*flock.Flock
	err error
}

// want counts those of this process who want the lock. While there are any it stands in the kernel's queue, once for all: such
// a wait takes a thread and can't be broken off, and over a holder that is stopped there would be more and more.
func (s *Store) want(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.wanted += more; {
	case s.wanted == 0:
		select {
		case late := <-s.got:
			late.Close()
		default:
		}
	case !s.queued:
		s.queued = true
		guard.Go(s.queue, func(text string) { s.Log("locking: %s", text) }) // until the lock comes, however late
	}
}

// queue waits for the lock, and lets it go again if nobody wants it by then.
func (s *Store) queue() {
	l := s.file()
	err := l.Lock()
	for errors.Is(err, syscall.EINTR) {
		err = l.Lock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued = false
	if s.wanted > 0 {
		select {
		case s.got <- attempt{l, err}:
			return
		default: // they have one that failed
		}
	}
	l.Close()
}

// stat looks at what stands in the place of the state; nil: nothing. It opens the file where it can: who shares it with another
// machine is told of the present only then (NFS).
func (s *Store) stat() os.FileInfo {
	if f, err := os.OpenFile(s.path(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0); err == nil {
		defer f.Close()
		if fi, err := f.Stat(); err == nil {
			return fi
		}
	}
	fi, err := os.Lstat(s.path())
	if err != nil {
		return nil
	}
	return fi
}

// same says whether two looks saw the same file, unchanged. An inode that is free is soon used again: while no view holds
// the first one open, it is the time that tells.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
