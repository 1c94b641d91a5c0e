package plugin

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func unpack(t *testing.T, dir, self string, inUse ...string) string {
	t.Helper()
	path, err := Unpack(dir, self, inUse...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Remove(path) }) // what is read-only t.TempDir can't remove
	return path
}

// What is unpacked is the module and what starts its partner, read-only, in a directory named after the content.
func TestUnpack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "afteryou")
	self := filepath.Join(t.TempDir(), "it's", "afteryou")
	os.MkdirAll(filepath.Dir(self), 0o700)
	if err := os.WriteFile(self, []byte("#!/bin/sh\necho $# \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := unpack(t, dir, self)
	files := 0
	err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil || fi.Mode().Perm()&0o222 != 0 {
			t.Errorf("%s has mode %v, %v; want it read-only", file, fi.Mode(), err)
		}
		if !d.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files != 4 {
		t.Errorf("%d files, %v; want plugin.json, hooks.json, the module and hook.sh", files, err)
	}
	if out, err := exec.Command(filepath.Join(path, "hook.sh"), "mod", "a b").Output(); err != nil || string(out) != "3 hook mod a b\n" {
		t.Errorf("hook.sh runs %q, %v; want the program that unpacked it", out, err)
	}
	manifest, err := os.ReadFile(filepath.Join(path, ".claude-plugin", "plugin.json"))
	if err != nil || strings.Contains(string(manifest), "since-") || !strings.Contains(string(manifest), `"name": "afteryou"`) {
		t.Errorf("plugin.json is %s, %v", manifest, err)
	}
	if again := unpack(t, dir, self); again != path {
		t.Errorf("unpacked again it is %s, want %s", again, path)
	}
	if other := unpack(t, dir, "/elsewhere/afteryou"); other == path || filepath.Dir(other) != dir {
		t.Errorf("for another program it is %s, the same as %s", other, path)
	}
	if name, err := Name(self); err != nil || name != filepath.Base(path) {
		t.Errorf("its name is %s, %v; want %s", name, err, path)
	}
}

// Sessions that begin at once unpack it once, and leave nothing beside it.
func TestUnpackAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := Unpack(dir, "/bin/afteryou"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list := Unpacked(dir)
	for _, one := range list {
		t.Cleanup(func() { Remove(one) })
	}
	if len(list) != 1 {
		t.Errorf("there is %q, want one directory", list)
	}
}

// What no session began with for a month goes, but for what is in use; what is used stays.
func TestUnpackRemovesTheOld(t *testing.T) {
	dir := t.TempDir()
	age := func(path string, days int) {
		then := time.Now().Add(-time.Duration(days) * 24 * time.Hour)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	used, linked, old, recent := unpack(t, dir, "/used"), unpack(t, dir, "/linked"), unpack(t, dir, "/old"), unpack(t, dir, "/recent")
	age(used, 40)
	age(linked, 40)
	age(old, 40)
	age(recent, 20)
	unpack(t, dir, "/used", linked)
	for path, stays := range map[string]bool{used: true, linked: true, old: false, recent: true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v; want it there: %v", path, err, stays)
		}
	}
	age(recent, 40)
	unpack(t, dir, "/used") // was used just now, so nothing is looked for
	if _, err := os.Stat(recent); err != nil {
		t.Error(err)
	}
}
