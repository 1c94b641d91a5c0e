package lockfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxLog is the size, in bytes, past which the log is started anew; one older log is kept.
const maxLog = 1 << 20

// Log appends one line to the log of the store. It never fails its caller: there is nobody to tell.
func (s *Store) Log(format string, args ...any) {
	path := filepath.Join(s.dir, "log")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	fmt.Fprintf(f, "%s %s\n", time.Now().Format("2006-01-02T15:04:05.000Z07:00"), text)
	if fi, err := f.Stat(); err == nil && fi.Size() > maxLog {
		os.Rename(path, path+".old") // two at once lose an old log at worst
	}
}
