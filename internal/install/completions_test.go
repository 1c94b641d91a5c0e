package install

import (
	"path/filepath"
	"strings"
	"testing"
)

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
