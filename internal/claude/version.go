package claude

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Version is a version of Claude Code. The zero value means unknown.
type Version struct{ Major, Minor, Patch int }

var versionText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+ ].*)?$`)
})

// ParseVersion reads "2.1.330", as --version writes it ("2.1.330 (Claude Code)") or with a suffix.
func ParseVersion(s string) (Version, bool) {
	m := versionText().FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return Version{}, false
	}
	var v Version
	v.Major, _ = strconv.Atoi(m[1])
	v.Minor, _ = strconv.Atoi(m[2])
	v.Patch, _ = strconv.Atoi(m[3])
	return v, true
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }
func (v Version) IsZero() bool   { return v == Version{} }

func (v Version) Less(w Version) bool {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch)) < 0
}

func (v Version) AtLeast(w Version) bool { return !v.Less(w) }

// askTimeout bounds `claude --version`, which takes 0.1 s to 1 s.
const askTimeout = 5 * time.Second

// Version finds out which version b is. Mostly its path tells: the package.json of the npm package, the native
// installer's versions/X.Y.Z. Otherwise the program is asked once, and the answer is kept in cacheDir for as long as the
// file stays the same; an answer that can't be kept is asked for again.
func (b Binary) Version(cacheDir string) (Version, error) {
	path, err := filepath.EvalSymlinks(b.Path)
	if err != nil {
		return Version{}, fmt.Errorf("finding the version of Claude Code: %w", err)
	}
	if v, ok := versionOfPath(path); ok {
		return v, nil
	}
	fi, err := os.Stat(path)
	if err != nil {
		return Version{}, fmt.Errorf("finding the version of Claude Code: %w", err)
	}
	identity := fmt.Sprintf("%s\n%d\n%d\n", path, fi.Size(), fi.ModTime().UnixNano())
	sum := fnv.New64a()
	sum.Write([]byte(identity))
	kept := filepath.Join(cacheDir, fmt.Sprintf("version-%016x", sum.Sum64()))
	if data, err := os.ReadFile(kept); err == nil {
		if answer, ok := strings.CutPrefix(string(data), identity); ok {
			if v, ok := ParseVersion(answer); ok {
				return v, nil
			}
		}
	}
	v, err := ask(b.Path)
	if err != nil {
		return Version{}, err
	}
	keep(cacheDir, kept, identity+v.String()+"\n")
	return v, nil
}

// versionOfPath reads the version off the place where path stands.
func versionOfPath(path string) (Version, bool) {
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if filepath.Base(dir) == "versions" {
		if v, ok := ParseVersion(name); ok {
			return v, true
		}
	}
	// …/claude-code/bin/claude.exe, …/claude-code/cli.js, …/claude-code-linux-x64/claude
	for _, dir := range []string{dir, filepath.Dir(dir)} {
		data, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err != nil {
			continue
		}
		var p struct{ Name, Version string }
		if json.Unmarshal(data, &p) == nil && strings.HasPrefix(p.Name, "@anthropic-ai/claude-code") {
			return ParseVersion(p.Version)
		}
	}
	return Version{}, false
}

func ask(path string) (Version, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second // for the output, should a child of it keep it open
	out, err := cmd.Output()
	if err != nil {
		return Version{}, fmt.Errorf("asking %q for its version: %w", path, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	v, ok := ParseVersion(line)
	if !ok {
		return Version{}, fmt.Errorf("asking %q for its version: unexpected answer %.80q", path, line)
	}
	return v, nil
}

// keep writes data to file, whole or not at all. Failing is no loss: the program is asked again next time.
func keep(dir, file, data string) {
	if dir == "" || os.MkdirAll(dir, 0o700) != nil {
		return
	}
	temp := fmt.Sprintf("%s.%d", file, os.Getpid())
	if os.WriteFile(temp, []byte(data), 0o600) != nil || os.Rename(temp, file) != nil {
		os.Remove(temp)
	}
}
