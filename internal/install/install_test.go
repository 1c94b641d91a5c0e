package install

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/claude"
)

var newest = claude.Version{Major: 2, Minor: 1, Patch: 330}

// homes are homes that install finds, each with what must come back.
func homes() map[string]func(p *person) {
	return map[string]func(p *person){
		"nothing at all": func(p *person) {},
		"settings as Claude Code writes them": func(p *person) {
			p.write(".claude/settings.json", "{\n  \"model\": \"opus\",\n  \"permissions\": {\n    \"allow\": []\n  }\n}", 0o644)
		},
		"an odd format": func(p *person) {
			p.write(".claude/settings.json", "\t\n{ \"b\":1 ,\n\n\"a\"\n:\t[ 1,2 , {} ],\"n\":1e400\n ,   \"s\":\"\\u003c\" }  \n\n", 0o600)
		},
		"one line": func(p *person) { p.write(".claude/settings.json", `{"a":1}`, 0o600) },
		"tabs and Windows line ends": func(p *person) {
			p.write(".claude/settings.json", "{\r\n\t\"a\": 1\r\n}\r\n", 0o640)
		},
		"a byte order mark":           func(p *person) { p.write(".claude/settings.json", "\ufeff{\n  \"a\": 1\n}\n", 0o600) },
		"an empty object with spaces": func(p *person) { p.write(".claude/settings.json", "{ \n }", 0o600) },
		"an empty file":               func(p *person) { p.write(".claude/settings.json", "", 0o600) },
		"nothing but a line end":      func(p *person) { p.write(".claude/settings.json", "\n", 0o600) },
		"hooks, empty and not": func(p *person) {
			p.write(".claude/settings.json", "{\n  \"hooks\": { \"Stop\": [ ],\n    \"PreToolUse\": [{\"matcher\": \"Bash\", \"hooks\": [{\"type\": \"command\", \"command\": \"x\"}]}] }\n}\n", 0o600)
		},
		"an environment": func(p *person) {
			p.write(".claude/settings.json", "{\n\t\"env\": { \"A\":\"1\" },\n\t\"x\": 1\n}", 0o600)
		},
		"an environment that is empty": func(p *person) { p.write(".claude/settings.json", "{ \"env\":{\n} }", 0o600) },
		"a watchdog of the person's": func(p *person) {
			p.write(".claude/settings.json", "{\n  \"env\": {\n    \"CLAUDE_CODE_RETRY_WATCHDOG\": \"1\"\n  }\n}", 0o600)
		},
		"a watchdog that is off":         func(p *person) { p.write(".claude/settings.json", `{"env":{"CLAUDE_CODE_RETRY_WATCHDOG":"0"}}`, 0o600) },
		"hooks that are an empty object": func(p *person) { p.write(".claude/settings.json", "{\"hooks\" : {\t}}\n", 0o600) },
		"a link to dotfiles": func(p *person) {
			p.write("dotfiles/claude/settings.json", "{\n    \"a\": 1\n}\n", 0o640)
			p.link("../dotfiles/claude/settings.json", ".claude/settings.json")
		},
		"a directory that is a link": func(p *person) {
			p.write("dotfiles/claude/settings.json", "{\n    \"a\": 1\n}\n", 0o600)
			p.link("dotfiles/claude", ".claude")
		},
		"a link to nothing": func(p *person) {
			p.write("dotfiles/other", "", 0o600)
			p.link("../dotfiles/settings.json", ".claude/settings.json")
		},
		"another configuration directory": func(p *person) {
			p.env["CLAUDE_CONFIG_DIR"] = filepath.Join(p.home, "elsewhere")
			p.write("elsewhere/settings.json", "{}", 0o600)
		},
		"start-up files of all shells": func(p *person) {
			p.write(".bashrc", "[ -z \"$PS1\" ] && return\nexport A=1\n", 0o644)
			p.write(".zshrc", "export A=1", 0o600)
			p.write(".config/fish/config.fish", "set -x A 1\n\n", 0o644)
		},
		"start-up files that are links, empty, or of Windows": func(p *person) {
			p.write("dotfiles/bashrc", "export A=1\r\nexport B=2\r\n", 0o644)
			p.link("dotfiles/bashrc", ".bashrc")
			p.write(".zshrc", "", 0o600)
			p.write(".config/fish/config.fish", "\r\n", 0o644)
		},
		"an alias already": func(p *person) { p.write(".bashrc", "alias claude='claude --model opus'\n", 0o644) },
	}
}

func TestUninstallLeavesEverythingAsItWas(t *testing.T) {
	for name, prepare := range homes() {
		for _, long := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, watchdog %v", name, long), func(t *testing.T) {
				p := newPerson(t, "SHELL=/bin/zsh", "PATH=~/bin:~/claude")
				p.program("claude/claude")
				if err := os.Mkdir(filepath.Join(p.home, "bin"), 0o755); err != nil {
					t.Fatal(err)
				}
				prepare(p)
				before := p.tree()
				var installed map[string]string
				for range 2 { // twice is once
					c, err := p.Hooks(newest, long)
					apply(t, []Change{c}, err)
					list, err := p.Alias()
					apply(t, list, err)
					list, err = p.Completions(scripts)
					apply(t, list, err)
					c, err = p.Shim("")
					apply(t, []Change{c}, err)
					if installed != nil {
						p.same("installed again", installed, p.tree())
					}
					installed = p.tree()
				}
				for name, text := range before {
					if strings.HasPrefix(text, "L") && installed[name] != text {
						t.Errorf("the link %s became %s", name, installed[name])
					}
					mode, _, _ := strings.Cut(text, "\n")
					if now, _, _ := strings.Cut(installed[name], "\n"); now != mode {
						t.Errorf("%s had mode %s and has %s", name, mode, now)
					}
				}
				data, err := os.ReadFile(p.Settings())
				if err != nil {
					t.Fatal(err)
				}
				list, err := claude.Handlers(data)
				if err != nil || !same(p.ours(list), claude.Hooks(p.Self, newest)) {
					t.Errorf("the settings have not the hooks of run: %v\n%s", err, data)
				}
				if on := environment(data)[claude.WatchdogEnv] == "1"; on != long && !strings.Contains(name, "watchdog") {
					t.Errorf("the watchdog is on: %v, want %v\n%s", on, long, data)
				}
				apply(t, p.NoShim(""), nil)
				list2, err := p.NoAlias()
				apply(t, list2, err)
				list2, err = p.NoCompletions()
				apply(t, list2, err)
				c, err := p.NoHooks()
				apply(t, []Change{c}, err)
				p.same("uninstalled", before, p.tree())
			})
		}
	}
}

