// Package usage adds up what the transcripts of Claude Code tell of its requests: how many there were, and what they took
// in tokens.
//
// A request counts once, in the session that made it, though its answer is written in several rows, and again into the
// transcript of each session that was forked from that one. Only answered requests count, as they do at the API. It
// knows nothing of what Claude Code does not write down: compactions, titles and the like (2.1.330).
package usage

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/price"
)

// Call is one answered request.
type Call struct {
	ID         string // of the answer
	At         time.Time
	Session    string
	Dir        string
	Unattended bool // -p, or an SDK
	Model      string
	Usage      claude.Usage
	own        bool // told by the transcript of the session itself

	cost     price.USD
	unpriced bool // nobody says what its model costs
}

// Read reads the requests since a time from the transcripts of all projects under Claude Code's directory config, in the
// order of their times. Files that did not change since then are not opened; one that can't be read is in the error,
// and the others are read all the same.
func Read(config string, since time.Time) ([]Call, error) {
	paths, err := changed(filepath.Join(config, "projects"), since)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var wrong []error
	all := make(map[string]Call)
	next := make(chan string)
	var readers sync.WaitGroup
	for range min(len(paths), runtime.GOMAXPROCS(0)) {
		readers.Go(func() {
			for path := range next {
				calls, err := read(path)
				mu.Lock()
				if err != nil {
					wrong = append(wrong, err)
				}
				for id, c := range calls {
					if known, ok := all[id]; ok {
						c = merge(known, c)
					}
					all[id] = c
				}
				mu.Unlock()
			}
		})
	}
	for _, path := range paths {
		next <- path
	}
	close(next)
	readers.Wait()
	var list []Call
	for _, c := range all {
		if !c.At.Before(since) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Call) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return list, errors.Join(wrong...)
}

// changed returns the transcripts under root that were written to since a time, subagents' included.
func changed(root string, since time.Time) (paths []string, err error) {
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // none yet, or gone just now
		}
		if err != nil {
			return err
		}
		if d.IsDir() || !strings.HasSuffix(path, ".jsonl") {
			return nil
		}
		fi, err := os.Stat(path) // of a symlink, what it leads to
		if err == nil && fi.Mode().IsRegular() && !fi.ModTime().Before(since) {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for transcripts: %w", err)
	}
	return paths, nil
}

func read(path string) (map[string]Call, error) {
	calls := make(map[string]Call)
	sent := make(map[string]time.Time)
	session := strings.TrimSuffix(filepath.Base(path), ".jsonl")
	_, err := claude.ReadRows(path, 0, 0, func(r claude.Row) {
		switch {
		case r.Kind == claude.Request:
			sent[r.RequestID] = r.At
		case r.Kind == claude.Answer && r.MessageID != "":
			c := Call{ID: r.MessageID, At: r.At, Session: r.Session, Dir: r.Dir, Unattended: r.Unattended, Model: r.Model, Usage: r.Usage,
				own: r.Sidechain || r.Session == session}
			if at, ok := sent[r.RequestID]; ok && r.RequestID != "" {
				c.At = at
			}
			if known, ok := calls[c.ID]; ok {
				c = merge(known, c)
			}
			calls[c.ID] = c
		}
	})
	return calls, err
}

// merge joins two rows of one answer, or two transcripts': the last row has all of the output, and the session's own
// transcript knows best when the request was sent.
func merge(a, b Call) Call {
	if b.own && !a.own || a.own == b.own && b.At.Before(a.At) {
		a, b = b, a
	}
	a.Usage = a.Usage.Merge(b.Usage)
	return a
}
