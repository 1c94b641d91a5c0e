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

// program is one that npm installs; bin is what is started of it, in node_modules.
type program struct{ name, pkg, bin string }

var (
	claudeCode = program{"Claude Code", "@anthropic-ai/claude-code", ".bin/claude"}
	typeScript = program{"TypeScript", "typescript", ".bin/tsc"}
	client     = program{"the SDK", "@anthropic-ai/sdk", "@anthropic-ai/sdk/index.mjs"}
	agentSDK   = program{"the Agent SDK", "@anthropic-ai/claude-agent-sdk", "@anthropic-ai/claude-agent-sdk/sdk.mjs"}
)

// typeScriptVersion is what checks the module against the declarations of Claude Code.
const typeScriptVersion = "5.9.3"

// sdkVersion is the one that brings Claude Code of the pinned version.
const sdkVersion = "0.3.332"

// Install returns the path of Claude Code of that version. It gets it from npm unless the cache has it:
// $AFTERYOU_TEST_CACHE, else a folder under os.UserCacheDir. Any number of processes may call it at once: one installs,
// beside the final place, and renames; the others wait. What a crash leaves is removed by the next installation.
func Install(ctx context.Context, version string) (string, error) {
	return claudeCode.install(ctx, version, version)
}

// InstallTypeScript returns the path of the checker of TypeScript, as Install does that of Claude Code.
func InstallTypeScript(ctx context.Context) (string, error) {
	return typeScript.install(ctx, typeScriptVersion, "typescript-"+typeScriptVersion)
}

// InstallSDK returns the path of the module of the Agent SDK, as Install does that of Claude Code.
func InstallSDK(ctx context.Context) (string, error) {
	return agentSDK.install(ctx, sdkVersion, "sdk-"+sdkVersion)
}

// clientVersion is the SDK for TypeScript that tests ask by.
const clientVersion = "1.14.0"

// InstallClient returns the path of the module of the SDK for TypeScript, as Install does that of Claude Code.
func InstallClient(ctx context.Context) (string, error) {
	return client.install(ctx, clientVersion, "client-"+clientVersion)
}

func (p program) install(ctx context.Context, version, name string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(cache, name+".lock")) // a process that dies gives it back
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for the installation of %s %s: %v", p.name, version, err)
	}
	defer lock.Close()

	dir := filepath.Join(cache, name)
	bin := p.binary(dir)
	if _, err := os.Stat(bin); err == nil {
		return bin, check(ctx, bin, version)
	}
	temp := dir + ".part"
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) // after the rename there is nothing to remove
	if err := p.npmInstall(ctx, temp, version); err != nil {
		return "", err
	}
	if err := check(ctx, p.binary(temp), version); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil { // half of something that is not ours
		return "", err
	}
	return bin, os.Rename(temp, dir)
}

// binary returns the program in an installation: a link, of Claude Code to a native binary, up to about 2.1.112 to a node script.
func (p program) binary(dir string) string { return filepath.Join(dir, "node_modules", p.bin) }

func cacheDir() (string, error) {
	if dir := os.Getenv("AFTERYOU_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache folder for what npm installs: %v\nhint: set AFTERYOU_TEST_CACHE", err)
	}
	return filepath.Join(dir, "afteryou", "claude-code"), nil
}

func (p program) npmInstall(ctx context.Context, dir, version string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("installing %s %s: %v\nhint: these tests drive the real program; they need node with npm", p.name, version, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
		"--prefix", dir, p.pkg+"@"+version)
	cmd.Dir = dir
	// npm needs what configures it (proxies, registry, its cache), and nothing that is Claude Code's.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "ANTHROPIC_") || strings.HasPrefix(e, "CLAUDE")
	})
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("installing %s %s: npm: %v\n%s", p.name, version, err, out)
	}
	return nil
}

// check returns an error unless the program runs and is of that version.
func check(ctx context.Context, bin, version string) error {
	if filepath.Ext(bin) == ".mjs" { // no program: it is there, or not
		_, err := os.Stat(bin)
		return err
	}
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
	if f := strings.Fields(string(out)); !slices.Contains(f, version) {
		return fmt.Errorf("%s --version says %q, want %s", bin, out, version)
	}
	return nil
}
