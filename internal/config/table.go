package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/fleet/redis"
	"afteryou/internal/turn"
)

// Setting is one thing that the user may wish for: all that is told of it, and what it does.
type Setting struct {
	Name    string   // in the file
	Default string   // empty: none
	Value   string   // what stands for a value in help
	Help    string   // one line
	Takes   string   // what a value may be, for whoever gave another
	Words   []string // values that are words

	Private bool // the file alone makes it: what runs in a session may set the environment

	bare bool // in the file its value stands without quotes
	// shown is the value as it is shown, where there may be a password in it; nil: as it is.
	shown func(value string) string
	// apply makes the setting, if it takes the value.
	apply func(s *Settings, value string) bool
}

// Flag is the setting as a flag of run, without its dashes.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Name, "_", "-") }

// Variable is the setting in the environment.
func (s Setting) Variable() string { return "AFTERYOU_" + strings.ToUpper(s.Name) }

// Accepts reports whether the setting takes a value.
func (s Setting) Accepts(value string) bool { return s.apply(new(Settings), value) }

// Table lists all settings, in the order in which they are told.
func Table() []Setting {
	return []Setting{
		{Name: "claude", Value: "PATH", Help: "the real Claude Code, where it isn't found",
			apply: into(func(s *Settings) *string { return &s.Claude }, func(v string) (string, error) { return v, nil })},
		{Name: "turns", Default: "auto", Value: "auto|strict|N", Words: []string{"auto", "strict"},
			Help: "strict: one call at a time; a number: so many at most", Takes: `"auto", "strict" or a number of calls from 1`,
			apply: into(func(s *Settings) *int { return &s.Rules.Most }, callsInFlight)},
		{Name: "gap", Default: "0s", Value: "DURATION", Help: "least time between two calls of one session", Takes: `a duration such as "2s"`,
			apply: into(func(s *Settings) *time.Duration { return &s.Rules.Gap }, within(time.ParseDuration, 0, math.MaxInt64))},
		{Name: "max_wait", Default: "6h", Value: "DURATION", Help: "longest time that a call is held back",
			Takes: fmt.Sprintf(`a duration such as "6h", %.0fh at most`, claude.MaxWait.Hours()),
			apply: into(func(s *Settings) *time.Duration { return &s.MaxWait }, within(time.ParseDuration, 1, claude.MaxWait))},
		{Name: "max_resumes", Default: "5", Value: "N",
			Help: "how often a session goes on by itself without an answer in between", Takes: "a number from 1",
			apply: into(func(s *Settings) *int { return &s.Rules.Resumes }, within(strconv.Atoi, 1, math.MaxInt))},
		perMinute("rpm", "calls a minute at most, of all sessions together; 0 is no budget", func(s *Settings) *float64 { return &s.Rules.Budget.Calls }),
		perMinute("itpm", "input tokens a minute at most, without what comes from the cache", func(s *Settings) *float64 { return &s.Rules.Budget.Input }),
		perMinute("otpm", "output tokens a minute at most", func(s *Settings) *float64 { return &s.Rules.Budget.Output }),
		choice("priority", "interactive: three of four turns are for sessions in a terminal",
			func(s *Settings, v string) { s.Rules.Interactive = v == "interactive" }, "none", "interactive"),
		{Name: "reserve", Default: "0%", Value: "PERCENT", Help: "part of a subscription's window that -p leaves to people",
			Takes: `a share such as "20%", less than all`, apply: into(func(s *Settings) *float64 { return &s.Rules.Reserve }, share)},
		choice("module", "whether calls are held inside Claude Code, where it can be",
			func(s *Settings, v string) { s.Module = v == "auto" }, "auto", "off"),
		choice("gateway", "whether calls go through a proxy in the launcher",
			func(s *Settings, v string) { s.Gateway = v }, "auto", "on", "off"),
		choice("resume", "whether a session whose turn died of a limit goes on by itself",
			func(s *Settings, v string) { s.Resume = v == "on" }, "on", "off"),
		{Name: "quiet", Default: "off", Value: "HH:MM-HH:MM|off",
			Help: "hours in which no session is made to go on", Takes: `hours such as "23:00-07:00", or "off"`,
			apply: into(func(s *Settings) *turn.Quiet { return &s.Rules.Quiet }, turn.ParseQuiet)},
		choice("probe", "whether to ask the API how long a limit lasts if nothing says so",
			func(s *Settings, v string) { s.Probe = v == "on" }, "on", "off"),
		choice("notify", "notification and bell when a session goes on after a wait of 1m",
			func(s *Settings, v string) { s.Notify = v == "on" }, "on", "off"),
		{Name: "notify_command", Value: "COMMAND", Private: true, Help: "a shell's command that is told the news too, as JSON on standard input",
			Takes: "a command", apply: into(func(s *Settings) *string { return &s.NotifyCommand }, func(v string) (string, error) { return v, nil })},
		{Name: "share", Value: "URL", Private: true, Help: "a Redis or Valkey by which machines on one limit take turns",
			Takes: `"redis://host:6379", "rediss://user:password@host" or "unix:///path"`,
			apply: func(s *Settings, v string) bool {
				_, err := redis.Parse(v)
				if v == "" || err == nil {
					s.Share, s.Rules.Shared = v, v != ""
				}
				return v == "" || err == nil
			},
			shown: func(v string) string {
				u, err := url.Parse(v)
				if err != nil || u.User == nil {
					return v
				}
				return u.Redacted()
			}},
		{Name: "share_name", Value: "NAME", Private: true, Help: "names the limit for all machines that share it, where no answer names an organization", Takes: "a name",
			apply: into(func(s *Settings) *string { return &s.ShareName }, func(v string) (string, error) { return v, nil })},
		{Name: "share_secret_file", Value: "PATH", Private: true, Help: "a file with a secret of all machines that share, which keys the limits' names", Takes: "a path",
			apply: into(func(s *Settings) *string { return &s.ShareSecretFile }, func(v string) (string, error) { return v, nil })},
		choice("hints", "whether exec says once that a workload could be a batch",
			func(s *Settings, v string) { s.Hints = v == "on" }, "on", "off"),
		{Name: "admin_key_file", Value: "PATH", Help: "a file with an admin key, for limits to ask which models share a limit", Takes: "a path",
			apply: into(func(s *Settings) *string { return &s.AdminKeyFile }, func(v string) (string, error) { return v, nil })},
		{Name: "off", Default: "false", Value: "true|false", Words: []string{"true", "false"},
			Help: "be a plain claude", Takes: `"true" or "false"`, bare: true,
			apply: into(func(s *Settings) *bool { return &s.Off }, strconv.ParseBool)},
	}
}