// What the person changed while we were there stays, and only our parts go.
func TestUninstallKeepsWhatChangedMeanwhile(t *testing.T) {
	p := newPerson(t, "SHELL=/bin/bash")
	p.write(".claude/settings.json", "{\n  \"a\": 1,\n  \"hooks\": {\n    \"Stop\": []\n  }\n}\n", 0o600)
	p.write(".bashrc", "export A=1", 0o644)
	c, err := p.Hooks(newest, true)
	apply(t, []Change{c}, err)
	c, err = p.Hooks(newest, false) // the variable stays
	apply(t, []Change{c}, err)
	list, err := p.Alias()
	apply(t, list, err)
	edit := func(name, old, new string) {
		data, err := os.ReadFile(filepath.Join(p.home, name))
		if err != nil || !strings.Contains(string(data), old) {
			t.Fatalf("%s: %v\n%s", name, err, data)
		}
		p.write(name, strings.Replace(string(data), old, new, 1), 0o600)
	}
	edit(".claude/settings.json", `"a": 1`, `"a": 2`)
	edit(".claude/settings.json", `"CLAUDE_CODE_RETRY_WATCHDOG": "1"`, `"CLAUDE_CODE_RETRY_WATCHDOG": "0"`)
	edit(".claude/settings.json", "\n  }\n}\n", "\n  },\n  \"z\": [\n    {}\n  ]\n}\n")
	edit(".bashrc", blockEnd+"\n", blockEnd+"\nexport B=2\n")
	c, err = p.NoHooks()
	apply(t, []Change{c}, err)
	list, err = p.NoAlias()
	apply(t, list, err)
	for name, want := range map[string]string{
		".claude/settings.json": "{\n  \"a\": 2,\n  \"hooks\": {\n    \"Stop\": []\n  },\n  \"env\": {\n    \"CLAUDE_CODE_RETRY_WATCHDOG\": \"0\"\n  },\n  \"z\": [\n    {}\n  ]\n}\n",
		".bashrc":               "export A=1\nexport B=2\n",
	} {
		if got, _ := os.ReadFile(filepath.Join(p.home, name)); string(got) != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
	if _, err := os.Stat(backupOf(p.Settings())); err == nil {
		t.Error("the copy of the settings is left")
	}
}

// An older afteryou, or one that stood elsewhere, or hooks for another version: they are replaced, not added to.
func TestInstallReplacesOlderHooks(t *testing.T) {
	p := newPerson(t)
	p.write(".claude/settings.json", "{\n  \"a\": 1\n}\n", 0o600)
	before := p.tree()
	old := p.User
	old.Self = "/gone/it's/afteryou"
	for _, v := range []claude.Version{{Major: 2, Minor: 0, Patch: 76}, {Major: 2, Minor: 1, Patch: 330}} {
		c, err := old.Hooks(v, false)
		apply(t, []Change{c}, err)
	}
	c, err := p.Hooks(newest, false)
	apply(t, []Change{c}, err)
	data, err := os.ReadFile(p.Settings())
	if err != nil || bytes.Contains(data, []byte("gone")) {
		t.Errorf("old hooks are left: %v\n%s", err, data)
	}
	want, err := claude.AddHooks([]byte("{\n  \"a\": 1\n}\n"), claude.Hooks(p.Self, newest))
	if err != nil || string(data) != string(want) {
		t.Errorf("settings are %s\nwant %s", data, want)
	}
	c, err = p.NoHooks()
	apply(t, []Change{c}, err)
	p.same("uninstalled", before, p.tree())
}

func TestBrokenSettingsAreLeftAlone(t *testing.T) {
	p := newPerson(t)
	p.write(".claude/settings.json", "{\n  \"a\": 1,\n}\n", 0o600)
	before := p.tree()
	for what, plan := range map[string]func() (Change, error){
		"install":   func() (Change, error) { return p.Hooks(newest, false) },
		"uninstall": p.NoHooks,
	} {
		if _, err := plan(); err == nil || !strings.Contains(err.Error(), "settings.json: line 3, column 1: invalid character") || !strings.Contains(err.Error(), "\nhint: ") {
			t.Errorf("%s: error %v, want line 3, column 1 and a hint", what, err)
		}
	}
	p.same("after errors", before, p.tree())
}

func TestAFileThatChangedIsLeftAlone(t *testing.T) {
	p := newPerson(t)
	p.write(".claude/settings.json", "{}", 0o600)
	c, err := p.Hooks(newest, false)
	if err != nil {
		t.Fatal(err)
	}
	p.write(".claude/settings.json", `{"new":1}`, 0o600)
	before := p.tree()
	if err := c.Apply(); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("Apply: %v, want that it changed", err)
	}
	p.same("after the error", before, p.tree())
}
