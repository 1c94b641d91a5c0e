// Package lockfile keeps the state that all sessions of one user share: one small JSON file, guarded by one flock.
//
// The lock and the data are two files. Whoever changes the state takes the lock, reads, changes, writes a temporary
// file in the same directory, renames it into place and lets go; the lock is never held across a sleep, a prompt or a
// child. Readers need no lock: a rename is atomic, so they see one whole state or the next. A crash at any point leaves
// the old state or the new one and an unlocked lock. Nothing is synced to the disk: a power cut may lose the last
// seconds, and no session outlives it to miss them.
//
// The package also says whether processes are alive, rings for those that wait, and keeps what is owed to the state while
// nobody can write it. What the state means is package turn's business.
package lockfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"afteryou/internal/oldstate"
	"afteryou/internal/turn"
)

// maxState bounds what is read as state, in bytes. A real one is some kilobytes, one of 500 sessions that wait 400; a file
// beyond this is not ours.
const maxState = 4 << 20

// mostCorrupt is how many states that were set aside are kept, the latest.
const mostCorrupt = 3

// Store is the state of one user in one directory.
type Store struct {
	dir  string
	seed maphash.Seed

	got chan attempt // the lock, for one of those who want it; holds one

	mu     sync.Mutex
	wanted int  // by how many the lock is wanted
	queued bool // a goroutine waits for it
	bells  map[*Bell]bool
	pipe   *os.File // on which they hang; nil: there is none
}

// View is one state, as it stood in the file at one moment.
type View struct {
	State *turn.State
	// file is what the state was read from or written to; nil where there was none. While it is open its inode is not
	// used again, so that "another inode stands at the path" means "the state was replaced", whatever the clock's grain.
	file *os.File
	info os.FileInfo
	sum  uint64 // of the bytes in the file
}

// Close lets go of the file behind the view. The State stays good. A nil view has none.
func (v *View) Close() {
	if v != nil && v.file != nil {
		v.file.Close()
		v.file = nil
	}
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
	s := &Store{dir: dir, seed: maphash.MakeSeed(), got: make(chan attempt, 1)}
	os.Mkdir(s.owedDir(), 0o700) // while there is room for it; it is there, as a rule
	return s, nil
}

// Dir is the directory of the store.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path() string { return filepath.Join(s.dir, "state.json") }

// View reads the state as it is now, without the lock. The caller must close the View. A state that does not exist yet is
// empty; a corrupt one is a [CorruptError] with nothing set aside, since only a change may do that.
func (s *Store) View() (*View, error) {
	v, data, err := s.read()
	if err == nil {
		v.sum = maphash.Bytes(s.seed, data)
		v.State, err = decode(s.path(), data)
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	v.State.Arrive(time.Now(), here())
	return v, nil
}

// Replaced says whether the state is another by now than that of the view, which must be open. It costs one look at the
// file.
func (s *Store) Replaced(v *View) bool {
	now := s.stat()
	if v.info == nil || now == nil {
		return v.info != nil || now != nil
	}
	return !same(v.info, now)
}

// Unchanged says whether the view's state is still, to the byte, what the file had when it was read or written.
func (s *Store) Unchanged(v *View) bool {
	data, err := v.State.Encode()
	return err == nil && maphash.Bytes(s.seed, data) == v.sum
}

// Update lets change work on the state, alone among all processes, and returns the state that it left. It waits for the lock
// for as long as others make progress, less if ctx ends before; with a ctx that ended already it does so only where the lock
// is free. Where change leaves the state as it was nothing is written; where it returns an error, nothing is written either.
// With a [CorruptError] the change was made and kept.
//
// What is written is of this program's layout and says so: a field that it does not know is dropped. So a field may come
// or go within a layout only where its loss does no harm; else [turn.Version] is raised, and an older program leaves the
// state alone.
func (s *Store) Update(ctx context.Context, change func(*turn.State) error) (*View, error) {
	v, _ := s.View() // what is wrong with it is found again under the lock
	unlock, err := s.lock(ctx)
	if err != nil {
		v.Close()
		return nil, err
	}
	defer unlock()
	return s.change(v, nil, change)
}

// Settle is Update that holds the lock for as short as can be, and makes what is owed (see [Store.Owe]) as well.
//
// The change is made on the state of v, before the lock is taken; v must be as it was read and is used up. Where the state was
// replaced meanwhile, v is nil or something is owed, the change is made anew under the lock: so it may be called twice, and
// all that counts is the last time. Before it, pay gets what is owed, one by one, the oldest first. That is forgotten once
// the state is written; that over which pay panics at once.
func (s *Store) Settle(ctx context.Context, v *View, pay func(*turn.State, string), change func(*turn.State)) (*View, error) {
	if v == nil {
		v, _ = s.View()
	}
	var ready []byte
	if v != nil && !s.Owes() {
		change(v.State)
		ready, _ = v.encode() // what is wrong with it is found again under the lock
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		v.Close()
		return nil, err
	}
	defer unlock()
	if ready != nil && !s.Replaced(v) && !s.Owes() {
		return s.write(v, ready)
	}
	v.Close()
	return s.change(nil, pay, func(state *turn.State) error { change(state); return nil })
}

// change is the part of Update that needs the lock.
func (s *Store) change(v *View, pay func(*turn.State, string), change func(*turn.State) error) (*View, error) {
	var err error
	if v == nil || s.Replaced(v) {
		v.Close()
		v, err = s.View()
	}
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		corrupt.Aside, err = s.setAside()
		v = &View{State: turn.NewState()}
		v.State.Arrive(time.Now(), here())
	}
	if err != nil {
		return nil, err
	}
	var names []string
	if pay != nil {
		names = s.pay(v.State, pay)
	}
	var data []byte
	if err = change(v.State); err == nil {
		data, err = v.encode()
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	if v, err = s.write(v, data); err != nil {
		return nil, err
	}
	s.settled(names...)
	if corrupt != nil {
		return v, corrupt
	}
	return v, nil
}

// encode is the view's state as it is to be written.
func (v *View) encode() ([]byte, error) {
	v.State.Version = turn.Version
	data, err := v.State.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding state: %w", err)
	}
	return data, nil
}

// write puts data, which is the view's state, in the place of the file, where it is another, and returns the view of that.
// The lock must be held.
func (s *Store) write(v *View, data []byte) (*View, error) {
	sum := maphash.Bytes(s.seed, data)
	if v.file != nil && sum == v.sum {
		return v, nil
	}
	defer v.Close()
	f, err := s.replace(data)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("looking at state: %w", err)
	}
	return &View{State: v.State, file: f, info: info, sum: sum}, nil
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
	fi, err := f.Stat()
	v := &View{file: f, info: fi}
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
	if err == nil && state.Version == oldstate.Version {
		state, err = oldstate.Read(data)
	}
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
