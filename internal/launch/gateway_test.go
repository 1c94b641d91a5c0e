package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/hook"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

type gatewayCase struct {
	mode  Gateway
	env   []string
	on    bool
	warns string   // the error
	also  []string // in the environment of Claude Code, then
	never []string // not set in it
	file  string   // ~/.claude/settings.json
}

func TestGatewayIsWhereItIsWanted(t *testing.T) {
	for name, c := range map[string]gatewayCase{
		"auto, no base URL":                  {mode: "auto"},
		"auto, the API's base URL":           {mode: "auto", env: []string{"ANTHROPIC_BASE_URL=https://api.anthropic.com/"}},
		"auto, a base URL of the user's own": {mode: "auto", env: []string{"ANTHROPIC_BASE_URL=http://llm.example/x"}, on: true, never: []string{"ENABLE_TOOL_SEARCH", "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING"}},
		"auto, Bedrock":                      {mode: "auto", env: []string{"ANTHROPIC_BASE_URL=http://llm.example", "CLAUDE_CODE_USE_BEDROCK=1"}},
		"off":                                {mode: "off", env: []string{"ANTHROPIC_BASE_URL=http://llm.example"}},
		"on":                                 {mode: "on", on: true, also: []string{"ENABLE_TOOL_SEARCH=true", "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING=1"}},
		"on, what the user set stays":        {mode: "on", env: []string{"ENABLE_TOOL_SEARCH=auto"}, on: true, also: []string{"ENABLE_TOOL_SEARCH=auto"}},
		"on, a proxy":                        {mode: "on", env: []string{"HTTPS_PROXY=http://p:1", "no_proxy=a.b"}, on: true, also: []string{"NO_PROXY=a.b,127.0.0.1", "no_proxy=a.b,127.0.0.1"}},
		"on, a base URL of the user's own":   {mode: "on", env: []string{"ANTHROPIC_BASE_URL=http://llm.example"}, on: true, never: []string{"ENABLE_TOOL_SEARCH", "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING"}},
		"on, a setting that is empty stays":  {mode: "on", env: []string{"CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING="}, on: true, also: []string{"ENABLE_TOOL_SEARCH=true", "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING="}},
		"on, a proxy in a settings file":     {mode: "on", on: true, also: []string{"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1"}},
		"on, past all proxies":               {mode: "on", env: []string{"NO_PROXY=*"}, on: true, also: []string{"NO_PROXY=*"}},
		"on, a base URL in the settings":     {mode: "on", file: `{"env":{"ANTHROPIC_BASE_URL":"http://llm.example"}}`, warns: "in the environment instead of settings.json"},
		"auto, a base URL in the settings":   {mode: "auto", file: `{"env":{"ANTHROPIC_BASE_URL":"http://llm.example"}}`},
		"auto, base URLs everywhere":         {mode: "auto", env: []string{"ANTHROPIC_BASE_URL=http://llm.example"}, file: `{"env":{"ANTHROPIC_BASE_URL":"http://llm.example"}}`},
		"on, a certificate in the settings":  {mode: "on", file: `{"env":{"NODE_EXTRA_CA_CERTS":"/nowhere.pem"}}`, warns: "/nowhere.pem"},
		"on, Vertex in the settings":         {mode: "on", file: `{"env":{"CLAUDE_CODE_USE_VERTEX":"1"}}`, warns: "CLAUDE_CODE_USE_VERTEX"},
		"on, Vertex":                         {mode: "on", env: []string{"CLAUDE_CODE_USE_VERTEX=1"}, warns: "CLAUDE_CODE_USE_VERTEX"},
		"on, a base URL that is none":        {mode: "on", env: []string{"ANTHROPIC_BASE_URL=llm"}, warns: "base URL"},
		"on, server-managed settings":        {mode: "on", env: []string{"CLAUDE_CONFIG_DIR=testdata-managed"}, warns: "your organization sends managed settings"},
	} {
		t.Run(name, func(t *testing.T) { c.check(t) })
	}
}

// check starts the gateway, where it is wanted, and looks at what Claude Code and a launcher within are told.
func (c gatewayCase) check(t *testing.T) {
	store, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if c.file != "" {
		write(t, filepath.Join(home, ".claude", "settings.json"), c.file)
	}
	env := append([]string{"HOME=" + home}, c.env...)
	for i, e := range env {
		if name, dir, _ := strings.Cut(e, "="); name == "CLAUDE_CONFIG_DIR" {
			dir = filepath.Join(t.TempDir(), dir)
			write(t, filepath.Join(dir, "remote-settings.json"), `{"permissions":{}}`)
			env[i] = name + "=" + dir
		}
	}
	cmd := wrapper.Command{Env: env}
	g, err := Launch{Store: store, Gateway: c.mode, Pool: func() (string, string) { return "p", "s" }}.gateway(&cmd)
	if c.warns != "" {
		if err == nil || !strings.Contains(err.Error(), c.warns) {
			t.Errorf("says %v, want %q", err, c.warns)
		}
		return
	}
	if err != nil || (g != nil) != c.on {
		t.Fatalf("on: %v, %v; want %v", g != nil, err, c.on)
	}
	if g == nil {
		if !slices.Equal(cmd.Env, env) {
			t.Errorf("the environment becomes %v, want %v", cmd.Env, env)
		}
		return
	}
	defer g.Close()
	if got := Env(cmd.Env).Get("ANTHROPIC_BASE_URL"); got != g.URL() {
		t.Errorf("the base URL is %q", got)
	}
	for _, e := range c.also {
		if !slices.Contains(cmd.Env, e) {
			t.Errorf("%v has no %s", cmd.Env, e)
		}
	}
	for _, name := range c.never {
		if Env(cmd.Env).Has(name) {
			t.Errorf("%v has %s", cmd.Env, name)
		}
	}
	// A launcher in this session starts anew, from what the user had.
	inner := Env(cmd.Env).direct()
	if got, want := inner.Get("ANTHROPIC_BASE_URL"), strings.TrimRight(Env(env).Get("ANTHROPIC_BASE_URL"), "/"); got != want {
		t.Errorf("a launcher within takes the base URL for %q, want %q", got, want)
	}
	if inner.Get(hook.GatewayEnv) != "" {
		t.Errorf("a launcher within keeps the mark of the gateway")
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHeldForLessThanClaudeCodeWaits(t *testing.T) {
	for timeout, want := range map[string]time.Duration{"": 0, "x": 0, "-1": 0, "0": 0, "100000": 90 * time.Second, "1e12": 0} {
		if got := held(timeout); got != want {
			t.Errorf("held(%q) = %v, want %v", timeout, got, want)
		}
	}
}
