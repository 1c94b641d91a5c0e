package install

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

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
