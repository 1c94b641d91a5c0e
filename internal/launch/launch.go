// Package launch starts Claude Code the way its command line asks for: untouched where it is no chat session, and with our
// module where it loads one. Where it does not: with our hooks and its own long wait switched on, kept going from outside.
//
// It decides nothing about turns and reads none of what is typed.
package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/outside/keeper"
	"afteryou/internal/turn"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

// Launch starts Claude Code the way its command line asks for.
type Launch struct {
	Self   string   // our own executable, absolute: what the hooks run, and what is never started as Claude Code
	Args   []string // the command line for Claude Code, without the program's name
	Env    Env
	In     *os.File
	Out    *os.File
	Err    *os.File
	Screen bool // In and Out are both a terminal
	Store  *lockfile.Store
	// Trouble says why there is no Store; the session takes no turns then.
	Trouble error
	Off     bool // be a plain exec
	Pool    func() (name, secret string)
	Resume  bool          // -p may be run again where a limit stopped it
	MaxWait time.Duration // bounds how long it waits for that
	Gateway Gateway
	Module  bool   // a module inside Claude Code may hold the calls
	Data    string // directory for the plugin that has it
	Rules   turn.Rules
	Fleet   line.Fleets         // makes what meets other machines on the limits
	Groups  limit.Groups        // of models that share a limit, as far as the organization told
	Cache   string              // directory for what was found out about Claude Code
	Warn    func(message error) // says what is wrong and goes on; not called once Claude Code has the terminal
	// Spent says in a line that today's budget is used up, if it is; nil: there is none.
	Spent func() (line string, over bool)
}

// maxDepth is how many launchers may stand one in another without a Claude Code between: one for an alias, one for a
// script on PATH that calls us again. More is a loop.
const maxDepth = 3

// Run starts Claude Code and returns how it ended. Where nothing is left to do from outside (the module holds the calls, it is
// no chat session, it has no terminal or can't be given a pty) Claude Code takes the place of this process, and Run returns only
// if that was not possible.
func (l Launch) Run() (wrapper.Status, error) {
	depth, nested := l.depth()
	if !nested { // a launcher above may have a gateway, which is for its own calls
		l.Env = l.Env.direct()
	}
	if depth > maxDepth {
		return wrapper.Status{}, fmt.Errorf("starting Claude Code led back to afteryou %d times\nhint: set AFTERYOU_CLAUDE to the real claude", depth-1)
	}
	env := l.Env
	if nested { // it names the script that led here, where it is set
		env = env.Without("AFTERYOU_CLAUDE")
	}
	bin, err := claude.Find(l.Self, env.Get)
	if err != nil {
		return wrapper.Status{}, err
	}
	// What is found may be a script that leads back to us, so that the mark is set whatever is started.
	cmd := wrapper.Command{Path: bin.Path, Args: append([]string{"claude"}, l.Args...),
		Env: l.Env.With(hook.LauncherEnv, strconv.Itoa(depth)+":"+l.Env.Get("CLAUDE_PID"))}
	start := func() (wrapper.Status, error) { return wrapper.Status{}, wrapper.Exec(cmd) }
	if l.Off || nested {
		return start()
	}
	// While nothing has started a panic costs the turns, and not the session.
	guard.Run(func() { start, err = l.plan(bin, cmd) }, func(text string) {
		l.failed(text)
		l.takesNoTurns(&cmd, errors.New(text))
	})
	if err != nil {
		return wrapper.Status{}, err
	}
	return start()
}

// plan makes ready what the command line asks for, and returns what starts it.
func (l Launch) plan(bin claude.Binary, cmd wrapper.Command) (func() (wrapper.Status, error), error) {
	exec := func() (wrapper.Status, error) { return wrapper.Status{}, wrapper.Exec(cmd) }
	kind := claude.Sort(l.Args)
	if kind == claude.Other {
		return exec, nil
	}
	if kind == claude.Print && l.Spent != nil {
		if line, over := l.Spent(); over {
			return l.overBudget(line), nil
		}
		exec = func() (wrapper.Status, error) { return l.stopped(wrapper.Child(cmd, l.In, l.Out, l.Err)) }
	}
	version, err := bin.Version(l.Cache)
	if err != nil {
		l.Warn(err)
	}
	if err := version.Supported(); err != nil {
		l.Warn(err)
		return exec, nil
	}
	env := Env(cmd.Env)
	if account := claude.Account(claude.WithSettings(env.Get)); account != "" {
		env = env.With(claude.AccountEnv, account)
	}
	cmd.Env = l.withoutModule(env)
	if dir := l.module(env, version); dir != "" {
		if err := l.prepare(&cmd, claude.DeathHooks(l.Self, version), version); err == nil {
			l.addModule(&cmd, dir, version)
			return exec, nil
		} // else that is said below
	}
	start, err := l.planHooks(kind, cmd, version)
	if err != nil || kind != claude.Print || l.Spent == nil {
		return start, err
	}
	return func() (wrapper.Status, error) { return l.stopped(start()) }, nil
}

