package install

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/claude"
)

// person is a user with an empty home and a program called afteryou in it.
type person struct {
	User
	t    *testing.T
	home string
	env  map[string]string
}

func newPerson(t *testing.T, env ...string) *person {
	t.Helper()
	p := &person{t: t, home: t.TempDir(), env: make(map[string]string)}
	p.env["HOME"] = p.home
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		p.env[name] = strings.ReplaceAll(value, "~", p.home)
	}
	p.Getenv = func(name string) string { return p.env[name] }
	p.Self = filepath.Join(p.home, "opt", "afteryou")
	p.program("opt/afteryou")
	return p
}

// program makes a file that can be run.
func (p *person) program(name string) {
	p.t.Helper()
	p.write(name, "#!/bin/sh\n", 0o755)
}

func (p *person) write(name, text string, mode os.FileMode) {
	p.t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) link(to, name string) {
	p.t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		p.t.Fatal(err)
	}
}

// tree is every file of the home with its kind, mode and content.
func (p *person) tree() map[string]string {
	p.t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(p.home, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(p.home, path)
		text := fi.Mode().String()
		switch {
		case fi.Mode()&os.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		case fi.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += "\n" + string(data)
		}
		all[name] = text
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func (p *person) same(what string, before, after map[string]string) {
	p.t.Helper()
	for name, text := range before {
		if after[name] != text {
			p.t.Errorf("%s: %s was\n%s\nand is\n%s", what, name, text, after[name])
		}
	}
	for name, text := range after {
		if _, ok := before[name]; !ok {
			p.t.Errorf("%s: %s is new:\n%s", what, name, text)
		}
	}
}

func apply(t *testing.T, list []Change, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if err := c.Apply(); err != nil {
			t.Fatal(err)
		}
	}
}

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
				if on := environment(data)[watchdog] == "1"; on != long && !strings.Contains(name, "watchdog") {
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

func TestAlias(t *testing.T) {
	for _, tt := range []struct{ name, before, want, note string }{
		{"none yet", "export A=1\n", "alias claude='~/opt/afteryou run --'", ""},
		{"with arguments", "alias claude='claude --model opus'\n", "alias claude='~/opt/afteryou run -- --model opus'", ":1 has an alias already: afteryou's comes behind it, with its arguments"},
		{"the last of two, by path", "alias claude=claude\n  alias claude=\"/usr/bin/claude -c\"\n", "alias claude='~/opt/afteryou run -- -c'", ":2 has"},
		{"of fish", "alias claude 'claude -c'\n", "alias claude='~/opt/afteryou run -- -c'", ":1 has"},
		{"of another program", "alias claude='firejail claude'\n", "alias claude='~/opt/afteryou run --'", "takes its place"},
		{"of several commands", "alias claude='claude; reset'\n", "alias claude='~/opt/afteryou run --'", "takes its place"},
		{"in a comment", "# alias claude='claude -c'\n", "alias claude='~/opt/afteryou run --'", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPerson(t)
			p.write(".bashrc", tt.before, 0o644)
			list, err := p.Alias()
			if err != nil || len(list) != 1 {
				t.Fatalf("%d changes, %v", len(list), err)
			}
			want := tt.before + blockBegin + " >>>\n" + strings.ReplaceAll(tt.want, "~", p.home) + "\n" + blockEnd + "\n"
			if string(list[0].will) != want {
				t.Errorf("got %s\nwant %s", list[0].will, want)
			}
			if (tt.note == "") != (list[0].Note == "") || !strings.Contains(list[0].Note, tt.note) {
				t.Errorf("note %q, want %q", list[0].Note, tt.note)
			}
		})
	}
}

// The shells that are here run the alias; what it is to be called stands in a directory with a space and a quote.
// scripts stands for the completions that the program makes.
func scripts(shell string) string {
	if shell == "zsh" {
		return "#compdef afteryou\n" + completionMark + shell + "\n"
	}
	return completionMark + shell + "\n"
}

func TestCompletionsWhereShellsLook(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		want []string
	}{
		{"no start-up files", []string{"SHELL=/bin/zsh"}, []string{".local/share/zsh/site-functions/_afteryou"}},
		{"start-up files of all shells", []string{"SHELL=/bin/sh", "all=1"}, []string{".local/share/bash-completion/completions/afteryou", ".local/share/zsh/site-functions/_afteryou", ".config/fish/completions/afteryou.fish"}},
		{"directories of their own", []string{"SHELL=/bin/bash", "all=1", "XDG_DATA_HOME=~/data", "XDG_CONFIG_HOME=~/.config", "BASH_COMPLETION_USER_DIR=~/bc"}, []string{"bc/completions/afteryou", "data/zsh/site-functions/_afteryou", ".config/fish/completions/afteryou.fish"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPerson(t, tt.env...)
			if p.env["all"] != "" {
				p.write(".bashrc", "", 0o644)
				p.write(".zshrc", "fpath+=(~/.local/share/zsh/site-functions)\n", 0o644)
				p.write(".config/fish/config.fish", "", 0o644)
			}
			list, err := p.Completions(scripts)
			if err != nil || len(list) != len(tt.want) {
				t.Fatalf("%d files, %v; want %q", len(list), err, tt.want)
			}
			for i, c := range list {
				if c.Path != filepath.Join(p.home, tt.want[i]) {
					t.Errorf("a file at %s, want %s", c.Path, tt.want[i])
				}
				if zsh := strings.Contains(c.Path, "zsh"); (c.Note != "") != (zsh && p.env["all"] == "") {
					t.Errorf("%s: note %q", c.Path, c.Note)
				}
			}
			p.write(tt.want[0], "another's", 0o644)
			if _, err := p.Completions(scripts); err == nil || !strings.Contains(err.Error(), "not ours") {
				t.Errorf("over another's file: %v", err)
			}
			if list, err := p.NoCompletions(); err != nil || len(list) != 0 {
				t.Errorf("takes away %v, %v", list, err)
			}
		})
	}
}

func TestAliasInARealShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("not tested: %s is not installed", shell)
			}
			p := newPerson(t, "SHELL=/bin/"+shell)
			p.Self = filepath.Join(p.home, "it's here", "afteryou")
			p.write("it's here/afteryou", "#!/bin/sh\nprintf '<%s>' \"$@\"\n", 0o755)
			list, err := p.Alias()
			apply(t, list, err)
			cmd := exec.Command(path, "-i", "-c", "eval 'claude -p \"hi there\"'")
			cmd.Env = []string{"HOME=" + p.home, "PATH=/usr/bin:/bin", "TERM=dumb"}
			out, err := cmd.Output()
			if want := "<run><--><-p><hi there>"; err != nil || !strings.HasSuffix(string(out), want) {
				t.Errorf("%s says %q, %v; want %q", shell, out, err, want)
			}
		})
	}
}

func TestAliasByNameWhereThatLeadsHere(t *testing.T) {
	p := newPerson(t, "SHELL=/bin/bash", "PATH=/nowhere:~/opt")
	if list, err := p.Alias(); err != nil || len(list) != 1 || !strings.Contains(string(list[0].will), "alias claude='afteryou run --'") {
		t.Errorf("changes %v, %v; want the alias by name", list, err)
	}
	p.program("first/afteryou")
	p.env["PATH"] = filepath.Join(p.home, "first") + ":" + filepath.Join(p.home, "opt")
	if list, err := p.Alias(); err != nil || len(list) != 1 || !strings.Contains(string(list[0].will), p.Self) {
		t.Errorf("changes %v, %v; want the alias by path: another afteryou comes first on PATH", list, err)
	}
}

func TestShim(t *testing.T) {
	for _, tt := range []struct {
		name    string
		path    string
		prepare func(p *person)
		dir     string
		want    string
		err     string
		note    string
	}{
		{name: "the first directory of the home", path: "/usr/bin:~/a:~/b:~/real", want: "a/claude"},
		{name: "not where a claude of another kind is", path: "~/a:~/b:~/real", prepare: func(p *person) { p.write("a/claude", "notes", 0o644) }, want: "b/claude"},
		{name: "nothing before the real one", path: "~/real:~/a", err: "no directory of yours stands on PATH before ~/real"},
		{name: "a directory of choice", path: "~/a:~/real", dir: "b", want: "b/claude", note: "not on PATH before"},
		{name: "a directory of choice that is taken", path: "~/a:~/real", dir: "a", prepare: func(p *person) { p.write("a/claude", "notes", 0o644) }, err: "a/claude is there already, and not ours"},
		{name: "no Claude Code", path: "~/a", err: "no Claude Code found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPerson(t, "PATH="+tt.path)
			for _, d := range []string{"a", "b"} {
				if err := os.Mkdir(filepath.Join(p.home, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			p.program("real/claude")
			if tt.prepare != nil {
				tt.prepare(p)
			}
			dir := tt.dir
			if dir != "" {
				dir = filepath.Join(p.home, dir)
			}
			c, err := p.Shim(dir)
			if want := strings.ReplaceAll(tt.err, "~", p.home); want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Shim: %v, want %q", err, want)
				}
				return
			}
			if err != nil || c.Path != filepath.Join(p.home, tt.want) || !strings.Contains(c.Note, tt.note) {
				t.Fatalf("Shim: %+v, %v; want %s", c, err, tt.want)
			}
			apply(t, []Change{c}, nil)
			if to, err := os.Readlink(c.Path); err != nil || to != p.Self {
				t.Errorf("the link points to %q, %v", to, err)
			}
			if again, err := p.Shim(dir); err != nil || !again.Empty() {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	p := newPerson(t)
	was := "{\n  \"env\": {\n    \"ANTHROPIC_AUTH_TOKEN\": \"hush\"\n  },\n  \"x\": \"sk-ant-api03-hush\"\n}"
	will := strings.Replace(strings.Replace(was, "hush\"\n  }", "hush\"\n  },\n  \"hooks\": {}", 1), "\n}", "\n}\n", 1)
	got := Change{Path: "/f", was: []byte(was), will: []byte(will)}.Diff()
	want := `--- /f
+++ /f
@@ -2,5 +2,6 @@
   "env": {
     "ANTHROPIC_AUTH_TOKEN": "…"
   },
+  "hooks": {},
   "x": "sk-ant-…"
-}
\ No newline at end of file
+}
`
	if got != want {
		t.Errorf("Diff:\n%s\nwant\n%s", got, want)
	}
	large := Change{Path: "/f", was: bytes.Repeat([]byte("x\n"), 5000), will: bytes.Repeat([]byte("y\n"), 5000)}
	if n := strings.Count(large.Diff(), "\n"); n != 10003 {
		t.Errorf("a diff of two large files has %d lines, want all", n)
	}
	// What diff shows is what it takes to get from one to the other.
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("not tested: patch is not installed")
	}
	text := Change{Path: "/f", was: []byte("a\nb\nc\nd\ne\nf\n"), will: []byte("a\nB\nc\nd\ne\nf\ng\n")}.Diff()
	p.write("f", "a\nb\nc\nd\ne\nf\n", 0o600)
	cmd := exec.Command(patch, filepath.Join(p.home, "f"))
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("patch: %v\n%s%s", err, out, text)
	}
}
