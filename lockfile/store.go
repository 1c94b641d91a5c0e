// Package lockfile keeps the state that all sessions of one user share: one small JSON file, guarded by one flock.
//
// The lock and the data are two files. Whoever changes the state takes the lock, reads, changes, writes a temporary
// file in the same directory, renames it into place and lets go; the lock is never held across a sleep, a prompt or a
// child. Readers need no lock: a rename is atomic, so they see one whole state or the next. A crash at any point leaves
// the old state or the new one and an unlocked lock. Nothing is synced to the disk: a power cut may lose the last
// seconds, and no session outlives it to miss them.
//
// The package also says whether processes are alive and lets a waiter sleep until the state changes. What the state
// means is package turn's business.
package lockfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"afteryou/internal/turn"
)

// lockWait bounds how long Update waits for the lock. It is held for well under a millisecond at a time, so that
// a longer wait means a stopped holder or a broken file system, and a session must not hang on either.
const lockWait = 2 * time.Second

// lockPoll is how often a busy lock is tried again: about as long as one holder keeps it.
const lockPoll = time.Millisecond

// maxState bounds what is read as state, in bytes. A real one is some kilobytes, one of 500 sessions that wait 400; a file
// beyond this is not ours.
const maxState = 4 << 20

// mostCorrupt is how many states that were set aside are kept, the latest.
const mostCorrupt = 3

// Store is the state of one user in one directory.
type Store struct {
	dir string
}

// A NewerError says that a newer afteryou wrote the state. It is left alone.
type NewerError struct {
	Path          string
	Version, Ours int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("state %s was written by a newer afteryou (layout %d, this one knows %d)", e.Path, e.Version, e.Ours)
}

// A CorruptError says that what stands in the place of the state is none, or one that can't be true, and where it was set
// aside; by a View nowhere. The change that met it was made all the same, on an empty state.
type CorruptError struct {
	Path, Aside string
	Err         error
}

func (e *CorruptError) Error() string {
	text := fmt.Sprintf("reading state %s: %v", e.Path, e.Err)
	if e.Aside != "" {
		text += "; set aside as " + filepath.Base(e.Aside)
	}
	return text
}

// Open returns the store in dir, which it makes where it is missing. The directory must be the user's own, no symlink,
// and closed to others: who could write in it could start or stop the user's sessions at will.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making state directory: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("looking at state directory: %w", err)
	}
	owner, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("state directory %s is a symlink", dir)
	case !fi.IsDir():
		return nil, fmt.Errorf("state directory %s is not a directory", dir)
	case ok && int(owner.Uid) != os.Geteuid():
		return nil, fmt.Errorf("state directory %s belongs to uid %d, not to you (%d)", dir, owner.Uid, os.Geteuid())
	case fi.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("state directory %s is writable by others (mode %04o)", dir, fi.Mode().Perm())
	case fi.Mode().Perm() != 0o700:
		if err := os.Chmod(dir, 0o700); err != nil {
			return nil, fmt.Errorf("closing state directory to others: %w", err)
		}
	}
	return &Store{dir: dir}, nil
}

// Dir is the directory of the store.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path() string { return filepath.Join(s.dir, "state.json") }

