// Package realclaude installs the real Claude Code and drives it, for tests: from npm by version, in an environment
// that holds nothing but what a test puts there, against a stand-in API, with -p; package terminal has the real pty. It does
// not know what Claude Code's texts mean, and never skips: where the program cannot be had, the test fails.
package realclaude

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Version is the release that tests run unless they say otherwise.
const Version = "2.1.332"

// Key is the API key of the environment, Token the login in its place (see Login). Both are made up.
const (
	Key   = "sk-ant-test-0000"
	Token = "sk-ant-oat01-dummy"
)

// Login as an extra of Env makes Claude Code behave as a subscription's: no API key, but a token.
const Login = "CLAUDE_CODE_OAUTH_TOKEN=" + Token

// Env returns a clean environment: of the caller's it has PATH alone. Extra "NAME=value" entries are added and win over the
// rest, "NAME=" with nothing behind it leaves NAME out.
func Env(home, baseURL string, extra ...string) []string {
	env := []string{
		"HOME=" + home,
		"PATH=" + os.Getenv("PATH"),
		"TERM=xterm-256color",
		"LANG=C.UTF-8",
		"IS_SANDBOX=1", // root may use bypassPermissions
		"ANTHROPIC_BASE_URL=" + baseURL,
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
		"DISABLE_AUTOUPDATER=1",
		"DISABLE_TELEMETRY=1",
		// Whatever else a version asks for (2.0.76 does) ends on loopback too, where nothing listens on the discard port.
		"HTTPS_PROXY=http://127.0.0.1:9",
		"NO_PROXY=127.0.0.1,localhost",
		"CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL=1", // 2.1.330 asks for it at its first start all the same
	}
	login := slices.ContainsFunc(extra, func(e string) bool {
		value, ok := strings.CutPrefix(e, "CLAUDE_CODE_OAUTH_TOKEN=")
		return ok && value != ""
	})
	if !login {
		env = append(env, "ANTHROPIC_API_KEY="+Key)
	}
	for _, e := range extra {
		name, value, _ := strings.Cut(e, "=")
		env = slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if value != "" {
			env = append(env, e)
		}
	}
	return env
}

// XDG returns the extras of Env that keep what a program beside Claude Code writes in folders of dir.
func XDG(dir string) (extra []string) {
	for _, kind := range []string{"state", "config", "cache"} {
		extra = append(extra, "XDG_"+strings.ToUpper(kind)+"_HOME="+filepath.Join(dir, kind))
	}
	return extra
}

// Cloud returns the extras of Env that make Claude Code speak to that URL as to a cloud, "vertex" or "bedrock", without an
// account there (2.1.332). For no cloud there are none.
func Cloud(name, url string) []string {
	switch name {
	case "vertex":
		return []string{"ANTHROPIC_BASE_URL=", "ANTHROPIC_API_KEY=", "CLAUDE_CODE_USE_VERTEX=1", "CLAUDE_CODE_SKIP_VERTEX_AUTH=1",
			"ANTHROPIC_VERTEX_BASE_URL=" + url + "/v1", "ANTHROPIC_VERTEX_PROJECT_ID=p", "CLOUD_ML_REGION=us-east5"}
	case "bedrock":
		return []string{"ANTHROPIC_BASE_URL=", "ANTHROPIC_API_KEY=", "CLAUDE_CODE_USE_BEDROCK=1", "CLAUDE_CODE_SKIP_BEDROCK_AUTH=1",
			"ANTHROPIC_BEDROCK_BASE_URL=" + url, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y"}
	}
	return nil
}

// Home makes dir a home in which Claude Code asks nothing at its start: onboarding is done, the key approved, and cwd,
// which is made too, trusted.
func Home(dir, cwd string) error {
	for _, d := range []string{dir, cwd} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	trusted := map[string]any{
		"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true,
		"allowedTools": []string{}, // 1.0.128 ends without it
	}
	projects := map[string]any{cwd: trusted}
	if real, err := filepath.EvalSymlinks(cwd); err == nil {
		projects[real] = trusted // macOS: /tmp is /private/tmp
	}
	data, err := json.Marshal(map[string]any{
		"hasCompletedOnboarding":        true,
		"theme":                         "dark",
		"bypassPermissionsModeAccepted": true,
		"customApiKeyResponses":         map[string][]string{"approved": {Key}, "rejected": {}},
		"projects":                      projects,
		// Interactive sessions of any version would fetch it at their first start.
		"officialMarketplaceAutoInstallAttempted":  true,
		"officialMarketplaceAutoInstalled":         false,
		"officialMarketplaceAutoInstallFailReason": "policy_blocked",
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".claude.json"), data, 0o600)
}

// Session says how a Claude Code is started: Path is the program, which may be another one that starts it; then Args
// come before those of the call.
type Session struct {
	Path string
	Args []string
	Env  []string
	Dir  string
}

// Result is the output of a program that has ended.
type Result struct {
	Stdout, Stderr string
	Code           int // 128+n when signal n ended it
	Elapsed        time.Duration
}

// Print runs -p with args, the prompt among them, and an empty stdin. An exit code is no error. When ctx ends, so do the
// program and what it started.
func Print(ctx context.Context, s Session, args ...string) (Result, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, s.Path, slices.Concat(s.Args, []string{"-p"}, args)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.Env, s.Dir, &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killAll(cmd.Process.Pid) }
	cmd.WaitDelay = 5 * time.Second
	begin := time.Now()
	err := cmd.Run()
	r := Result{stdout.String(), stderr.String(), ExitCode(cmd.ProcessState), time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("%s -p: %w after %v; stdout %q, stderr %q", s.Path, ctx.Err(), r.Elapsed, r.Stdout, r.Stderr)
	case err != nil && !errors.As(err, &exit):
		return r, err
	}
	return r, nil
}

func ExitCode(p *os.ProcessState) int {
	if p == nil {
		return -1
	}
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.ExitCode()
}

// Transcripts lists the transcripts of a home, subagents' left out.
func Transcripts(home string) ([]string, error) {
	return filepath.Glob(filepath.Join(home, ".claude", "projects", "*", "*.jsonl"))
}

// Transcript finds the transcript of a session; with an empty session, the only one there is.
func Transcript(home, session string) (string, error) {
	pattern := filepath.Join(home, ".claude", "projects", "*", cmp.Or(session, "*")+".jsonl")
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("finding a transcript: %d files match %s", len(found), pattern)
	}
	return found[0], nil
}

// Rows reads the complete rows of a transcript.
func Rows(path string) ([]json.RawMessage, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []json.RawMessage
	for line := range strings.Lines(string(data)) {
		if strings.HasSuffix(line, "\n") { // else it is being written
			rows = append(rows, json.RawMessage(strings.TrimSuffix(line, "\n")))
		}
	}
	return rows, nil
}
