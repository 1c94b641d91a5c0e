package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
