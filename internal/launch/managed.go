package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"afteryou/internal/claude"
)

// forbids says why there must be no gateway, if so: where calls go is not the user's to say.
func forbids(o claude.Organization, toAPI bool) error {
	const hint = "hint: leave gateway at \"auto\", and the hooks take turns"
	for _, path := range o.Files() {
		if key := decides(path); key != "" {
			return fmt.Errorf("your organization's managed settings do not allow a gateway: %s in %s\n%s", key, path, hint)
		}
	}
	for _, path := range o.Profiles {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("your organization manages Claude Code by a profile, which may not allow a gateway: %s\n%s", path, hint)
		}
	}
	// A base URL that is not the API's switches these off (2.1.330): that is not ours to do.
	if toAPI && len(read(o.Remote)) > 0 {
		return fmt.Errorf("your organization sends managed settings, which a gateway would switch off (%s)\n%s", o.Remote, hint)
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
