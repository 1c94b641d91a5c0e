package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/claude"
)

// Wherever such a setting stands, there is no gateway, and the reason names the file.
func TestManagedSettingsForbidAGateway(t *testing.T) {
	pin := `{"env":{"ANTHROPIC_BASE_URL":"https://llm.example"}}`
	for name, c := range map[string]struct {
		file, data string
		toAPI      bool
		says       string
	}{
		"nothing is managed":                      {toAPI: true},
		"a base URL":                              {file: "managed-settings.json", data: pin, says: "env.ANTHROPIC_BASE_URL in "},
		"a base URL, in one of several files":     {file: "managed-settings.d/10-net.json", data: pin, says: "env.ANTHROPIC_BASE_URL in "},
		"a list of providers":                     {file: "managed-settings.json", data: `{"allowedProviders":["anthropic","customEndpoint"]}`, says: "allowedProviders in "},
		"no provider at all":                      {file: "managed-settings.json", data: `{"allowedProviders":[]}`, says: "allowedProviders in "},
		"how to sign in":                          {file: "managed-settings.json", data: `{"forceLoginMethod":"claudeai"}`, says: "forceLoginMethod in "},
		"to which gateway":                        {file: "managed-settings.json", data: `{"forceLoginGatewayUrl":"https://x"}`, says: "forceLoginGatewayUrl in "},
		"to which organization":                   {file: "managed-settings.json", data: `{"forceLoginOrgUUID":["8a1b6f0e-1111-4222-8333-123456789abc"]}`, says: "forceLoginOrgUUID in "},
		"that one signs in":                       {file: "managed-settings.json", data: `{"enforceAnthropicSignIn":true}`, says: "enforceAnthropicSignIn in "},
		"settings that must come from the server": {file: "managed-settings.json", data: `{"forceRemoteSettingsRefresh":true}`, says: "forceRemoteSettingsRefresh in "},
		"other settings":                          {file: "managed-settings.json", data: `{"permissions":{"deny":[]},"env":{"X":"1"},"forceRemoteSettingsRefresh":false}`, toAPI: true},
		"broken settings":                         {file: "managed-settings.json", data: `{`, toAPI: true},
		"a profile":                               {file: "profile.plist", data: "bplist00", says: "by a profile"},
		"settings of the server":                  {file: "remote-settings.json", data: `{"permissions":{}}`, toAPI: true, says: "sends managed settings"},
		"settings of the server, already off":     {file: "remote-settings.json", data: `{"permissions":{}}`},
		"no settings of the server":               {file: "remote-settings.json", data: `{}`, toAPI: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.file != "" {
				write(t, filepath.Join(dir, c.file), c.data)
			}
			o := claude.Organization{Dir: dir, Profiles: []string{filepath.Join(dir, "profile.plist")}, Remote: filepath.Join(dir, "remote-settings.json")}
			err := forbids(o, c.toAPI)
			if c.says == "" {
				if err != nil {
					t.Errorf("forbids: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), filepath.Join(dir, c.file)) {
				t.Errorf("forbids: %v; want %q and the file", err, c.says)
			}
		})
	}
	unreadable := filepath.Join(t.TempDir(), "managed-settings.json")
	if err := os.Mkdir(unreadable, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := decides(unreadable); got != "" {
		t.Errorf("a directory decides %q", got)
	}
}
