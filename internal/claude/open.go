package claude

import (
	"fmt"
	"os"
	"syscall"
)

// open opens a transcript for reading. Its path stands in an event or in the state, and may lead to anything: of what is no
// regular file, or a link to one, a read may never end or take something away, so that it is not even opened. It is
// looked at again when it is open, for it may have been replaced meanwhile.
func open(path string) (*os.File, os.FileInfo, error) {
	irregular := fmt.Errorf("reading transcript: %s is not a regular file", path)
	fi, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading transcript: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, irregular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("reading transcript: %w", err)
	}
	if fi, err = f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, nil, irregular
	}
	return f, fi, nil
}
