package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/guard"
	"afteryou/internal/notify"
	"afteryou/internal/partner"
	"afteryou/internal/probe"
	"afteryou/internal/ratelimit"
	"afteryou/lockfile"
)

func hookCommand() command {
	return command{
		name: "hook", args: "[wake | mod | notify]", summary: "called by Claude Code at each step of a session",
		about: "The event comes as JSON on standard input. Whatever is wrong, the session goes on. " +
			"wake waits until a limit that ended the turn is over; mod is what the module in a session asks whose turn it is; notify hands what it reads to your notify_command.",
		example: `echo '{"hook_event_name":"Stop","session_id":"1"}' | afteryou hook`,
		words:   []string{"wake", "mod", "notify"},
		wraps:   true, // a command line of another version is no reason to stop a session
		run:     serveEvent,
	}
}

// serveEvent serves one event of Claude Code. Its exit code is 0 whatever happens, be it a panic: any other would stop the
// session. The one that waits in the background ("wake") ends with 2 to make the session go on.
func serveEvent(c call) (code int, err error) {
	// What the Go runtime throws can't be recovered. It ends us with SIGABRT instead of 2 then, and Claude Code passes over a
	// hook that a signal ended (2.1.330). A core, which would hold the environment's keys, is never written with this limit,
	// not even to a program that collects them.
	debug.SetTraceback("crash")
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 1, Max: 1})
	var h hook.Hook
	guard.Run(func() { code = serve(c, &h) }, func(text string) {
		if h.Store != nil {
			h.Store.Log("hook: %s", text)
		}
	})
	return code, nil
}

// serve is serveEvent, with h filled in as far as it came.
func serve(c call, h *hook.Hook) int {
	var event io.Reader = c.in
	word := strings.Join(c.args, " ")
	if word == "" {
		data, err := io.ReadAll(c.in) // what was read till then is for Run to complain of
		if err == nil && hook.GivesWay(os.Getenv, data) {
			return 0
		}
		event = bytes.NewReader(data)
	}
	h.Store, h.Trouble = lockfile.Open(stateDir())
	h.Getenv, h.Pool = os.Getenv, pool(hook.Direct(os.Getenv))
	h.Status = func(out io.Writer) error {
		if h.Store == nil {
			return h.Trouble
		}
		r, err := see(h.Store)
		if err != nil {
			return err
		}
		return r.write(out, time.Now())
	}
	s, err := loadSettings()
	if err != nil && h.Store != nil {
		h.Store.Log("%v", err)
	}
	if s.Off {
		return 0
	}
	h.Fleet = fleets(&s, h.Store)
	h.Rules, h.MaxWait, h.Notify, h.Budget = s.Rules, s.MaxWait, s.Notify, budgets(s)
	h.Tell = tells(h.Store, s.NotifyCommand)
	switch word {
	case "notify":
		notifies(c, h, s.NotifyCommand)
		return 0
	case "mod", "mod once":
		if s.Module {
			servesModule(c, h, word == "mod once")
		}
		return 0
	case "wake":
		if !s.Resume {
			return 0
		}
	default:
		h.Limits = limitsOfAPI(s.Probe)
		h.Run(context.Background(), event, c.out)
		return 0
	}
	return wakes(c, h, s.Probe)
}

// wakes waits until a limit that ended the turn is over.
func wakes(c call, h *hook.Hook, mayAsk bool) int {
	if mayAsk && claude.HasKey(os.Getenv) {
		h.Ask = asksTheAPI
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	if reason, ok := h.Wake(ctx, c.in); ok {
		fmt.Fprintln(c.errs, reason)
		return exitWake
	}
	return 0
}

// servesModule is the partner of the module that started us, until Claude Code is gone. Where a gateway of ours takes the turns,
// where the module is switched off and where the state can't be used, it says nothing and ends, and the module does nothing.
//
// Once is for one word of the module, where no partner answers it.
func servesModule(c call, h *hook.Hook, once bool) {
	if h.Store == nil || hook.Gated(os.Getenv) {
		return
	}
	debug.SetGCPercent(50) // it lives for long, and does little
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	config := partner.Config{Store: h.Store, Rules: h.Rules, MaxWait: h.MaxWait, Getenv: os.Getenv, Pool: h.Pool, Claude: lockfile.Identify(os.Getppid()),
		Notify: h.Notify, Tell: h.Tell, Budget: h.Budget, Groups: groupsOf(h.Store, h.Pool), Fleet: h.Fleet}
	config.Mark = hook.Mark(config.Claude, lockfile.Self())
	var err error
	if once {
		err = partner.Once(ctx, config, c.in, c.out)
	} else {
		h.Store.Sweep()
		err = partner.Serve(ctx, config, c.out)
	}
	if err != nil {
		h.Store.Log("module: %v", err)
	}
}

// tells hands notes to a process of its own that runs notify_command; nil: there is none.
func tells(store *lockfile.Store, command string) func(notify.Note) {
	if command == "" || store == nil {
		return nil
	}
	return func(n notify.Note) {
		self, err := executable()
		if err == nil {
			err = notify.Send(self, n)
		}
		if err != nil {
			store.Log("%v", err)
		}
	}
}

// notifies is that process: it runs the command, if there is one, with what it reads.
func notifies(c call, h *hook.Hook, command string) {
	if command == "" {
		return
	}
	if err := notify.Run(context.Background(), command, c.in, os.Environ()); err != nil && h.Store != nil {
		h.Store.Log("%v", err)
	}
}

// asksTheAPI asks as the session that the hook runs in.
func asksTheAPI(ctx context.Context, model string) (ratelimit.Limit, error) {
	a, err := probe.Ask(ctx, hook.Direct(os.Getenv), model, userAgent())
	return a.Limit, err
}

// limitsOfAPI returns what asks what the limits are, as the session that the hook runs in, and never for one that pays with a login;
// nil where nothing may be asked.
func limitsOfAPI(may bool) func(ctx context.Context, model string) ([]ratelimit.Rate, bool, error) {
	if !may {
		return nil
	}
	return func(ctx context.Context, model string) ([]ratelimit.Rate, bool, error) {
		if !claude.HasKey(os.Getenv) {
			return nil, false, probe.ErrNoCredential
		}
		a, err := probe.Ask(ctx, hook.Direct(os.Getenv), model, userAgent())
		return a.Rates, a.Limit.Kind == ratelimit.None, err
	}
}

// userAgent is how our own requests name their sender.
func userAgent() string { return "afteryou/" + strings.Fields(version())[0] }
