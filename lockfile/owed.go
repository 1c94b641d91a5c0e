package lockfile

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"afteryou/internal/turn"
)

// mostOwed bounds how many changes are kept that are owed to the state: 500 sessions with all their subagents give back
// fewer turns while one lock is busy.
const mostOwed = 10_000

func (s *Store) owedDir() string { return filepath.Join(s.dir, "owed") }

// Owe keeps a change, told in a few words, that can't be made now: whoever makes the next one by [Store.Settle] makes it too.
// It takes no lock. The words are the target of a symbolic link, which comes into being whole, and needs no room on a
// disk that is full where they are short.
func (s *Store) Owe(what string) error {
	name := fmt.Sprintf("%016x-%x", time.Now().UnixNano(), os.Getpid())
	for try := 0; ; try++ {
		err := os.Symlink(what, filepath.Join(s.owedDir(), fmt.Sprintf("%s-%d", name, try)))
		switch {
		case err == nil:
			return nil
		case try >= 10:
			return fmt.Errorf("keeping what is owed to the state: %w", err)
		case os.IsNotExist(err): // who settles the last one removes the directory
			os.Mkdir(s.owedDir(), 0o700)
		}
	}
}

// Owes says whether anything is owed.
func (s *Store) Owes() bool {
	_, err := os.Lstat(s.owedDir())
	return err == nil
}

// pay tells pay what is owed, the oldest first, and returns by which names it is forgotten. The lock must be held.
func (s *Store) pay(state *turn.State, pay func(*turn.State, string)) (names []string) {
	entries, err := os.ReadDir(s.owedDir())
	if err == nil && len(entries) == 0 {
		os.Remove(s.owedDir()) // somebody made it in vain
	}
	for _, e := range entries[:min(len(entries), mostOwed)] {
		names = append(names, e.Name())
		if what, err := os.Readlink(filepath.Join(s.owedDir(), e.Name())); err == nil { // else it is none of ours
			paid := false
			defer func() {
				if !paid {
					s.settled(e.Name()) // or it would panic for everybody
				}
			}()
			pay(state, what)
			paid = true
		}
	}
	return names
}

// settled forgets what was owed. The lock must be held.
func (s *Store) settled(names ...string) {
	for _, name := range names {
		os.Remove(filepath.Join(s.owedDir(), name))
	}
	if len(names) > 0 {
		os.Remove(s.owedDir()) // unless there is more already
	}
}
