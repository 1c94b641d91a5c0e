// Package cli is the command line of afteryou: commands, settings, paths, messages and exit codes.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/mattn/go-isatty"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/guard"
	"afteryou/internal/launch"
	"afteryou/internal/probe"
	"afteryou/internal/ratelimit"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

// Main does what the command line says and returns the exit code.
func Main(args []string, in, out, errs *os.File) int {
	if wrapper.Monitor() {
		return 0
	}
	code, err := run(args, in, out, errs)
	if err != nil {
		say(errs, err)
	}
	return code
}

// say writes a message for the person: one line, and a hint on a line of its own where there is one.
func say(w io.Writer, err error) { fmt.Fprintf(printing{w}, "afteryou: %v\n", err) }

// Exit codes of our own, beside those of Claude Code (sysexits.h for the last ones).
const (
	exitFailure = 1
	exitWake    = 2 // of the hook, to Claude Code
	exitUsage   = 64
	exitLimited = 75 // of limits: the API is limited now (EX_TEMPFAIL)
)

// run does what the command line says and returns the exit code.
func run(args []string, in, out, errs *os.File) (int, error) {
	if filepath.Base(args[0]) == "claude" {
		return start(args[1:], nil, in, out, errs)
	}
	if len(args) < 2 {
		fmt.Fprint(errs, overview())
		return exitUsage, nil
	}
	switch name, rest := args[1], args[2:]; name {
	case "-h", "--help", "help":
		fmt.Fprint(out, overview())
		return 0, nil
	case "-v", "--version", "version":
		fmt.Fprintln(out, "afteryou", version())
		return 0, nil
	default:
		if c, ok := lookup(name); ok {
			return c.run(rest, in, out, errs)
		}
		return exitUsage, fmt.Errorf("no command is called %q\nhint: afteryou --help shows what there is", name)
	}
}

// runHook serves one event of Claude Code. Its exit code is 0 whatever happens, be it a panic: any other would stop the
// session. The one that waits in the background ("wake") ends with 2 to make the session go on.
func runHook(args []string, in, out, errs *os.File) (code int, err error) {
	// What the Go runtime throws can't be recovered. It ends us with SIGABRT instead of 2 then, and Claude Code passes over a
	// hook that a signal ended (2.1.330). A core, which would hold the environment's keys, is never written with this limit,
	// not even to a program that collects them.
	debug.SetTraceback("crash")
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 1, Max: 1})
	var h hook.Hook
	guard.Run(func() { code, err = serveHook(&h, args, in, out, errs) }, func(text string) {
		if h.Store != nil {
			h.Store.Log("hook: %s", text)
		}
	})
	return code, err
}

// serveHook is runHook, with h filled in as far as it came.
func serveHook(h *hook.Hook, args []string, in, out, errs *os.File) (int, error) {
	if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
		c, _ := lookup("hook")
		fmt.Fprint(out, c.help())
		return 0, nil
	}
	h.Store, h.Trouble = lockfile.Open(stateDir())
	h.Getenv, h.Pool = os.Getenv, pool(hook.Direct(os.Getenv))
	h.Status = func(out io.Writer) error {
		if h.Store == nil {
			return h.Trouble
		}
		r, err := see(h.Store, h.Rules)
		if err != nil {
			return err
		}
		return r.write(out, time.Now())
	}
	s, err := loadSettings(configPath(), os.Getenv)
	if err != nil && h.Store != nil {
		h.Store.Log("%v", err)
	}
	if s.Off {
		return 0, nil
	}
	h.Rules, h.MaxWait, h.Notify = s.rules(), s.maxWait(), s.Notify == "on"
	if len(args) > 0 && args[0] == "wake" {
		if s.Resume == "off" {
			return 0, nil
		}
		if s.Probe == "on" && claude.HasKey(os.Getenv) {
			h.Ask = asksTheAPI
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		defer stop()
		if reason, ok := h.Wake(ctx, in); ok {
			fmt.Fprintln(errs, reason)
			return exitWake, nil
		}
		return 0, nil
	}
	h.Run(context.Background(), in, out)
	return 0, nil
}

// asksTheAPI asks as the session that the hook runs in.
func asksTheAPI(ctx context.Context, model string) (ratelimit.Limit, error) {
	a, err := probe.Ask(ctx, hook.Direct(os.Getenv), model, userAgent())
	return a.Limit, err
}

// userAgent is how our own requests name their sender.
func userAgent() string { return "afteryou/" + strings.Fields(version())[0] }

// runRun takes the flags of run off the front of args; the first argument that is none of them, and all after it, is
// Claude Code's.
func runRun(args []string, in, out, errs *os.File) (int, error) {
	flags := make(map[string]string)
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			args = args[1:]
			break
		}
		if len(flags) == 0 && len(args) == 1 && (arg == "-h" || arg == "--help") {
			c, _ := lookup("run")
			fmt.Fprint(out, c.help())
			return 0, nil
		}
		name, value, found := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !strings.HasPrefix(arg, "--") || !isSetting(name) {
			break
		}
		args = args[1:]
		if !found {
			if len(args) == 0 {
				return exitUsage, fmt.Errorf("--%s needs a value", name)
			}
			value, args = args[0], args[1:]
		}
		flags[name] = value
	}
	return start(args, flags, in, out, errs)
}

// isSetting says whether a flag of run names a setting.
func isSetting(name string) bool {
	for _, n := range names {
		if name == strings.ReplaceAll(n, "_", "-") {
			return true
		}
	}
	return false
}

// start starts Claude Code with args. Where it takes the place of this process, start does not return.
func start(args []string, flags map[string]string, in, out, errs *os.File) (int, error) {
	self, err := executable()
	if err != nil {
		return exitFailure, err
	}
	var s settings
	if !guard.Run(func() { s, err = loadSettings(configPath(), os.Getenv) }, func(text string) {
		say(errs, fmt.Errorf("reading the settings: %s\nhint: this session takes no turns", text))
	}) {
		s.Off = true
	}
	if err != nil {
		return exitUsage, err
	}
	env := os.Environ()
	// Of two entries of one name a program may take the first, so that an older one must go.
	export := func(name, value string) {
		key := "AFTERYOU_" + strings.ToUpper(name) + "="
		env = append(slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, key) }), key+value)
	}
	for name, value := range flags {
		name = strings.ReplaceAll(name, "-", "_")
		if err := s.set(name, value); err != nil {
			return exitUsage, fmt.Errorf("--%w", err)
		}
		// The hooks of this session run with the same settings.
		export(name, value)
	}
	if s.Claude != "" {
		export("claude", s.Claude)
	}
	l := launch.Launch{
		Self: self, Args: args, Env: env, In: in, Out: out, Off: s.Off,
		Screen: isatty.IsTerminal(in.Fd()) && isatty.IsTerminal(out.Fd()),
		Err:    errs,
		Pool:   pool(os.Getenv),
		Cache:  filepath.Join(xdg.CacheHome, "afteryou"),
		Warn:   func(err error) { say(errs, err) },
	}
	l.Gateway, l.Rules = launch.Gateway(s.Gateway), s.rules()
	l.Resume, l.MaxWait = s.Resume != "off", s.maxWait()
	if !s.Off {
		l.Store, l.Trouble = lockfile.Open(stateDir())
	}
	status, err := l.Run()
	if err != nil {
		return exitFailure, err
	}
	status.Die()
	return status.ExitCode(), nil
}

// pool names the limit that a session with this environment shares.
func pool(getenv func(string) string) func() (name, secret string) {
	return func() (string, string) { return claude.PoolKey(getenv) }
}
