package lockfile

import (
	"context"
	"io/fs"
	"os"
	"time"

	"afteryou/internal/turn"
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

// Watch notices when the state of a store is replaced. It belongs to one goroutine.
type Watch struct {
	store *Store
	bell  *bell
}

// Watch starts to notice. Whoever starts it closes it.
func (s *Store) Watch() *Watch { return &Watch{s, newBell(s.dir)} }

// Close ends the watch.
func (w *Watch) Close() { w.bell.close() }

// Wait blocks until the state is no longer the one of v (true), or until the time comes or ctx ends (false). It never
// parses. Where the system tells of changes it sleeps until then; elsewhere it looks every so often, by one stat.
func (w *Watch) Wait(ctx context.Context, v *View, until time.Time, every time.Duration) bool {
	var seen fs.FileInfo
	if v.file != nil {
		seen, _ = v.file.Stat() // on an open descriptor; a failure reads as "changed" below
	}
	for ctx.Err() == nil {
		now, err := os.Lstat(w.store.path())
		if (err == nil) != (v.file != nil) || err == nil && (seen == nil || !os.SameFile(now, seen)) {
			return true
		}
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		// Whatever was missed, and a clock that was set: at the latest after a second everything is looked at anew.
		w.bell.wait(ctx, min(left, time.Second), every)
	}
	return false
}
