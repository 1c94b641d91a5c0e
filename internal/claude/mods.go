package claude

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DirsEnv names directories of plugins, with colons between them. It takes no place of a --plugin-dir, and sessions that a
// session starts are given it too. 2.1.280 knows it, 2.1.234 does not.
const DirsEnv = "CLAUDE_CODE_PLUGIN_DIRS"

// Modules returns the first version that loads the modules of plugins unless told otherwise: 2.1.286 does, 2.1.285 says on
// standard error that it does not.
func Modules() Version { return Version{2, 1, 286} }

// Fetches returns the first version whose modules see the requests themselves: 2.1.321 raises http.fetch for them, 2.1.319 does not.
func Fetches() Version { return Version{2, 1, 321} }

// SkillLink is where every session of the user's finds a plugin that no marketplace brought (2.1.286; 2.1.280 passes over it).
func SkillLink(getenv func(string) string) string {
	return filepath.Join(ConfigDir(getenv), "skills", "afteryou")
}

// Start is how a session is started.
type Start struct {
	Version      Version // zero counts as too old: a line on standard error is worse than hooks
	Args         []string
	Getenv       func(string) string
	Dir          string // where it is started
	Organization Organization
}

// modSettings is the part of a settings file that decides whether modules are loaded.
type modSettings struct {
	DisableAllHooks       *bool
	AllowManagedHooksOnly bool
	PluginConfigs         map[string]struct {
		Options struct{ AllowManagedModsOnly bool }
	}
	Env map[string]string

	managed bool
}

// NoModule returns in a few words why the session loads no module of a plugin that is not its organization's, or "" where it
// loads them. Most of these sessions complain of one on standard error with -p (2.1.332).
func (s Start) NoModule() string {
	all := s.settings()
	getenv := func(name string) string {
		for _, one := range all {
			if value, ok := one.Env[name]; ok {
				return value
			}
		}
		return s.Getenv(name)
	}
	if s.Version.Less(Modules()) {
		return fmt.Sprintf("before %v there are no modules", Modules())
	}
	for _, flag := range []string{"--bare", "--safe-mode"} {
		if s.has(flag) {
			return flag
		}
	}
	for _, name := range []string{"CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_SAFE_MODE"} {
		if isOn(getenv(name)) {
			return name
		}
	}
	// 2.1.286 obeys it, 2.1.300 does not.
	if v := strings.ToLower(getenv("CLAUDE_CODE_ENABLE_FUNCTION_HOOKS")); v == "0" || v == "false" || v == "no" || v == "off" {
		return "CLAUDE_CODE_ENABLE_FUNCTION_HOOKS"
	}
	return cmp.Or(forbidden(all), s.profile())
}

// forbidden returns the settings that keep modules from being loaded, or "". all are those that count, the first wins.
func forbidden(all []modSettings) string {
	for _, one := range all {
		if one.managed && one.AllowManagedHooksOnly {
			return "allowManagedHooksOnly"
		}
		if one.managed && one.PluginConfigs["cc-plugin-sec-default@builtin"].Options.AllowManagedModsOnly {
			return "allowManagedModsOnly"
		}
	}
	if i := slices.IndexFunc(all, func(one modSettings) bool { return one.DisableAllHooks != nil }); i >= 0 && *all[i].DisableAllHooks {
		return "disableAllHooks"
	}
	return ""
}

// profile returns a reason where an organization's settings are seen and can't be read.
func (s Start) profile() string {
	for _, path := range s.Organization.Profiles {
		if _, err := os.Lstat(path); err == nil {
			return "managed by a profile"
		}
	}
	return ""
}

// PinsDirs reports whether settings give the session its DirsEnv, so that what the environment says of it does not count.
func (s Start) PinsDirs() bool {
	return slices.ContainsFunc(s.settings(), func(one modSettings) bool { _, ok := one.Env[DirsEnv]; return ok })
}

// Guarded reports whether an organization's settings hide the sends of requests from modules, so that ours holds only the steps
// of a turn: any settings that are not empty do (2.1.332).
func (s Start) Guarded() bool {
	if s.profile() != "" {
		return true
	}
	return slices.ContainsFunc(append(s.Organization.Files(), s.Organization.Remote), func(path string) bool {
		data, _ := os.ReadFile(path) // none: nothing is managed
		var set map[string]json.RawMessage
		return json.Unmarshal(data, &set) == nil && len(set) > 0
	})
}

// settings are those that count for the session, the first wins: of the organization, of the command line, of the project and
// of the user, as far as --setting-sources has them.
func (s Start) settings() (all []modSettings) {
	read := func(data []byte, managed bool) {
		one := modSettings{managed: managed}
		// A key of another type says nothing to us.
		_ = json.Unmarshal(bytes.TrimPrefix(data, []byte(byteOrderMark)), &one)
		all = append(all, one)
	}
	file := func(path string, managed bool) {
		if data, err := os.ReadFile(path); err == nil {
			read(data, managed)
		}
	}
	for _, path := range append(s.Organization.Files(), s.Organization.Remote) {
		file(path, true)
	}
	if value, ok := s.value("--managed-settings"); ok {
		read([]byte(value), true)
	}
	if value, ok := s.value("--settings"); ok {
		if text := strings.TrimSpace(value); strings.HasPrefix(text, "{") {
			read([]byte(text), false)
		} else if filepath.IsAbs(value) {
			file(value, false)
		} else {
			file(filepath.Join(s.Dir, value), false)
		}
	}
	sources, chosen := s.value("--setting-sources")
	for _, one := range []struct{ source, path string }{
		{"local", filepath.Join(s.Dir, ".claude", "settings.local.json")},
		{"project", filepath.Join(s.Dir, ".claude", "settings.json")},
		{"user", filepath.Join(ConfigDir(s.Getenv), "settings.json")},
	} {
		if !chosen || slices.ContainsFunc(strings.Split(sources, ","), func(name string) bool { return strings.TrimSpace(name) == one.source }) {
			file(one.path, false)
		}
	}
	return all
}

// has reports whether the command line has the flag.
func (s Start) has(flag string) (found bool) {
	walk(s.Args, func(a arg) { found = found || a.flag == flag })
	return found
}

// value returns the value of a flag, the last one.
func (s Start) value(flag string) (value string, ok bool) {
	walk(s.Args, func(a arg) {
		if a.flag == flag && a.value >= 0 {
			value, ok = s.Args[a.value][a.start:], true
		}
	})
	return value, ok
}
