package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-isatty"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/config"
	"afteryou/internal/guard"
	"afteryou/internal/launch"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

func runCommand() command {
	flags := make(map[string]string) // settings by name
	var whenFree bool
	c := command{
		name: "run", args: "[--when-free] [--SETTING VALUE…] [--] ARGS…", summary: "Claude Code with ARGS, taking turns",
		about:   "The first argument that is no setting, and all after it, is Claude Code's. The exit code is Claude Code's too. The program does the same when it is called as claude, by a link earlier on PATH.",
		example: `afteryou run --turns strict -- -p "fix the tests"`,
		wraps:   true,
		run:     func(c call) (int, error) { return launchClaude(c, flags, whenFree) },
	}
	c.options = append(settingOptions(flags), toggle(&whenFree, "when-free", "start once the subscription has quota again; -p leaves the reserve"))
	return c
}

// settingOptions are all settings as options, which put what they are given into flags.
func settingOptions(flags map[string]string) (options []option) {
	for _, s := range config.Table() {
		if s.Private {
			continue
		}
		o := settingOption(s)
		o.set = func(text string) bool {
			flags[s.Name] = text
			return s.Accepts(text)
		}
		options = append(options, o)
	}
	return options
}

// settingOption is how a setting is told of.
func settingOption(s config.Setting) option {
	return option{name: s.Flag(), value: s.Value, help: s.Help, unset: s.Default, takes: s.Takes, words: s.Words}
}

// launchClaude starts Claude Code with the arguments of the call, and with settings that flags made. Where it takes the
// place of this process, launchClaude does not return.
func launchClaude(c call, flags map[string]string, whenFree bool) (int, error) {
	self, err := executable()
	if err != nil {
		return exitFailure, err
	}
	s, err := c.settings(flags)
	if err != nil {
		return exitUsage, err
	}
	l := launch.Launch{
		Self: self, Args: c.args, Env: s.Export(os.Environ()), In: c.in, Out: c.out, Err: c.errs, Off: s.Off,
		Screen: isatty.IsTerminal(c.in.Fd()) && isatty.IsTerminal(c.out.Fd()),
		Pool:   pool(hook.Direct(os.Getenv)),
		Cache:  cacheDir(),
		Warn:   c.say, Module: s.Module, Data: dataDir(), Gateway: launch.Gateway(s.Gateway), Resume: s.Resume, MaxWait: s.MaxWait,
	}
	if !s.Off {
		l.Store, l.Trouble = lockfile.Open(stateDir())
	}
	l.Fleet = fleets(&s, l.Store)
	l.Rules = s.Rules
	if w := budgets(s); len(w.Budgets) > 0 {
		dir, _ := os.Getwd() // where there is none, there is no budget
		l.Spent = func() (string, bool) {
			standing, over := w.Over(time.Now(), dir, 1<<40)
			return standing.UsedUp(), over
		}
	}
	if l.Store != nil {
		guard.Run(func() {
			if whenFree {
				waitForQuota(c, l.Store, s.Rules)
			}
			if s.Gateway != "off" {
				l.Groups = groupsOf(l.Store, l.Pool)
			}
		}, func(text string) { l.Store.Log("launcher: %s", text) })
	}
	status, err := l.Run()
	if err != nil {
		return exitFailure, err
	}
	status.Die()
	return status.ExitCode(), nil
}

// settings are those in force, flags included. Where reading them panics, afteryou is off.
func (c call) settings(flags map[string]string) (s config.Settings, err error) {
	if !guard.Run(func() { s, err = loadSettings() }, func(text string) {
		c.say(fmt.Errorf("reading the settings: %s\nhint: this session takes no turns", text))
	}) {
		s.Off = true
	}
	for name, value := range flags {
		if err == nil {
			err = s.Set(name, value, "--"+name)
		}
	}
	return s, err
}

// waitForQuota blocks until there is quota for the session, as far as the account's sessions were told; at once where nothing was. A
// signal ends us meanwhile, and nothing is left behind.
func waitForQuota(c call, store *lockfile.Store, rules turn.Rules) {
	share := 1.0
	if claude.Sort(c.args) == claude.Print {
		share -= rules.Reserve
	}
	_, secret := claude.PoolKey(claude.WithSettings(hook.Direct(os.Getenv)))
	for told := false; ; {
		s, err := snapshot(store)
		if err != nil {
			return // run says what is wrong
		}
		now := time.Now()
		until := s.Account(s.AccountID(secret)).Spent(now, share)
		if until.IsZero() {
			return
		}
		if !told {
			told = true
			fmt.Fprintf(c.errs, "afteryou: waiting for quota until %s\n", clock(until, now))
		}
		time.Sleep(min(time.Second, until.Sub(now))) // what was told may change, and a machine may sleep
	}
}

// pool names the limit that a session with this environment shares.
func pool(getenv func(string) string) func() (name, secret string) {
	return func() (string, string) { return claude.PoolKey(getenv) }
}
