package install

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"afteryou/internal/claude"
)

// The marks of what is ours in a start-up file. The first line says also what else was added, so that nothing is left.
const (
	blockBegin  = "# >>> afteryou"
	blockAlone  = " (made this file)"
	blockJoined = " (and the line end before this)"
	blockEnd    = "# <<< afteryou <<<"
)

// Shell is a shell with the file it reads at the start of an interactive session.
type Shell struct{ Name, File string }

// Shells returns the shells that get an alias and completions.
func (u User) Shells() []Shell {
	return []Shell{
		{"bash", filepath.Join(u.home(), ".bashrc")},
		{"zsh", filepath.Join(cmp.Or(u.Getenv("ZDOTDIR"), u.home()), ".zshrc")},
		{"fish", filepath.Join(cmp.Or(u.Getenv("XDG_CONFIG_HOME"), filepath.Join(u.home(), ".config")), "fish", "config.fish")},
	}
}

// Alias puts the alias into the start-up files that exist, and that of the user's own shell.
func (u User) Alias() ([]Change, error) {
	var list []Change
	known := false
	for _, s := range u.Shells() {
		was, err := read(s.File)
		if err != nil {
			return nil, err
		}
		if was == nil && filepath.Base(u.Getenv("SHELL")) != s.Name {
			continue
		}
		known = true
		c := Change{Path: s.File, mode: 0o644, home: u.home(), was: was}
		rest, err := withoutBlock(was)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.File, err)
		}
		args, note := existing(rest)
		if note != "" {
			c.Note = s.File + note
		}
		line := "alias claude=" + s.quote(u.command(s)+" run --"+args)
		// Our block stays where it is, unless another alias behind it takes its effect.
		_, behind, ok := strings.Cut(string(was), " >>>\n"+line+"\n"+blockEnd)
		if _, later := existing([]byte(behind)); ok && later == "" {
			c.will = was
		} else {
			c.will = withBlock(rest, line)
		}
		list = append(list, c)
	}
	if !known {
		return nil, fmt.Errorf("writing an alias: there is no start-up file of bash, zsh or fish\nhint: put this where your shell reads it: alias claude=%s", Shell{}.quote(u.command(Shell{})+" run --"))
	}
	return list, nil
}

// NoAlias takes the alias out of all start-up files.
func (u User) NoAlias() ([]Change, error) {
	var list []Change
	for _, s := range u.Shells() {
		was, err := read(s.File)
		if err != nil {
			return nil, err
		}
		c := Change{Path: s.File, mode: 0o644, home: u.home(), was: was}
		if c.will, err = withoutBlock(was); err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.File, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// command returns how a shell calls us: by name where that leads here, else by path.
func (u User) command(s Shell) string {
	for _, dir := range filepath.SplitList(u.Getenv("PATH")) {
		path := filepath.Join(dir, "afteryou")
		if fi, err := os.Stat(path); err == nil && filepath.IsAbs(dir) && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			if self, err := os.Stat(u.Self); err == nil && os.SameFile(self, fi) {
				return "afteryou"
			}
			break
		}
	}
	if regexp.MustCompile(`^[\w/.+@%:,-]+$`).MatchString(u.Self) {
		return u.Self
	}
	return s.quote(u.Self)
}

// quote makes text one word. Between single quotes a backslash is nothing special, but in fish.
func (s Shell) quote(text string) string {
	if s.Name == "fish" {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
	}
	return claude.Quote(text)
}

// existing looks for an alias of the user's own: ours takes its arguments over.
func existing(text []byte) (args, note string) {
	all := regexp.MustCompile(`(?m)^[ \t]*alias[ \t]+claude(?:=|[ \t]+)(.*?)\r?$`).FindAllSubmatchIndex(text, -1)
	if len(all) == 0 {
		return "", ""
	}
	at := all[len(all)-1]
	line := bytes.Count(text[:at[0]], []byte("\n")) + 1
	value := strings.TrimSpace(string(text[at[2]:at[3]]))
	if m := regexp.MustCompile(`^(?:'([^'\\]*)'|"([^"\\$` + "`" + `']*)"|([^\s'"\\$;#]+))$`).FindStringSubmatch(value); m != nil {
		program, rest, _ := strings.Cut(strings.TrimSpace(m[1]+m[2]+m[3]), " ")
		if filepath.Base(program) == "claude" && !strings.ContainsAny(rest, ";|&<>()") {
			if rest = strings.TrimSpace(rest); rest != "" {
				rest = " " + rest
			}
			return rest, fmt.Sprintf(":%d has an alias already: afteryou's comes behind it, with its arguments", line)
		}
	}
	return "", fmt.Sprintf(":%d has an alias already: afteryou's comes behind it and takes its place", line)
}

func block(added, line string) string {
	return blockBegin + added + " >>>\n" + line + "\n" + blockEnd + "\n"
}

// withBlock adds our block at the end: what comes last counts. It has Unix line ends also where the file has others:
// a shell would take the other kind for a part of the alias.
func withBlock(text []byte, line string) []byte {
	switch {
	case text == nil:
		return []byte(block(blockAlone, line))
	case len(text) > 0 && text[len(text)-1] != '\n':
		return []byte(string(text) + "\n" + block(blockJoined, line))
	}
	return []byte(string(text) + block("", line))
}

// withoutBlock takes our blocks out. A nil text is no file.
func withoutBlock(text []byte) ([]byte, error) {
	rest := string(text)
	for {
		begin := index(rest, blockBegin)
		if begin < 0 {
			break
		}
		length := index(rest[begin:], blockEnd)
		if length < 0 {
			return nil, errors.New("the line " + blockEnd + " is missing\nhint: remove our alias by hand")
		}
		head, _, _ := strings.Cut(rest[begin:], "\n")
		before, behind := rest[:begin], rest[begin+length+len(blockEnd):]
		behind = strings.TrimPrefix(strings.TrimPrefix(behind, "\r"), "\n")
		rest = before + behind
		switch {
		case strings.Contains(head, blockAlone) && rest == "":
			return nil, nil
		case strings.Contains(head, blockJoined) && behind == "":
			rest = strings.TrimSuffix(before, "\n")
		}
		text = []byte(rest)
	}
	return text, nil
}

// index finds a line that begins with mark.
func index(text, mark string) int {
	if strings.HasPrefix(text, mark) {
		return 0
	}
	if i := strings.Index(text, "\n"+mark); i >= 0 {
		return i + 1
	}
	return -1
}