// planHooks is plan for a session whose calls hooks or the gateway hold.
func (l Launch) planHooks(kind claude.Kind, cmd wrapper.Command, version claude.Version) (func() (wrapper.Status, error), error) {
	if env := Env(cmd.Env); env.Get(claude.WatchdogEnv) == "" {
		cmd.Env = env.With(claude.WatchdogEnv, "1")
	}
	if err := l.prepare(&cmd, claude.Hooks(l.Self, version), version); err != nil {
		l.takesNoTurns(&cmd, err)
	}
	g, err := l.gateway(&cmd)
	if err != nil {
		l.forgetSettings()
		return nil, err
	}
	k := keeper.Keeper{Cmd: cmd, Getenv: Env(cmd.Env).Get, Version: version, In: l.In, Out: l.Out, Err: l.Err, Store: l.Store, Pool: l.Pool,
		Rules: l.Rules, Gateway: g != nil, Resume: l.Resume, MaxWait: l.MaxWait, Warn: l.Warn, Failed: l.failed}
	var again func() (wrapper.Status, error)
	if kind == claude.Print {
		again = k.Print()
	}
	return func() (wrapper.Status, error) {
		if g != nil {
			defer g.Close()
		}
		defer l.forgetSettings()
		if again != nil {
			return again()
		}
		if kind != claude.Print && l.Screen {
			status, err := k.Terminal()
			if !errors.As(err, new(wrapper.NotBegunError)) {
				return status, err
			}
			l.Warn(fmt.Errorf("starting Claude Code on the terminal itself, where its screen is not read: %w", err))
		}
		if g != nil || kind == claude.Print && l.Spent != nil {
			return wrapper.Child(cmd, l.In, l.Out, l.Err)
		}
		return wrapper.Status{}, wrapper.Exec(cmd)
	}, nil
}

// forgetSettings removes the file that settings may have written for this session. Where another program takes our place,
// the next session does it.
func (l Launch) forgetSettings() {
	if l.Store != nil {
		guard.Run(func() { os.Remove(l.Store.Settings()) }, l.failed)
	}
}

// takesNoTurns says so, and has hooks that stand in the user's own settings not say it again.
func (l Launch) takesNoTurns(cmd *wrapper.Command, why error) {
	l.Warn(fmt.Errorf("%w\nhint: this session takes no turns", why))
	cmd.Env = Env(cmd.Env).With(hook.WarnedEnv, "1")
}

// failed writes a panic down.
func (l Launch) failed(text string) {
	if l.Store != nil {
		l.Store.Log("launcher: %s", text)
	}
}

// depth is the number of launchers from here up to the next Claude Code, this one included, and whether there was one
// before this: then that one has injected all that is needed, and this session takes no second turn.
func (l Launch) depth() (depth int, nested bool) {
	above, claudePID, ok := strings.Cut(l.Env.Get(hook.LauncherEnv), ":")
	n, err := strconv.Atoi(above)
	if !ok || err != nil || claudePID != l.Env.Get("CLAUDE_PID") {
		return 1, false
	}
	return n + 1, true
}

// prepare puts hooks of ours into the settings of the command line, once the state that they work on is seen to be usable.
func (l Launch) prepare(cmd *wrapper.Command, hooks json.RawMessage, version claude.Version) error {
	if l.Store == nil {
		return l.Trouble
	}
	v, err := l.Store.Update(context.Background(), func(*turn.State) error { return nil })
	if v != nil {
		v.Close()
	}
	var corrupt *lockfile.CorruptError
	switch {
	case errors.As(err, &corrupt): // set aside, and all is well again
		l.Warn(corrupt)
	case err != nil:
		return err
	}
	l.Store.Sweep()
	args, err := l.settings(hooks, version)
	if err != nil {
		return err
	}
	cmd.Args = append([]string{"claude"}, args...)
	return nil
}

// settings returns the command line with our hooks in its settings. It writes a file of this session's own where they may not
// stand on the command line.
func (l Launch) settings(hooks json.RawMessage, version claude.Version) ([]string, error) {
	merged, err := claude.MergeSettings(l.Args, hooks, os.ReadFile)
	if err != nil || merged.Settings == nil {
		return merged.Args, err
	}
	if merged.Inline(version) {
		return merged.With(string(merged.Settings)), nil
	}
	path := l.Store.Settings()
	if err := os.WriteFile(path+".tmp", merged.Settings, 0o600); err != nil {
		return nil, fmt.Errorf("writing merged settings: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return nil, fmt.Errorf("writing merged settings: %w", err)
	}
	return merged.With(path), nil
}
