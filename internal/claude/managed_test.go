package claude

import (
	"slices"
	"testing"
)

func TestWhereManagedSettingsStand(t *testing.T) {
	getenv := func(name string) string {
		return map[string]string{"HOME": "/home/me", "USER": "me", "CLAUDE_CONFIG_DIR": ""}[name]
	}
	linux := OnLinux(getenv)
	if linux.Dir != "/etc/claude-code" || len(linux.Profiles) != 0 || linux.Remote != "/home/me/.claude/remote-settings.json" {
		t.Errorf("on Linux: %+v", linux)
	}
	mac := OnMac(getenv)
	want := []string{"/Library/Managed Preferences/me/com.anthropic.claudecode.plist", "/Library/Managed Preferences/com.anthropic.claudecode.plist"}
	if mac.Dir != "/Library/Application Support/ClaudeCode" || !slices.Equal(mac.Profiles, want) || mac.Remote != linux.Remote {
		t.Errorf("on macOS: %+v", mac)
	}
	if got := remote(func(name string) string { return map[string]string{"CLAUDE_CONFIG_DIR": "/x"}[name] }); got != "/x/remote-settings.json" {
		t.Errorf("with a configuration directory: %s", got)
	}
}
