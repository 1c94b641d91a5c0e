package claude

import (
	"os"
	"path/filepath"
	"testing"
)

// Where modules are loaded, by what 2.1.286 to 2.1.332 did.
func TestNoModule(t *testing.T) {
	const (
		off  = `{"disableAllHooks":true}`
		mods = `{"pluginConfigs":{"cc-plugin-sec-default@builtin":{"options":{"allowManagedModsOnly":true}}}}`
	)
	newest := Version{2, 1, 332}
	for name, c := range map[string]struct {
		version Version
		args    []string
		env     map[string]string
		files   map[string]string
		want    string
		guarded bool
	}{
		"nothing against it":                   {version: newest},
		"the first version":                    {version: Version{2, 1, 286}},
		"the last before":                      {version: Version{2, 1, 285}, want: "before 2.1.286 there are no modules"},
		"a version that nobody knows":          {want: "before 2.1.286 there are no modules"},
		"--bare":                               {version: newest, args: []string{"-p", "hi", "--bare"}, want: "--bare"},
		"--bare as a word of the prompt":       {version: newest, args: []string{"-p", "--", "--bare"}},
		"--safe-mode":                          {version: newest, args: []string{"--safe-mode"}, want: "--safe-mode"},
		"simple by the environment":            {version: newest, env: map[string]string{"CLAUDE_CODE_SIMPLE": "1"}, want: "CLAUDE_CODE_SIMPLE"},
		"not simple":                           {version: newest, env: map[string]string{"CLAUDE_CODE_SIMPLE": "0"}},
		"safe by the environment":              {version: newest, env: map[string]string{"CLAUDE_CODE_SAFE_MODE": "true"}, want: "CLAUDE_CODE_SAFE_MODE"},
		"switched off":                         {version: newest, env: map[string]string{"CLAUDE_CODE_ENABLE_FUNCTION_HOOKS": "0"}, want: "CLAUDE_CODE_ENABLE_FUNCTION_HOOKS"},
		"switched off in the settings":         {version: newest, files: map[string]string{"home/.claude/settings.json": `{"env":{"CLAUDE_CODE_ENABLE_FUNCTION_HOOKS":"0"}}`}, want: "CLAUDE_CODE_ENABLE_FUNCTION_HOOKS"},
		"no hooks, says the user":              {version: newest, files: map[string]string{"home/.claude/settings.json": off}, want: "disableAllHooks"},
		"no hooks, says the project":           {version: newest, files: map[string]string{"work/.claude/settings.json": off}, want: "disableAllHooks"},
		"no hooks, says the checkout":          {version: newest, files: map[string]string{"work/.claude/settings.local.json": off}, want: "disableAllHooks"},
		"no hooks, says a file":                {version: newest, args: []string{"--settings", "own.json"}, files: map[string]string{"work/own.json": off}, want: "disableAllHooks"},
		"no hooks, says the command line":      {version: newest, args: []string{"--settings=" + off}, want: "disableAllHooks"},
		"hooks all the same":                   {version: newest, args: []string{"--settings", `{"disableAllHooks":false}`}, files: map[string]string{"home/.claude/settings.json": off}},
		"no hooks in settings that are unread": {version: newest, args: []string{"--setting-sources", "project"}, files: map[string]string{"home/.claude/settings.json": off}},
		"no hooks in settings that are chosen": {version: newest, args: []string{"--setting-sources", "project, user"}, files: map[string]string{"home/.claude/settings.json": off}, want: "disableAllHooks"},
		"no hooks, says the organization":      {version: newest, files: map[string]string{"etc/managed-settings.json": off}, want: "disableAllHooks", guarded: true},
		"only the organization's hooks":        {version: newest, files: map[string]string{"etc/managed-settings.d/1.json": `{"allowManagedHooksOnly":true}`}, want: "allowManagedHooksOnly", guarded: true},
		"only the organization's modules":      {version: newest, files: map[string]string{"home/.claude/remote-settings.json": mods}, want: "allowManagedModsOnly", guarded: true},
		"the same is not the user's to say":    {version: newest, files: map[string]string{"home/.claude/settings.json": mods}},
		"other settings of the organization":   {version: newest, files: map[string]string{"etc/managed-settings.json": `{"model":"opus"}`}, guarded: true},
		"empty settings of the organization":   {version: newest, files: map[string]string{"etc/managed-settings.json": `{}`}},
		"a profile":                            {version: newest, files: map[string]string{"profile.plist": "bplist00"}, want: "managed by a profile", guarded: true},
		"broken settings":                      {version: newest, files: map[string]string{"home/.claude/settings.json": `{`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				path := filepath.Join(dir, name)
				os.MkdirAll(filepath.Dir(path), 0o700)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			home := filepath.Join(dir, "home")
			s := Start{Version: c.version, Args: c.args, Dir: filepath.Join(dir, "work"),
				Getenv: func(name string) string {
					if name == "HOME" {
						return home
					}
					return c.env[name]
				},
				Organization: Organization{Dir: filepath.Join(dir, "etc"), Profiles: []string{filepath.Join(dir, "profile.plist")}, Remote: filepath.Join(home, ".claude", "remote-settings.json")},
			}
			if got := s.NoModule(); got != c.want {
				t.Errorf("no module for %q, want for %q", got, c.want)
			}
			if got := s.Guarded(); got != c.guarded {
				t.Errorf("guarded: %v, want %v", got, c.guarded)
			}
		})
	}
}

// Settings that name directories of plugins win over the environment.
func TestPinsDirs(t *testing.T) {
	s := Start{Args: []string{"--settings", `{"env":{"CLAUDE_CODE_PLUGIN_DIRS":""}}`}, Getenv: func(string) string { return "" }}
	if !s.PinsDirs() {
		t.Error("settings of the command line are not seen")
	}
	s.Args = nil
	if s.PinsDirs() {
		t.Error("without settings they are seen")
	}
}
