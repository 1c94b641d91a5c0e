package lockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
func (s *Store) Owes() bool {
	dir, err := os.Open(s.owedDir())
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(1)
	return len(names) > 0
}

// pay tells pay what is owed, the oldest first, and returns by which names it is forgotten. The lock must be held.
func (s *Store) pay(state *turn.State, pay func(*turn.State, string)) (names []string) {
	entries, _ := os.ReadDir(s.owedDir()) // without it nothing is owed
	for _, e := range entries[:min(len(entries), mostOwed)] {
		names = append(names, e.Name())
		paid := false
		defer func() {
			if !paid {
				s.settled(e.Name()) // or it would panic for everybody
			}
		}()
		_, what, _ := strings.Cut(e.Name(), " ")
		pay(state, what)
		paid = true
	}
	return names
}

// settled forgets what was owed. The lock must be held.
func (s *Store) settled(names ...string) {
	for _, name := range names {
		os.Remove(filepath.Join(s.owedDir(), name))
	}
}
