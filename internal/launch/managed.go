package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"afteryou/internal/claude"
)

// organization is where an organization's settings for Claude Code may stand.
type organization struct {
	dir      string   // of managed-settings.json and managed-settings.d
	profiles []string // of a device management; they are seen, not read
	remote   string   // what the organization's server sent
}

// remote is where Claude Code keeps what the organization's server sent (2.1.330).
func remote(getenv func(string) string) string {
	return filepath.Join(claude.ConfigDir(getenv), "remote-settings.json")
}

// onLinux and onMac are where settings stand by system; they are here both so that both are tested anywhere.
func onLinux(getenv func(string) string) organization {
	return organization{dir: "/etc/claude-code", remote: remote(getenv)}
}

func onMac(getenv func(string) string) organization {
	const preferences, name = "/Library/Managed Preferences", "com.anthropic.claudecode.plist"
	return organization{dir: "/Library/Application Support/ClaudeCode", remote: remote(getenv),
		profiles: []string{filepath.Join(preferences, getenv("USER"), name), filepath.Join(preferences, name)}}
}

// forbids says why there must be no gateway, if so: where calls go is not the user's to say.
func (o organization) forbids(toAPI bool) error {
	const hint = "hint: leave gateway at \"auto\", and the hooks take turns"
	files := []string{filepath.Join(o.dir, "managed-settings.json")}
	more, _ := filepath.Glob(filepath.Join(o.dir, "managed-settings.d", "*.json")) // the pattern is good
	for _, path := range append(files, more...) {
		if key := decides(path); key != "" {
			return fmt.Errorf("your organization's managed settings do not allow a gateway: %s in %s\n%s", key, path, hint)
		}
	}
	for _, path := range o.profiles {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("your organization manages Claude Code by a profile, which may not allow a gateway: %s\n%s", path, hint)
		}
	}
	// A base URL that is not the API's switches these off (2.1.330): that is not ours to do.
	if toAPI && len(read(o.remote)) > 0 {
		return fmt.Errorf("your organization sends managed settings, which a gateway would switch off (%s)\n%s", o.remote, hint)
	}
	return nil
}

// decides returns the key of a managed settings file that decides where calls go or who signs in, or "". With any of them
// 2.1.330 refuses a session that has a base URL of its own, or some such sessions. A file that can't be read decides
// nothing that we know of; Claude Code itself says what is wrong with it.
func decides(path string) string {
	s := read(path)
	env, _ := s["env"].(map[string]any)
	if _, ok := env[urlEnv]; ok {
		return "env." + urlEnv
	}
	for _, key := range []string{"allowedProviders", "forceLoginMethod", "forceLoginGatewayUrl", "forceLoginOrgUUID", "enforceAnthropicSignIn", "forceRemoteSettingsRefresh"} {
		if value := s[key]; value != nil && value != "" && value != false {
			return key
		}
	}
	return ""
}

// read returns the settings in a file, nil where there are none.
func read(path string) (s map[string]any) {
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &s) != nil {
		return nil
	}
	return s
}
