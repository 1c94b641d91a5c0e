package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pluginDirs are the directories of plugins that the stub was given.
func (o outcome) pluginDirs() []string {
	return strings.FieldsFunc(o.env["CLAUDE_CODE_PLUGIN_DIRS"], func(r rune) bool { return r == ':' })
}

// With a Claude Code that loads modules run adds ours to its plugins, and neither gates nor the long wait. The person's own
// plugins stay; one that a session above was given is not added twice.
func TestRunAddsTheModule(t *testing.T) {
	t.Parallel()
	p := newPerson(t, withModule)
	o := p.run("run", "--", "-p", "hello")
	dirs := o.pluginDirs()
	if len(dirs) != 1 || filepath.Dir(dirs[0]) != p.path(".local/share/afteryou") {
		t.Fatalf("the plugins are %q; want ours", dirs)
	}
	if _, err := os.Stat(filepath.Join(dirs[0], "hooks", "afteryou.js")); err != nil {
		t.Error(err)
	}
	if _, ok := o.env["CLAUDE_CODE_RETRY_WATCHDOG"]; ok || o.errs != "err\n" {
		t.Errorf("the watchdog is set: %v; it says %q", ok, o.errs)
	}
	if args := strings.Join(o.args, " "); strings.Contains(args, "UserPromptSubmit") || !strings.Contains(args, "StopFailure") || !strings.HasSuffix(args, "-p hello") {
		t.Errorf("claude is started with %s; want the hook of a death alone", args)
	}
	p.env = append(p.env, "CLAUDE_CODE_PLUGIN_DIRS=/mine:"+dirs[0]+":/other")
	if got := p.run("run", "--", "-p", "hello").pluginDirs(); strings.Join(got, " ") != "/mine /other "+dirs[0] {
		t.Errorf("beside the person's own the plugins are %q", got)
	}
}

// Where settings say which directories count, the command line names ours.
func TestRunAddsTheModuleBesideSettings(t *testing.T) {
	t.Parallel()
	p := newPerson(t, withModule)
	p.write(".claude/settings.json", `{"env":{"CLAUDE_CODE_PLUGIN_DIRS":"/mine"}}`, 0o600)
	o := p.run("run", "--", "-p", "hello")
	if len(o.args) < 2 || o.args[0] != "--plugin-dir" || filepath.Dir(o.args[1]) != p.path(".local/share/afteryou") || len(o.pluginDirs()) > 0 {
		t.Errorf("claude is started with %q, the plugins %q", o.args, o.pluginDirs())
	}
}

// Where it would not be loaded, or must not be, all is as before: hooks, and the long wait.
func TestRunWithoutTheModule(t *testing.T) {
	t.Parallel()
	const earlier = "CLAUDE_CODE_PLUGIN_DIRS"
	for name, c := range map[string]struct {
		version, settings, env string
		args                   []string
	}{
		"an older version":              {version: "2.1.285"},
		"switched off":                  {env: noModule},
		"no hooks":                      {settings: `{"disableAllHooks":true}`},
		"no hooks in the settings":      {args: []string{"--settings", `{"disableAllHooks":true}`}},
		"bare":                          {args: []string{"--bare"}},
		"safe":                          {env: "CLAUDE_CODE_SAFE_MODE=1"},
		"a place that can't be written": {env: "XDG_DATA_HOME=/proc/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t, withModule, c.env)
			if c.version != "" {
				p.write("real/claude", strings.Replace(stub, "2.1.330", c.version, 1), 0o755)
			}
			if c.settings != "" {
				p.write(".claude/settings.json", c.settings, 0o600)
			}
			p.env = append(p.env, earlier+"="+p.path(".local/share/afteryou/plugin-0123456789ab")+":/mine") // of a session above
			o := p.run(append([]string{"run", "--"}, append(c.args, "-p", "hello")...)...)
			dirs := o.pluginDirs()
			if c.env == "XDG_DATA_HOME=/proc/nowhere" {
				dirs = dirs[1:] // it knows none of that name
			}
			if strings.Join(dirs, " ") != "/mine" {
				t.Errorf("the plugins are %q", o.pluginDirs())
			}
			if args := strings.Join(o.args, " "); !strings.Contains(args, "UserPromptSubmit") || strings.Contains(args, "--plugin-dir") || o.env["CLAUDE_CODE_RETRY_WATCHDOG"] != "1" {
				t.Errorf("claude is started with %s, the watchdog %q", args, o.env["CLAUDE_CODE_RETRY_WATCHDOG"])
			}
		})
	}
}
