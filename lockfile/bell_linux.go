package lockfile

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// bell rings when a file is renamed within a directory, by inotify(7). A network file system does not tell of other
// machines' renames: those are seen by the look once a second.
type bell struct {
	inotify *os.File // nil: the system gives no more of them, and the bell is a clock
}

func newBell(dir string) *bell {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return &bell{}
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		unix.Close(fd)
		return &bell{}
	}
	return &bell{os.NewFile(uintptr(fd), "inotify")}
}

// wait blocks until the bell rings, for most at the longest, or until ctx ends. A ring before wait counts.
func (b *bell) wait(ctx context.Context, most, every time.Duration) {
	if b.inotify == nil {
		tick(ctx, min(most, every))
		return
	}
	b.inotify.SetReadDeadline(time.Now().Add(most))
	stop := context.AfterFunc(ctx, func() { b.inotify.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var events [4096]byte // what they say does not matter: the state file is looked at
	b.inotify.Read(events[:])
}

func (b *bell) close() {
	if b.inotify != nil {
		b.inotify.Close()
	}
}
