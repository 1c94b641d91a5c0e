package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"

	"afteryou/internal/claude"
	"afteryou/internal/install"
)

// targets are what install puts somewhere.
func targets() []string { return []string{"hooks", "alias", "completions", "shim"} }

// installation is what is to be put into place, or taken from there.
type installation struct {
	call
	name      string   // of the command
	away      bool     // it is taken from there
	what      []string // targets, or all
	dir       string   // of the shim; empty: a good one
	long      bool     // hooks come with the long wait
	dry, sure bool     // change nothing; do not ask
}

func installCommand() command {
	c, i := installer("install")
	c.args, c.summary = "[hooks|alias|completions|shim|all] [--dry-run] [--yes]", "module and hooks for every session, and an alias"
	c.about = "hooks go into Claude Code's settings, and a module to where Claude Code 2.1.286 and later finds it, so that sessions take turns however they are started; --watchdog puts CLAUDE_CODE_RETRY_WATCHDOG there too, as run does for a session without the module. " +
		"alias makes claude mean afteryou run in bash, zsh and fish. shim does the same by a link named claude earlier on PATH. " +
		"completions go to where bash, zsh and fish look for them. " +
		"all, and nothing said, is hooks, alias and completions. The changes are shown, and made once you agree."
	c.example = "afteryou install --dry-run"
	c.options = append(c.options, toggle(&i.long, "watchdog", "with hooks: every session waits out a limit of any length, however it is started"))
	return c
}

func uninstallCommand() command {
	c, i := installer("uninstall")
	i.away = true
	c.args, c.summary = "[hooks|alias|completions|shim|all] [--dry-run] [--yes]", "take them away again"
	c.about = "Every file is as it was before, to the byte, or as you changed it meanwhile."
	c.example = "afteryou uninstall all --yes"
	return c
}

// installer is what both commands have in common.
func installer(name string) (command, *installation) {
	i := &installation{name: name}
	return command{
		name: name, words: append(targets(), "all"),
		options: []option{
			toggle(&i.dry, "dry-run", "show what would change, and change nothing"),
			toggle(&i.sure, "yes", "do not ask"),
			text(&i.dir, "dir", "DIR", "directory of the shim; without it the first on PATH before the real claude's"),
		},
		run: func(c call) (int, error) {
			i.call, i.what = c, c.args
			if len(i.what) == 0 {
				i.what = []string{"all"}
			}
			return i.run()
		},
	}, i
}

// has reports whether the person named a target, or all.
func (i installation) has(target string) bool {
	return slices.Contains(i.what, target) || slices.Contains(i.what, "all")
}

// run works the changes out, shows them, asks, and makes them.
func (i installation) run() (int, error) {
	if i.long && !i.has("hooks") {
		return exitUsage, errors.New("--watchdog goes with hooks")
	}
	changes, code, err := i.changes()
	if err != nil {
		return exitFailure, err
	}
	if len(changes) == 0 {
		if code == 0 {
			i.note("nothing to %s: %s", i.name, strings.Join(i.what, ", "))
		}
		return code, nil
	}
	for _, c := range changes {
		fmt.Fprint(i.text(), c.Diff())
		if c.Note != "" {
			i.note("note: %s", c.Note)
		}
	}
	if i.dry {
		return 0, nil
	}
	if err := i.ask(); err != nil {
		return exitFailure, err
	}
	for _, c := range changes {
		if err := c.Apply(); err != nil {
			return exitFailure, err
		}
		i.note("%s", c.Done())
	}
	switch {
	case i.has("alias") && i.away:
		fmt.Fprintln(i.errs, "hint: shells that are open keep the alias: unalias claude")
	case i.has("alias"):
		fmt.Fprintln(i.errs, "hint: the alias is there in every new shell")
	}
	return code, nil
}

// changes works out what changes. What can be taken away is, though something can't: then exit is no success.
func (i installation) changes() (changes []install.Change, exit int, err error) {
	u, err := user()
	if err != nil {
		return nil, exitFailure, err
	}
	if i.dir != "" {
		if i.dir, err = filepath.Abs(i.dir); err != nil {
			return nil, exitFailure, err
		}
	}
	for _, target := range targets() {
		// An alias and a shim do the same: all puts up one of them, and takes down both.
		if !i.has(target) || target == "shim" && !i.away && !slices.Contains(i.what, target) {
			continue
		}
		list, err := i.plan(u, target)
		switch {
		case err != nil && !i.away:
			return nil, exitFailure, err
		case err != nil:
			i.say(err)
			exit = exitFailure
		}
		changes = append(changes, list...)
	}
	return slices.DeleteFunc(changes, install.Change.Empty), exit, nil
}

func (i installation) plan(u install.User, target string) ([]install.Change, error) {
	one := func(c install.Change, err error) ([]install.Change, error) { return []install.Change{c}, err }
	switch {
	case target == "alias" && i.away:
		return u.NoAlias()
	case target == "alias":
		return u.Alias()
	case target == "completions" && i.away:
		return u.NoCompletions()
	case target == "completions":
		return u.Completions(func(shell string) string { return completions(shell, i.commands) })
	case target == "shim" && i.away:
		return u.NoShim(i.dir), nil
	case target == "shim":
		return one(u.Shim(i.dir))
	case i.away:
		list := u.NoModule(dataDir())
		c, err := u.NoHooks()
		return append(list, c), err
	}
	s, err := loadSettings()
	if err != nil {
		return nil, err
	}
	bin, err := claude.Find(u.Self, s.Getenv(os.Getenv))
	if err != nil {
		return nil, err
	}
	v, err := bin.Version(cacheDir())
	if err != nil {
		return nil, fmt.Errorf("%w\nhint: hooks are written for the version that is installed", err)
	}
	c, err := u.Hooks(v, i.long)
	if err != nil || !s.Module {
		return append(u.NoModule(dataDir()), c), err
	}
	m, err := u.Module(dataDir())
	return []install.Change{c, m}, err
}

// ask asks the person, unless told not to. An error is a no.
func (i installation) ask() error {
	if i.sure {
		return nil
	}
	if !isatty.IsTerminal(i.in.Fd()) || !isatty.IsTerminal(i.errs.Fd()) {
		return errors.New("nothing was changed: there is no terminal to ask\nhint: --yes makes these changes, --dry-run only shows them")
	}
	fmt.Fprint(i.errs, "make these changes? [y/N] ")
	answer, err := bufio.NewReader(i.in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(i.errs)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}
