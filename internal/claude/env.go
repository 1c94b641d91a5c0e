package claude

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// WithSettings returns the environment as the user's settings file changes it for Claude Code: its env wins over what is
// set (2.1.330). A file that can't be read changes nothing.
//
// A project's settings are left out: they may be a stranger's, and name a base URL that no key of the user's must go to.
func WithSettings(getenv func(string) string) func(string) string {
	data, err := os.ReadFile(filepath.Join(ConfigDir(getenv), "settings.json"))
	var s struct {
		Env map[string]string `json:"env"`
	}
	if err != nil || json.Unmarshal(data, &s) != nil || len(s.Env) == 0 {
		return getenv
	}
	return func(name string) string {
		if value, ok := s.Env[name]; ok {
			return value
		}
		return getenv(name)
	}
}

// HasKey reports whether a session with this environment pays with a key or token of the environment. A key that the user
// told Claude Code not to use does not count: the session then runs on a login (2.1.330).
func HasKey(getenv func(string) string) bool {
	if getenv("ANTHROPIC_AUTH_TOKEN") != "" {
		return true
	}
	key := getenv("ANTHROPIC_API_KEY")
	if key == "" {
		return false
	}
	data, err := os.ReadFile(filepath.Join(cmp.Or(getenv("CLAUDE_CONFIG_DIR"), getenv("HOME")), ".claude.json"))
	var c struct {
		Responses struct{ Rejected []string } `json:"customApiKeyResponses"`
	}
	if err != nil || json.Unmarshal(data, &c) != nil {
		return true
	}
	// It keeps the key's end.
	return !slices.Contains(c.Responses.Rejected, key[max(0, len(key)-20):])
}
