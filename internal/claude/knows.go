package claude

import "strings"

// WatchdogEnv makes Claude Code wait for as long as a retry-after says, in the turn.
const WatchdogEnv = "CLAUDE_CODE_RETRY_WATCHDOG"

// Watchdog returns the first version that can wait out a retry-after of any length by itself (WatchdogEnv, 2.1.186 by its
// documentation).
func Watchdog() Version { return Version{2, 1, 186} }

// WatchdogOn reports whether a value of WatchdogEnv switches that on; any other than these does not
// (2.1.330).
func WatchdogOn(value string) bool { return isOn(value) }

// isOn reports whether Claude Code takes value for yes in the variables that switch something on (2.1.330).
func isOn(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "1", "true", "yes", "on":
		return true
	}
	return false
}

// ToolBatch returns the first version with an event for the end of all tools of an answer, so that one event stands before
// each call to the model.
func ToolBatch() Version { return postToolBatch }

// Knows reports whether v knows an event of those that we hook. Of others nothing is known, and nobody is to worry.
func (v Version) Knows(event string) bool {
	for _, e := range events {
		if e.name == event {
			return v.AtLeast(e.since)
		}
	}
	return true
}

// Settings is the part of one of Claude Code's settings files that matters to turns, beside its hooks.
type Settings struct {
	DisableAllHooks       bool
	AllowManagedHooksOnly bool
	APIKeyHelper          string
	Env                   map[string]string
	EnabledPlugins        map[string]any
}

// Plugin reports whether the settings switch our plugin on, from whatever marketplace.
func (s Settings) Plugin() bool {
	for name, on := range s.EnabledPlugins {
		if strings.HasPrefix(name, "afteryou@") && on != false {
			return true
		}
	}
	return false
}
