package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"afteryou/internal/claude"
	"afteryou/plugin"
)

// Module puts a link to our plugin, unpacked below data, to where every session finds it: those of editors and of the SDK too.
// Versions that know no such place, and sessions that load no modules, pass over it without a word (2.0.76 to 2.1.332).
// An interactive session that runs while the link gets another target loads that one, and says so in a line.
func (u User) Module(data string) (Change, error) {
	name, err := plugin.Name(u.Self)
	if err != nil {
		return Change{}, err
	}
	path, dir := claude.SkillLink(u.Getenv), filepath.Join(data, name)
	old, ours := u.moduleLink()
	if _, err := os.Lstat(path); err == nil && !ours {
		return Change{}, fmt.Errorf("putting up the module: %s is there already, and not ours\nhint: move it away", path)
	}
	if _, err := os.Stat(dir); err == nil && old == dir {
		return Change{Path: path}, nil
	}
	return Change{Path: path, link: dir, old: old, prepare: func() error {
		_, err := plugin.Unpack(data, u.Self, old)
		return err
	}}, nil
}

// NoModule takes the link away, and what was unpacked below data.
func (u User) NoModule(data string) (list []Change) {
	if to, ours := u.moduleLink(); ours {
		list = append(list, Change{Path: claude.SkillLink(u.Getenv), link: to, unlink: true, home: u.home()})
	}
	for _, dir := range plugin.Unpacked(data) {
		list = append(list, Change{Path: dir, tree: true, home: u.home()})
	}
	return list
}

// moduleLink returns where the link to our plugin leads, and whether it is there.
func (u User) moduleLink() (to string, ours bool) {
	to, err := os.Readlink(claude.SkillLink(u.Getenv))
	return to, err == nil && filepath.Base(filepath.Dir(to)) == "afteryou" && strings.HasPrefix(filepath.Base(to), plugin.Prefix)
}

// HasModule reports whether the link is there and leads to the plugin of this program, and whether to any of ours.
func (u User) HasModule() (right, any bool) {
	to, ours := u.moduleLink()
	name, err := plugin.Name(u.Self)
	if !ours || err != nil {
		return false, ours
	}
	_, err = os.Stat(to)
	return err == nil && filepath.Base(to) == name, true
}

// relink puts a link to the target at path, in place of one that is there, at once.
func relink(target, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.new-%d", path, os.Getpid())
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return nil
}

// removeTree removes a directory that was unpacked. One that another has removed meanwhile is no error.
func removeTree(path string) error {
	if err := plugin.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
