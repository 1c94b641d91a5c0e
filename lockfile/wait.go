package lockfile

import (
	"context"
	"io/fs"
	"os"
	"time"

	"afteryou/turn"
)

// View is one state, as it stood in the file at one moment.
type View struct {
	State *turn.State
	// file is what the state was read from or written to; nil where there was none. While it is open its inode is not
	// used again, so that "another inode stands at the path" means "the state was replaced", whatever the clock's grain.
	file *os.File
}

// Close lets go of the file behind the view. The State stays good.
func (v *View) Close() {
	if v.file != nil {
		v.file.Close()
		v.file = nil
	}
}

// Wait blocks until the state is no longer the one of v (true), or until the time comes or ctx ends (false). It looks
// every so often by one stat, and never parses.
func (s *Store) Wait(ctx context.Context, v *View, until time.Time, every time.Duration) bool {
	var seen fs.FileInfo
	if v.file != nil {
		seen, _ = v.file.Stat() // on an open descriptor; a failure reads as "changed" below
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
		now, err := os.Lstat(s.path())
		if (err == nil) != (v.file != nil) || err == nil && (seen == nil || !os.SameFile(now, seen)) {
			return true
		}
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		timer.Reset(min(left, every))
	}
}
