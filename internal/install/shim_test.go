package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
