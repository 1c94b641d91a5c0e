package realclaude

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const npmPackage = "@anthropic-ai/claude-code"

// Install returns the path of Claude Code of that version. It gets it from npm unless the cache has it:
// $AFTERYOU_TEST_CACHE, else a folder under os.UserCacheDir. Any number of processes may call it at once: one installs,
// beside the final place, and renames; the others wait. What a crash leaves is removed by the next installation.
func Install(ctx context.Context, version string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(cache, version+".lock")) // a process that dies gives it back
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for the installation of Claude Code %s: %v", version, err)
	}
	defer lock.Close()

	dir := filepath.Join(cache, version)
	bin := binary(dir)
	if _, err := os.Stat(bin); err == nil {
		return bin, check(ctx, bin, version)
	}
	temp := dir + ".part"
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) // after the rename there is nothing to remove
	if err := npmInstall(ctx, temp, version); err != nil {
		return "", err
	}
	if err := check(ctx, binary(temp), version); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil { // half of something that is not ours
		return "", err
	}
	return bin, os.Rename(temp, dir)
}

// binary returns the program in an installation: a link to a native binary, up to about 2.1.112 to a node script.
func binary(dir string) string { return filepath.Join(dir, "node_modules", ".bin", "claude") }

func cacheDir() (string, error) {
	if dir := os.Getenv("AFTERYOU_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache folder for Claude Code: %v\nhint: set AFTERYOU_TEST_CACHE", err)
	}
	return filepath.Join(dir, "afteryou", "claude-code"), nil
}

func npmInstall(ctx context.Context, dir, version string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("installing Claude Code %s: %v\nhint: these tests drive the real program; they need node with npm", version, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
		"--prefix", dir, npmPackage+"@"+version)
	cmd.Dir = dir
	// npm needs what configures it (proxies, registry, its cache), and nothing that is Claude Code's.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "ANTHROPIC_") || strings.HasPrefix(e, "CLAUDE")
	})
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("installing Claude Code %s: npm: %v\n%s", version, err, out)
	}
	return nil
}

// check returns an error unless the program runs and is of that version.
func check(ctx context.Context, bin, version string) error {
	home, err := os.MkdirTemp("", "claude-version-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	cmd := exec.CommandContext(ctx, bin, "--version")
	cmd.Dir, cmd.Env = home, Env(home, "http://127.0.0.1:9") // the discard port: nothing answers
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s --version: %v\n%s", bin, err, out)
	}
	if f := strings.Fields(string(out)); len(f) == 0 || f[0] != version {
		return fmt.Errorf("%s --version says %q, want %s", bin, out, version)
	}
	return nil
}
