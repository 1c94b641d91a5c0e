// Package plugin is afteryou as a plugin of Claude Code. As it stands here it is the one of the marketplace, with hooks for every
// version; Unpack makes of it what run and install hand to Claude Code: the module alone.
package plugin

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"afteryou/internal/claude"
)

//go:embed .claude-plugin/plugin.json hooks/afteryou.js
var content embed.FS

// Prefix begins the name of each directory that Unpack makes.
const Prefix = "plugin-"

// kept is how long an unpacked plugin stays that no session began with.
const kept = 30 * 24 * time.Hour

// Name returns the name of the directory into which Unpack puts the plugin whose module starts the program self. Another content
// has another name.
func Name(self string) (string, error) {
	files, err := unpacked(self)
	if err != nil {
		return "", err
	}
	return name(files), nil
}

// Unpack puts the plugin whose module starts the program self, an absolute path, into a directory of its own below dir, and
// returns that. It is there as a whole or not at all, read-only, and never changed: interactive sessions watch it (2.1.332).
// Those that no session began with for a month are removed, but for those in use, which are given by their paths.
func Unpack(dir, self string, inUse ...string) (string, error) {
	files, err := unpacked(self)
	if err != nil {
		return "", err
	}
	path, now := filepath.Join(dir, name(files)), time.Now()
	fi, err := os.Lstat(path)
	switch {
	case err == nil && now.Sub(fi.ModTime()).Abs() < 24*time.Hour:
		return path, nil
	case err == nil: // its time says when it was last used; Claude Code does not mind (2.1.332)
		os.Chtimes(path, now, now) // at worst it is removed early, and unpacked anew
	default:
		if err := write(path, files); err != nil {
			return "", fmt.Errorf("unpacking the plugin: %w", err)
		}
	}
	for _, old := range Unpacked(dir) {
		if fi, err := os.Lstat(old); err == nil && now.Sub(fi.ModTime()) > kept && old != path && !slices.Contains(inUse, old) {
			Remove(old) // else the next start tries again
		}
	}
	return path, nil
}

// Unpacked lists the directories that Unpack made below dir, also what a crash left of one.
func Unpacked(dir string) []string {
	list, _ := filepath.Glob(filepath.Join(dir, Prefix+"*")) // the pattern is good
	return list
}

// Remove removes a directory that Unpack made, or one that has such in it, which for its owner too is read-only.
func Remove(path string) error {
	filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(path, 0o700) // the removal says what went wrong
		}
		return nil
	})
	return os.RemoveAll(path)
}

// name is the directory's, by what is in it.
func name(files map[string]string) string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s\x00%d\x00%s", path, len(files[path]), files[path])
	}
	return Prefix + hex.EncodeToString(h.Sum(nil))[:12]
}

// unpacked are the files, by their paths. The classic hooks stay out: those of the settings are the same handlers in every
// place, which Claude Code runs once, and a plugin's are others to it. So does the command, which they answer.
func unpacked(self string) (map[string]string, error) {
	files := map[string]string{
		"hook.sh":          "#!/bin/sh\nexec " + claude.Quote(self) + " hook \"$@\"\n",
		"hooks/hooks.json": `{"modules": ["./afteryou.js"]}` + "\n",
	}
	for _, path := range []string{".claude-plugin/plugin.json", "hooks/afteryou.js"} {
		data, err := content.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files[path] = string(data)
	}
	var manifest map[string]any
	if err := json.Unmarshal([]byte(files[".claude-plugin/plugin.json"]), &manifest); err != nil {
		return nil, fmt.Errorf("reading the plugin's manifest: %w", err)
	}
	delete(manifest, "hooks") // hooks.json is read without being named
	data, err := json.MarshalIndent(manifest, "", "  ")
	files[".claude-plugin/plugin.json"] = string(data) + "\n"
	return files, err
}

// write makes the directory at path, beside its place first.
func write(path string, files map[string]string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(path), Prefix+"part-*")
	if err != nil {
		return err
	}
	defer Remove(temp) // after the rename there is nothing to remove
	for name, text := range files {
		file, mode := filepath.Join(temp, name), fs.FileMode(0o444)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o555
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			return err
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask says
			return err
		}
	}
	if err := filepath.WalkDir(temp, func(dir string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && dir != temp { // which could not be renamed everywhere
			err = os.Chmod(dir, 0o555)
		}
		return err
	}); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil && !errors.Is(err, fs.ErrExist) { // another was quicker
		return err
	}
	return os.Chmod(path, 0o555)
}