// View reads the state as it is now, without the lock. The View stays good for [Watch.Wait] until it is closed. A state
// that does not exist yet is empty; a corrupt one is a [CorruptError] with nothing set aside, since only a change may do that.
func (s *Store) View() (*View, error) {
	v, data, err := s.read()
	if err == nil {
		v.State, err = decode(s.path(), data)
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	v.State.Arrive(time.Now(), here())
	return v, nil
}

// Update lets change work on the state, alone among all processes, and returns the state that it left. It waits at most
// two seconds for the lock, less if ctx ends before. Where change leaves the state as it was, nothing is written and no
// waiter wakes; where it returns an error, nothing is written either. With a [CorruptError] the change was made and kept.
//
// What is written is of this program's layout and says so: a field that it does not know is dropped. So a field may come
// or go within a layout only where its loss does no harm; else [turn.Version] is raised, and an older program leaves the
// state alone.
func (s *Store) Update(ctx context.Context, change func(*turn.State) error) (*View, error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock := flock.New(filepath.Join(s.dir, "lock"), flock.SetFlag(os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
	if ok, err := lock.TryLockContext(ctx, lockPoll); err != nil || !ok {
		return nil, fmt.Errorf("locking %s: %w", lock.Path(), err)
	}
	defer lock.Close()

	v, before, err := s.read()
	state := turn.NewState()
	if err == nil {
		state, err = decode(s.path(), before)
	}
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		corrupt.Aside, err = s.setAside()
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	v.State = state
	state.Arrive(time.Now(), here())
	if err := change(state); err != nil {
		v.Close()
		return nil, err
	}
	state.Version = turn.Version
	after, err := state.Encode()
	if err != nil {
		v.Close()
		return nil, fmt.Errorf("encoding state: %w", err)
	}
	if string(after) != string(before) {
		f, err := s.replace(after)
		v.Close()
		if err != nil {
			return nil, err
		}
		v = &View{State: state, file: f}
	}
	if corrupt != nil {
		return v, corrupt
	}
	return v, nil
}

// read returns the bytes of the state file and a View, in any case, that holds the file open. A missing file reads as no
// bytes. What is no file that can be read is a CorruptError: a directory, a link, a pipe, one that is closed to us or too
// large. Any other error is of the system, and passes.
func (s *Store) read() (*View, []byte, error) {
	corrupt := func(format string, args ...any) error {
		return &CorruptError{Path: s.path(), Err: fmt.Errorf(format, args...)}
	}
	f, err := os.OpenFile(s.path(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &View{}, nil, nil
	}
	if err != nil {
		fi, no := os.Lstat(s.path())
		switch {
		case no == nil && !fi.Mode().IsRegular():
			err = corrupt("not a regular file")
		case errors.Is(err, fs.ErrPermission):
			err = corrupt("%v", syscall.EACCES)
		default:
			err = fmt.Errorf("reading state: %w", err)
		}
		return &View{}, nil, err
	}
	v := &View{file: f}
	fi, err := f.Stat()
	switch {
	case err != nil:
		return v, nil, fmt.Errorf("reading state: %w", err)
	case !fi.Mode().IsRegular():
		return v, nil, corrupt("not a regular file")
	case fi.Size() > maxState:
		return v, nil, corrupt("%d bytes, which is more than a state can have", fi.Size())
	}
	data := make([]byte, fi.Size())
	if n, err := io.ReadFull(f, data); err == io.ErrUnexpectedEOF || err == io.EOF { // who writes in place is none of us
		data = data[:n]
	} else if err != nil {
		return v, nil, fmt.Errorf("reading state: %w", err)
	}
	return v, data, nil
}

// decode understands the bytes of a state file, and checks what they say. With a CorruptError it returns an empty state to
// go on with.
func decode(path string, data []byte) (*turn.State, error) {
	if data == nil {
		return turn.NewState(), nil
	}
	state := new(turn.State)
	err := json.Unmarshal(data, state)
	if err == nil && state.Version < 1 {
		err = errors.New("no version in it")
	}
	if err != nil {
		// A newer layout may not decode as ours: its version is looked at alone before it is called corrupt.
		var probe struct{ Version int }
		if json.Unmarshal(data, &probe) != nil || probe.Version <= turn.Version {
			return turn.NewState(), &CorruptError{Path: path, Err: err}
		}
		state.Version = probe.Version
	}
	if state.Version > turn.Version {
		return nil, &NewerError{Path: path, Version: state.Version, Ours: turn.Version}
	}
	if err := state.Check(); err != nil {
		return turn.NewState(), &CorruptError{Path: path, Err: err}
	}
	return state, nil
}

// setAside moves a corrupt state out of the way, under a name that says when, and forgets the oldest of those before. The
// lock must be held.
func (s *Store) setAside() (string, error) {
	const name = "state.corrupt-"
	aside := filepath.Join(s.dir, name+time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(s.path(), aside); err != nil {
		return "", fmt.Errorf("setting corrupt state aside: %w", err)
	}
	entries, _ := os.ReadDir(s.dir) // none: nothing to forget. By name, which is by age
	kept := 1
	for _, e := range slices.Backward(entries) {
		old := filepath.Join(s.dir, e.Name())
		if !strings.HasPrefix(e.Name(), name) || old == aside {
			continue
		}
		if kept++; kept > mostCorrupt {
			os.Remove(old) // a directory with something in it stays: it was not ours
		}
	}
	return aside, nil
}

// replace puts data in the place of the state file and returns it open. The lock must be held: it makes the temporary
// file's fixed name safe, and one that a crash left behind is removed.
func (s *Store) replace(data []byte) (*os.File, error) {
	name := filepath.Join(s.dir, "state.tmp")
	os.Remove(name) // whatever it is
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("writing state: %w", err)
	}
	if _, err = f.Write(data); err == nil {
		err = os.Rename(name, s.path())
	}
	if err != nil {
		f.Close()
		os.Remove(name) // so that a full disk gets its space back; the error that matters is the first
		return nil, fmt.Errorf("writing state: %w", err)
	}
	return f, nil
}
