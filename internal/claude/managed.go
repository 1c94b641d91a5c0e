package claude

import "path/filepath"

// Organization is where an organization's settings for Claude Code may stand (docs, 2.1.330).
type Organization struct {
	Dir      string   // of managed-settings.json and managed-settings.d
	Profiles []string // of a device management; they are seen, not read
	Remote   string   // what the organization's server sent
}

// OnLinux and OnMac are where settings stand by system; they are here both so that both are tested anywhere.
func OnLinux(getenv func(string) string) Organization {
	return Organization{Dir: "/etc/claude-code", Remote: remote(getenv)}
}

func OnMac(getenv func(string) string) Organization {
	const preferences, name = "/Library/Managed Preferences", "com.anthropic.claudecode.plist"
	return Organization{Dir: "/Library/Application Support/ClaudeCode", Remote: remote(getenv),
		Profiles: []string{filepath.Join(preferences, getenv("USER"), name), filepath.Join(preferences, name)}}
}

// remote is where Claude Code keeps what the organization's server sent (2.1.330).
func remote(getenv func(string) string) string {
	return filepath.Join(ConfigDir(getenv), "remote-settings.json")
}

// Files lists the settings files that may be there, those of Dir.
func (o Organization) Files() []string {
	more, _ := filepath.Glob(filepath.Join(o.Dir, "managed-settings.d", "*.json")) // the pattern is good
	return append([]string{filepath.Join(o.Dir, "managed-settings.json")}, more...)
}
