package install

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
)

// completionMark stands in each file of ours. Above it there is at most what the shell wants on the first line.
const completionMark = "# completions of afteryou for "

// completion returns where a shell looks for a user's completions of afteryou.
func (u User) completion(s Shell) string {
	data := cmp.Or(u.Getenv("XDG_DATA_HOME"), filepath.Join(u.home(), ".local", "share"))
	switch s.Name {
	case "fish":
		return filepath.Join(filepath.Dir(s.File), "completions", "afteryou.fish")
	case "zsh": // zsh itself has no such place: this is the one that programs agree on
		return filepath.Join(data, "zsh", "site-functions", "_afteryou")
	}
	if dir := u.Getenv("BASH_COMPLETION_USER_DIR"); dir != "" {
		return filepath.Join(dir, "completions", "afteryou")
	}
	return filepath.Join(data, "bash-completion", "completions", "afteryou")
}

// Completions puts the completions for the shells that the person has a start-up file for, and that of their own shell,
// to where these look for them. script makes them.
func (u User) Completions(script func(shell string) string) ([]Change, error) {
	var list []Change
	for _, s := range u.Shells() {
		startup, err := read(s.File)
		if err != nil {
			return nil, err
		}
		if startup == nil && filepath.Base(u.Getenv("SHELL")) != s.Name {
			continue
		}
		c := Change{Path: u.completion(s), mode: 0o644, home: u.home(), whole: true, will: []byte(script(s.Name))}
		if c.was, err = read(c.Path); err != nil {
			return nil, err
		}
		if c.was != nil && !ourCompletion(c.was) {
			return nil, fmt.Errorf("writing %s: it is there already, and not ours", c.Path)
		}
		if dir := filepath.Dir(c.Path); s.Name == "zsh" && !bytes.Contains(startup, []byte("zsh/site-functions")) {
			c.Note = fmt.Sprintf("zsh finds %s with this in %s, before compinit: fpath+=(%s)", c.Path, s.File, s.quote(dir))
		}
		list = append(list, c)
	}
	return list, nil
}

// NoCompletions takes them away.
func (u User) NoCompletions() ([]Change, error) {
	var list []Change
	for _, s := range u.Shells() {
		c := Change{Path: u.completion(s), mode: 0o644, home: u.home(), whole: true}
		var err error
		if c.was, err = read(c.Path); err != nil {
			return nil, err
		}
		if ourCompletion(c.was) {
			list = append(list, c)
		}
	}
	return list, nil
}

func ourCompletion(text []byte) bool {
	first, rest, _ := strings.Cut(string(text), "\n")
	return strings.HasPrefix(first, completionMark) || first == "#compdef afteryou" && strings.HasPrefix(rest, completionMark)
}
