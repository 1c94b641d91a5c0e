package cli

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adrg/xdg"
	"github.com/mattn/go-isatty"

	"afteryou/internal/claude"
	"afteryou/internal/install"
)

// targets are what install puts somewhere; all is the first of them.
var targets = [...]string{"hooks", "alias", "completions", "shim"}

// runInstall puts hooks, alias, completions or shim into place, or with away takes them from there.
func runInstall(args []string, away bool, in, out, errs *os.File) (int, error) {
	name := "install"
	if away {
		name = "uninstall"
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	dry := flags.Bool("dry-run", false, "show what would change, and change nothing")
	yes := flags.Bool("yes", false, "do not ask")
	dir := flags.String("dir", "", "directory for the shim")
	long := false
	if !away {
		flags.BoolVar(&long, "watchdog", false, "with hooks: every session waits out a limit of any length")
	}
	what, code, ok := words(flags, asked(flags, args, errs))
	if !ok {
		return code, nil
	}
	if long && !slices.Contains(what, "hooks") && !slices.Contains(what, "all") {
		return exitUsage, errors.New("--watchdog goes with hooks")
	}
	u, err := user()
	if err != nil {
		return exitFailure, err
	}
	var changes []install.Change
	failed := false
	for _, t := range targets {
		// An alias and a shim do the same: all puts up one of them, and takes down both.
		if !slices.Contains(what, t) && !(slices.Contains(what, "all") && (t != "shim" || away)) {
			continue
		}
		list, err := plan(u, t, *dir, long, away)
		switch {
		case err != nil && away: // take away what can be
			say(errs, err)
			failed = true
		case err != nil:
			return exitFailure, err
		}
		changes = append(changes, list...)
	}
	changes = slices.DeleteFunc(changes, install.Change.Empty)
	if len(changes) == 0 {
		if failed {
			return exitFailure, nil
		}
		fmt.Fprintf(errs, "afteryou: nothing to %s: %s\n", name, strings.Join(what, ", "))
		return 0, nil
	}
	for _, c := range changes {
		fmt.Fprint(printing{out}, c.Diff())
		if c.Note != "" {
			fmt.Fprintln(printing{errs}, "afteryou: note:", c.Note)
		}
	}
	switch {
	case *dry:
		return 0, nil
	case *yes:
	case !isatty.IsTerminal(in.Fd()) || !isatty.IsTerminal(errs.Fd()):
		return exitFailure, errors.New("nothing was changed: there is no terminal to ask\nhint: --yes makes these changes, --dry-run only shows them")
	case !confirm(in, errs):
		return exitFailure, errors.New("nothing was changed")
	}
	for _, c := range changes {
		if err := c.Apply(); err != nil {
			return exitFailure, err
		}
		fmt.Fprintln(printing{errs}, "afteryou:", c.Done())
	}
	switch aliases := slices.Contains(what, "alias") || slices.Contains(what, "all"); {
	case aliases && away:
		fmt.Fprintln(errs, "hint: shells that are open keep the alias: unalias claude")
	case aliases:
		fmt.Fprintln(errs, "hint: the alias is there in every new shell")
	}
	if failed {
		return exitFailure, nil
	}
	return 0, nil
}

// words reads flags and the targets among them, in any order.
func words(flags *flag.FlagSet, args []string) (what []string, code int, ok bool) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, flagCode(err), false
		}
		if flags.NArg() == 0 {
			break
		}
		word := flags.Arg(0)
		if word != "all" && !slices.Contains(targets[:], word) {
			fmt.Fprintf(flags.Output(), "afteryou: %s takes no argument %q; there are %s, all\n", flags.Name(), word, strings.Join(targets[:], ", "))
			return nil, exitUsage, false
		}
		what, args = append(what, word), flags.Args()[1:]
	}
	if len(what) == 0 {
		what = []string{"all"}
	}
	return what, 0, true
}

// user is the person who calls us.
func user() (install.User, error) {
	self, err := executable()
	if err != nil {
		return install.User{}, err
	}
	if home := os.Getenv("HOME"); !filepath.IsAbs(home) {
		return install.User{}, fmt.Errorf("finding your home: HOME is %q", home)
	}
	return install.User{Self: self, Getenv: os.Getenv}, nil
}

// executable is our own program, as hooks name it. What Homebrew links from a folder that goes with the next version is
// named by the link, which stays.
func executable() (string, error) {
	self, err := os.Executable()
	if err != nil { // no /proc
		if self, err = exec.LookPath(os.Args[0]); err == nil {
			self, err = filepath.Abs(self)
		}
	}
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("finding our own executable: %w", err)
	}
	if prefix, _, ok := strings.Cut(self, "/Cellar/"); ok {
		link := filepath.Join(prefix, "bin", "afteryou")
		if to, err := filepath.EvalSymlinks(link); err == nil && to == self {
			return link, nil
		}
	}
	return self, nil
}

// plan works out the changes for one target.
func plan(u install.User, target, dir string, long, away bool) ([]install.Change, error) {
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		dir = abs
	}
	switch {
	case target == "alias" && away:
		return u.NoAlias()
	case target == "alias":
		return u.Alias()
	case target == "completions" && away:
		return u.NoCompletions()
	case target == "completions":
		return u.Completions(completions)
	case target == "shim" && away:
		return u.NoShim(dir), nil
	case target == "shim":
		c, err := u.Shim(dir)
		return []install.Change{c}, err
	case away:
		c, err := u.NoHooks()
		return []install.Change{c}, err
	}
	bin, err := findClaude(u.Self)
	if err != nil {
		return nil, err
	}
	v, err := bin.Version(cacheDir())
	if err != nil {
		return nil, fmt.Errorf("%w\nhint: hooks are written for the version that is installed", err)
	}
	c, err := u.Hooks(v, long)
	return []install.Change{c}, err
}

// findClaude finds the real Claude Code as run does.
func findClaude(self string) (claude.Binary, error) {
	s, err := loadSettings(configPath(), os.Getenv)
	if err != nil {
		return claude.Binary{}, err
	}
	return claude.Find(self, func(name string) string {
		if name == "AFTERYOU_CLAUDE" && s.Claude != "" {
			return s.Claude
		}
		return os.Getenv(name)
	})
}

func cacheDir() string { return filepath.Join(xdg.CacheHome, "afteryou") }

// confirm asks the person.
func confirm(in io.Reader, errs io.Writer) bool {
	fmt.Fprint(errs, "make these changes? [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(errs)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}
