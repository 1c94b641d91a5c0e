package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"afteryou/internal/config"
	"afteryou/internal/launch"
	"afteryou/lockfile"
)

// Exit codes of a command that is not there or can't be run, as a shell has them.
const (
	exitNotRun   = 126
	exitNotFound = 127
)

func execCommand() command {
	flags := make(map[string]string) // settings by name
	e := environment{shell: "sh"}
	shell := text(&e.shell, "shell", "NAME", "the shell for which --print-env prints: sh, fish or csh")
	shell.words, shell.takes, shell.unset = []string{"sh", "fish", "csh"}, "sh, fish or csh", e.shell
	shell.set = func(name string) bool { e.shell = name; return slices.Contains(shell.words, name) }
	return command{
		name: "exec", args: "[--SETTING VALUE…] [--] COMMAND ARGS…", summary: "any program that asks the API, taking turns",
		about: "Whatever asks by ANTHROPIC_BASE_URL (the SDKs, the Agent SDK, curl, other agents), COMMAND itself and what it starts. " +
			"The exit code is the command's. With --print-env it prints instead what sets the shell that calls it up, until that ends.",
		example: "afteryou exec -- python translate.py",
		options: append([]option{toggle(&e.print, "print-env", "print assignments for the shell that calls this, instead of running a command"), shell}, settingOptions(flags)...),
		wraps:   true,
		run:     func(c call) (int, error) { return execute(c, e, flags) },
	}
}

// execute runs a command, or sets the shell up that calls us. Where the command takes the place of this process, it does not return.
func execute(c call, env environment, flags map[string]string) (int, error) {
	s, err := c.settings(flags)
	switch {
	case err != nil:
		return exitUsage, err
	case env.print && len(c.args) > 0:
		return exitUsage, fmt.Errorf("exec --print-env runs no command %q", c.args[0])
	case !env.print && len(c.args) == 0:
		return exitUsage, errors.New("exec needs a command\nhint: afteryou exec -- python translate.py")
	}
	screen := isatty.IsTerminal(c.in.Fd()) || isatty.IsTerminal(c.out.Fd())
	e := launch.Exec{Env: s.Export(os.Environ()), MaxWait: s.MaxWait, Screen: screen, Warn: c.say}
	if !s.Off {
		if e.Store, err = lockfile.Open(stateDir()); err != nil {
			c.say(fmt.Errorf("%w\nhint: its calls take no turns", err))
		}
	}
	e.Fleet = fleets(&s, e.Store)
	e.Rules = s.Rules
	if env.print {
		return env.set(c, e)
	}
	if s.Hints && !screen {
		h := hint{say: func() {
			c.note("more than %d calls in a minute, and nobody waits for them at a terminal: afteryou batch makes them at half the price (hints = \"off\" leaves this out)", manyCalls)
		}}
		e.Called = func() { h.called(time.Now()) }
	}
	return run(c, e, s, flags)
}

// run runs the command. Claude Code itself is run as by run: it needs no gateway.
func run(c call, e launch.Exec, s config.Settings, flags map[string]string) (int, error) {
	path, err := exec.LookPath(c.args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return exitNotFound, fmt.Errorf("exec: no program %q", c.args[0])
	case err != nil:
		return exitNotRun, fmt.Errorf("exec: %w", err)
	}
	if filepath.Base(c.args[0]) == "claude" {
		if strings.Contains(c.args[0], "/") {
			flags["claude"] = path
		}
		c.args = c.args[1:]
		return launchClaude(c, flags, false)
	}
	status, err := e.Run(path, c.args, c.in, c.out, c.errs)
	if err != nil {
		return exitNotRun, err
	}
	status.Die()
	return status.ExitCode(), nil
}

// manyCalls is how many calls in a minute make a workload that is worth a batch.
const manyCalls = 50

// hint says something once, when there were more calls than that.
type hint struct {
	say func()

	mu    sync.Mutex
	calls []time.Time // the last ones; once it was said, none
	said  bool
}

// called notes a call at a time.
func (h *hint) called(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.said {
		return
	}
	h.calls = append(h.calls, now)
	if h.calls = h.calls[max(0, len(h.calls)-manyCalls-1):]; len(h.calls) > manyCalls && now.Sub(h.calls[0]) < time.Minute {
		h.said, h.calls = true, nil
		h.say()
	}
}
