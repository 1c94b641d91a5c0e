package lockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"afteryou/internal/turn"
)

// mostOwed bounds how many changes are paid at once: 500 sessions with all their subagents give back fewer turns while one
// lock is busy.
const mostOwed = 10_000

func (s *Store) owedDir() string { return filepath.Join(s.dir, "owed") }

// Owe keeps a change that can't be made now: whoever makes the next one by [Store.Settle] makes it too. It takes no lock. What
// it is stands in the name of an empty file, and may hold what such a name may; so it comes into being whole, and needs no
// room on a disk that is full.
func (s *Store) Owe(what string) error {
	for {
		path := filepath.Join(s.owedDir(), fmt.Sprintf("%016x %s", time.Now().UnixNano(), what))
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		switch {
		case err == nil:
			return f.Close()
		case !errors.Is(err, fs.ErrExist): // another had the same to tell, in the same moment
			return fmt.Errorf("keeping what is owed to the state: %w", err)
		}
	}
}

// Owes says whether anything is owed.
func (s *Store) Owes() bool { return len(s.owed(1)) > 0 }

// owed returns the names of what is owed, most of them at most; of what is no directory none.
func (s *Store) owed(most int) (names []string) {
	dir, err := os.OpenFile(s.owedDir(), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ = dir.Readdirnames(most) // as far as they can be read
	return names
}

// pay tells pay what is owed, the oldest first, and returns by which names it is forgotten. The lock must be held.
func (s *Store) pay(state *turn.State, pay func(*turn.State, string)) (names []string) {
	names = s.owed(mostOwed)
	slices.Sort(names)
	paying := ""
	defer func() {
		if paying != "" {
			s.settled(paying) // or it would panic for everybody
		}
	}()
	for _, paying = range names {
		_, what, _ := strings.Cut(paying, " ")
		pay(state, what)
	}
	paying = ""
	return names
}

// settled forgets what was owed. The lock must be held.
func (s *Store) settled(names ...string) {
	for _, name := range names {
		os.Remove(filepath.Join(s.owedDir(), name))
	}
}
