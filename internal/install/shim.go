package install

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"afteryou/internal/claude"
)

// Shim puts a link named claude into dir, or, where dir is empty, into the first directory of the home that stands on
// PATH before that of the real Claude Code. It takes nobody's place.
func (u User) Shim(dir string) (Change, error) {
	real, err := claude.Find(u.Self, u.Getenv)
	if err != nil {
		return Change{}, err
	}
	dirs := []string{dir}
	if dir == "" {
		dirs = u.before(real.Path)
	}
	for _, d := range dirs {
		path := filepath.Join(d, "claude")
		_, err := os.Lstat(path)
		switch {
		case u.isShim(path):
			return Change{Path: path}, nil
		case err == nil && dir != "":
			return Change{}, fmt.Errorf("putting up a link: %s is there already, and not ours\nhint: choose another directory with --dir", path)
		case err == nil:
			continue
		case dir == "" && unix.Access(d, unix.W_OK) != nil:
			continue
		}
		c := Change{Path: path, link: u.Self}
		if dir != "" && !u.precedes(dir, real.Path) {
			c.Note = fmt.Sprintf("%s is not on PATH before %s: put it there, or the link has no effect", dir, filepath.Dir(real.Path))
		}
		return c, nil
	}
	return Change{}, fmt.Errorf("putting up a link: no directory of yours stands on PATH before %s\nhint: choose one with --dir, and put it first on PATH", filepath.Dir(real.Path))
}

// NoShim takes our links named claude down, on PATH and in dir.
func (u User) NoShim(dir string) []Change {
	var list []Change
	seen := make(map[string]bool)
	for _, d := range append(filepath.SplitList(u.Getenv("PATH")), dir) {
		path := filepath.Join(d, "claude")
		if !filepath.IsAbs(path) || seen[path] || !u.isShim(path) {
			continue
		}
		seen[path] = true
		to, err := os.Readlink(path)
		if err != nil {
			continue // gone since
		}
		list = append(list, Change{Path: path, link: to, unlink: true})
	}
	return list
}

// before returns the directories of the home on PATH before that of path.
func (u User) before(path string) (dirs []string) {
	for _, d := range filepath.SplitList(u.Getenv("PATH")) {
		if d == filepath.Dir(path) {
			break
		}
		if rel, err := filepath.Rel(u.home(), d); filepath.IsAbs(d) && err == nil && filepath.IsLocal(rel) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// precedes reports whether dir stands on PATH before the directory of path.
func (u User) precedes(dir, path string) bool {
	for _, d := range filepath.SplitList(u.Getenv("PATH")) {
		switch filepath.Clean(d) {
		case filepath.Clean(dir):
			return true
		case filepath.Dir(path):
			return false
		}
	}
	return false
}

// isShim reports whether path is a link to afteryou, this one or one that is gone.
func (u User) isShim(path string) bool {
	to, err := os.Readlink(path)
	return err == nil && (to == u.Self || filepath.Base(to) == "afteryou")
}