// into makes a setting of what parse makes of its value, unless that is an error.
func into[T any](field func(*Settings) *T, parse func(string) (T, error)) func(*Settings, string) bool {
	return func(s *Settings, value string) bool {
		v, err := parse(value)
		if err == nil {
			*field(s) = v
		}
		return err == nil
	}
}

func within[T cmp.Ordered](parse func(string) (T, error), least, most T) func(string) (T, error) {
	return func(value string) (T, error) {
		v, err := parse(value)
		if err == nil && (v < least || v > most) {
			err = errors.New("out of range")
		}
		return v, err
	}
}

// choice is a setting that takes one of a few words, the first unless told otherwise.
func choice(name, help string, apply func(*Settings, string), words ...string) Setting {
	last := len(words) - 1
	takes := fmt.Sprintf(`"%s" or "%s"`, strings.Join(words[:last], `", "`), words[last])
	return Setting{Name: name, Default: words[0], Value: strings.Join(words, "|"), Help: help, Takes: takes, Words: words,
		apply: func(s *Settings, value string) bool {
			if !slices.Contains(words, value) {
				return false
			}
			apply(s, value)
			return true
		}}
}

// maxBudget bounds a budget, far beyond what is sold.
const maxBudget = 1e12

// perMinute is a setting that bounds what all calls of a minute take.
func perMinute(name, help string, field func(*Settings) *float64) Setting {
	whole := func(value string) (float64, error) { n, err := strconv.ParseInt(value, 10, 64); return float64(n), err }
	return Setting{Name: name, Default: "0", Value: "N", Help: help, Takes: `a number a minute; "0" is no budget`,
		apply: into(field, within(whole, 0, maxBudget))}
}

// share reads a share of a whole, below 1.
func share(value string) (float64, error) {
	number, ok := strings.CutSuffix(value, "%")
	n, err := within(func(v string) (float64, error) { return strconv.ParseFloat(v, 64) }, 0, 99.9)(number)
	if !ok {
		err = errors.New("no share")
	}
	return n / 100, err
}

// callsInFlight is how many calls a value of turns allows at once; 0 is as many as the pace does.
func callsInFlight(turns string) (int, error) {
	switch turns {
	case "auto":
		return 0, nil
	case "strict":
		return 1, nil
	}
	return within(strconv.Atoi, 1, math.MaxInt)(turns)
}
