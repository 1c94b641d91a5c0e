package claude

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// WithSettings is the environment as the user's settings file changes it for Claude Code: what stands in its env counts
// before what is set (2.1.330). A file that can't be read changes nothing.
//
// A project's settings are left out: they may be a stranger's, and name a base URL that no key of the user's must go to.
func WithSettings(getenv func(string) string) func(string) string {
	dir := getenv("CLAUDE_CONFIG_DIR")
	if dir == "" {
		dir = filepath.Join(getenv("HOME"), ".claude")
	}
	data, err := os.ReadFile(filepath.Join(dir, "settings.json"))
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
