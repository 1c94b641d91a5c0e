// Package install puts afteryou to where the person meets it, and takes it away again: our hooks in Claude Code's
// settings, an alias in the start-up files of shells, a link named claude on PATH.
//
// It works out changes first; nothing is written until [Change.Apply]. What is ours in a file is marked or recognized,
// so that taking it out leaves the file as it was, byte for byte, or with what the person changed meanwhile. It asks
// nobody and prints nothing.
package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// User is the person in whose home things are put.
type User struct {
	Self   string // our executable, absolute, as it is to be called
	Getenv func(string) string
}

func (u User) home() string { return u.Getenv("HOME") }

// Change is a file that is to become another. The zero Change changes nothing.
type Change struct {
	Path string // as the person knows it; what a symlink there points to is changed, not the link
	Note string // what the person should know beside it

	// Contents; nil is no file.
	was, will []byte
	mode      fs.FileMode // of a new file
	home      string      // empty directories in it go with the file
	backup    string      // where the file as it was is kept; empty: nowhere
	drop      string      // a backup that is no longer needed
	link      string      // the file is a link of ours to there, put up or taken away
	old       string      // where the link leads that is there already
	unlink    bool
	tree      bool         // it is a directory of ours, to be removed
	prepare   func() error // makes what the link leads to
	whole     bool         // the file is ours from end to end, and nobody's to read
}

// Append puts settings behind those that the file at path holds, or before them where it has tables: behind those they would be
// the last one's. A file that is not there yet is made for its owner alone.
func Append(path, text string) (Change, error) {
	was, err := read(path)
	if err != nil {
		return Change{}, err
	}
	c := Change{Path: path, mode: 0o600, was: was, will: was}
	if text == "" {
		return c, nil
	}
	if bytes.Contains(append([]byte("\n"), was...), []byte("\n[")) {
		c.will = append([]byte(text), was...)
		return c, nil
	}
	if len(was) > 0 && was[len(was)-1] != '\n' {
		text = "\n" + text
	}
	c.will = append(bytes.Clone(was), text...)
	return c, nil
}

// Empty reports that there is nothing to do.
func (c Change) Empty() bool {
	return c.link == "" && !c.tree && c.drop == "" && bytes.Equal(c.was, c.will) && (c.was == nil) == (c.will == nil)
}

// Apply writes the change. A file is replaced at once or not at all, with its mode and owner kept. A file that changed
// since the change was worked out is left alone.
func (c Change) Apply() error {
	switch {
	case c.Empty():
		return nil
	case c.tree:
		err := removeTree(c.Path)
		c.tidy(c.Path)
		return err
	case c.unlink:
		err := os.Remove(c.Path)
		c.tidy(c.Path)
		return err
	case c.prepare != nil:
		if err := c.prepare(); err != nil {
			return err
		}
		return relink(c.link, c.Path)
	case c.link != "":
		return os.Symlink(c.link, c.Path)
	}
	path, err := follow(c.Path)
	if err != nil {
		return err
	}
	// A program that writes between this look and the rename loses its change; it would take the same chance with us.
	now, err := read(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, c.was) || (now == nil) != (c.was == nil) {
		return fmt.Errorf("writing %s: it was changed meanwhile\nhint: try again", c.Path)
	}
	if c.backup != "" {
		if err := replace(c.backup, path, c.was, 0o600); err != nil {
			return fmt.Errorf("keeping a copy of %s: %w", c.Path, err)
		}
	}
	if c.will == nil {
		if err := os.Remove(path); err != nil {
			return err
		}
		c.tidy(path)
	} else if !bytes.Equal(c.was, c.will) || c.was == nil {
		if err := os.MkdirAll(filepath.Dir(path), c.mode|c.mode&0o444>>2); err != nil {
			return err
		}
		if err := replace(path, path, c.will, c.mode); err != nil {
			return fmt.Errorf("writing %s: %w", c.Path, err)
		}
	}
	if c.drop != "" {
		return os.Remove(c.drop)
	}
	return nil
}

// tidy removes the directories of the home that held nothing but path: they were made with it.
func (c Change) tidy(path string) {
	for dir := filepath.Dir(path); c.home != "" && strings.HasPrefix(dir, c.home+"/") && os.Remove(dir) == nil; {
		dir = filepath.Dir(dir)
	}
}

// read returns the content of the file at path, nil where there is none.
func read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, err
}

// follow returns the file that path leads to, whether it is there or not.
func follow(path string) (string, error) {
	for range 40 { // as many as Linux follows
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link, or nothing
		}
		if !filepath.IsAbs(to) {
			// The directory may be reached by a link itself: its parent is not that of the name.
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return "", fmt.Errorf("following %s: too many links", path)
}

// replace puts data at path, whole or not at all, with the mode and owner of the file at like, or mode where there is
// none.
func replace(path, like string, data []byte, mode fs.FileMode) error {
	owner := -1
	group := -1
	switch fi, err := os.Stat(like); {
	case err == nil && !fi.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", like)
	case err == nil:
		mode = fi.Mode().Perm()
		if s, ok := fi.Sys().(*syscall.Stat_t); ok {
			owner, group = int(s.Uid), int(s.Gid)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".afteryou-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	_, err = f.Write(data)
	if err == nil && owner >= 0 {
		err = own(f, owner, group)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// own gives f to that owner and group, unless it is theirs already: only root may.
func own(f *os.File, owner, group int) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if s, ok := fi.Sys().(*syscall.Stat_t); ok && int(s.Uid) == owner && int(s.Gid) == group {
		return nil
	}
	return f.Chown(owner, group)
}

// Done returns in a few words what Apply did.
func (c Change) Done() string {
	switch {
	case c.tree, c.unlink, c.will == nil && c.link == "":
		return "removed " + c.Path
	case c.link != "":
		return "linked " + c.Path
	case c.was == nil:
		return "made " + c.Path
	case c.backup != "":
		return "changed " + c.Path + "; as it was: " + c.backup
	}
	return "changed " + c.Path
}
