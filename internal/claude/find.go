package claude

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// Binary is the real Claude Code.
type Binary struct{ Path string }

// ErrNotFound says that no Claude Code was found in any place.
var ErrNotFound = errors.New("no Claude Code found\nhint: install it, or set AFTERYOU_CLAUDE to its path")

// Find returns the real Claude Code: AFTERYOU_CLAUDE, then PATH, then the usual install places. self is our own executable.
// It is passed over under any name, as a link or as a copy; so is a small script that names it. A script that gets to us in
// another way is taken for Claude Code: package wrapper breaks that loop.
func Find(self string, getenv func(string) string) (Binary, error) {
	if path := getenv("AFTERYOU_CLAUDE"); path != "" {
		if err := executable(path); err != nil {
			return Binary{}, fmt.Errorf("AFTERYOU_CLAUDE: %w", err)
		}
		if isOurs(self, path) { // a script is the user's own choice
			return Binary{}, fmt.Errorf("AFTERYOU_CLAUDE: %q is afteryou itself\nhint: set it to the real claude", path)
		}
		return Binary{path}, nil
	}
	all := All(self, getenv)
	if len(all) == 0 {
		return Binary{}, ErrNotFound
	}
	return all[0], nil
}

// All lists every Claude Code on PATH and in the usual install places, the one that Find takes first, each program once.
func All(self string, getenv func(string) string) []Binary {
	var places []string
	for _, dir := range filepath.SplitList(getenv("PATH")) {
		// A relative place would make the answer depend on where it is asked.
		if filepath.IsAbs(dir) {
			places = append(places, filepath.Join(dir, "claude"))
		}
	}
	if home := getenv("HOME"); home != "" {
		places = append(places,
			filepath.Join(home, ".local/bin/claude"),
			filepath.Join(home, ".claude/local/claude"),
			filepath.Join(home, ".claude/local/node_modules/.bin/claude"),
			filepath.Join(home, ".npm-global/bin/claude"))
	}
	places = append(places, "/opt/homebrew/bin/claude", "/usr/local/bin/claude")
	var all []Binary
	seen := make(map[string]bool)
	for _, path := range places {
		if executable(path) != nil || isOurs(self, path) || shim(path) {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil && !seen[real] {
			seen[real] = true
			all = append(all, Binary{path})
		}
	}
	return all
}

// executable reports why path can't be run.
func executable(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() || fi.Mode()&0o111 == 0 {
		return fmt.Errorf("%q is no program", path)
	}
	return nil
}

// callsUs finds, in a script, the line of a shim: exec '/home/u/.local/bin/afteryou' run -- "$@".
var callsUs = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^[^#\n]*\bafteryou['"]?\s+run\b`) })

// maxScript bounds the scripts that are looked into: a shim has a few lines.
const maxScript = 4 << 10

// isOurs reports whether path is our own executable, self, or a copy of it.
func isOurs(self, path string) bool {
	us, err := os.Stat(self)
	if err != nil {
		return false
	}
	fi, err := os.Stat(path)
	if err != nil {
		return false
	}
	if os.SameFile(fi, us) {
		return true
	}
	// A copy, perhaps of another build. Claude Code has some hundred megabytes or is a script; reading the build info
	// of a Go program costs a millisecond, and only programs of our own order of size are looked at.
	if fi.Size() > 8*us.Size() || fi.Size() < us.Size()/8 {
		return false
	}
	info, err := buildinfo.ReadFile(path)
	return err == nil && (info.Path == "afteryou" || strings.HasPrefix(info.Path, "afteryou/"))
}

// shim reports whether path is a script that calls us.
func shim(path string) bool {
	fi, err := os.Stat(path)
	if err != nil || fi.Size() > maxScript {
		return false
	}
	data, err := os.ReadFile(path)
	return err == nil && bytes.HasPrefix(data, []byte("#!")) && callsUs().Match(data)
}
