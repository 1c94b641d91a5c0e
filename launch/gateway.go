package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"afteryou/claude"
	"afteryou/gateway"
	"afteryou/hook"
	"afteryou/wrapper"
)

// Gateway says whether calls go through a gateway in the launcher: "off", "on", or "auto", which is on only where the
// user has pointed Claude Code at a gateway already, so that nothing changes for it.
type Gateway string

const (
	urlEnv = "ANTHROPIC_BASE_URL"
	apiURL = "https://api.anthropic.com"
)

// direct takes the gateway of a Claude Code above out of the environment: it is for that one's calls alone, and ends
// with it.
func (l Launch) direct() Launch {
	getenv := func(name string) string { return lookup(l.Env, name) }
	marker := getenv(hook.GatewayEnv)
	if marker == "" {
		return l
	}
	url := hook.Direct(getenv)(urlEnv)
	if url == apiURL {
		url = ""
	}
	l.Env = without(without(l.Env, urlEnv), hook.GatewayEnv)
	if url != "" {
		l.Env = append(l.Env, urlEnv+"="+url)
	}
	env := l.Env
	l.Pool = func() (string, string) {
		return claude.PoolKey(func(name string) string { return lookup(env, name) })
	}
	return l
}

// gateway starts the gateway, if there is to be one, and tells Claude Code of it. Whoever is given one closes it.
func (l Launch) gateway(cmd *wrapper.Command) (*gateway.Gateway, error) {
	getenv := func(name string) string { return lookup(cmd.Env, name) }
	upstream := strings.TrimRight(getenv(urlEnv), "/")
	toAPI := upstream == "" || upstream == apiURL
	if l.Store == nil || l.Gateway == "off" || l.Gateway != "on" && toAPI {
		return nil, nil
	}
	if err := l.mayStart(getenv, toAPI); err != nil {
		if l.Gateway == "on" {
			return nil, err
		}
		return nil, nil
	}
	if upstream == "" {
		upstream = apiURL
	}
	g, err := gateway.Start(gateway.Config{
		Upstream: upstream, Store: l.Store, Rules: l.Rules, Pool: l.Pool, Hold: held(getenv("API_TIMEOUT_MS")), Getenv: getenv,
	})
	if err != nil {
		if l.Gateway == "on" {
			return nil, err
		}
		l.Store.Log("%v; the hooks take turns", err)
		return nil, nil
	}
	cmd.Env = with(cmd.Env, urlEnv, g.URL())
	cmd.Env = with(cmd.Env, hook.GatewayEnv, g.URL()+" "+upstream)
	if toAPI {
		// What 2.1.330 leaves off where the base URL is not the API's, for gateways that can't take it. This one can.
		for name, value := range map[string]string{"ENABLE_TOOL_SEARCH": "true", "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING": "1"} {
			if !isSet(cmd.Env, name) {
				cmd.Env = with(cmd.Env, name, value)
			}
		}
	}
	cmd.Env = pastProxy(cmd.Env)
	return g, nil
}

// held is how long the gateway may keep a call: nine tenths of what Claude Code waits for headers, 10 minutes unless
// the user said otherwise (2.1.330).
func held(timeout string) time.Duration {
	ms, err := strconv.ParseFloat(timeout, 64)
	if err != nil || ms <= 0 || ms > float64(24*time.Hour/time.Millisecond) {
		return 0
	}
	return time.Duration(0.9 * ms * float64(time.Millisecond))
}

// pastProxy keeps calls to the gateway from going through a proxy of the environment.
func pastProxy(env []string) []string {
	proxied := false
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		proxied = proxied || lookup(env, name) != ""
	}
	if !proxied {
		return env
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		list := lookup(env, name)
		if list == "" {
			// The one that is set counts for both.
			list = lookup(env, map[string]string{"NO_PROXY": "no_proxy", "no_proxy": "NO_PROXY"}[name])
		}
		if list == "*" || strings.Contains(list, "127.0.0.1") {
			continue
		}
		env = with(env, name, strings.TrimLeft(list+",127.0.0.1", ","))
	}
	return env
}

// mayStart says why there must be no gateway: calls go elsewhere, or the organization's managed settings do not leave
// the base URL to the user.
func (l Launch) mayStart(getenv func(string) string, toAPI bool) error {
	for _, name := range []string{"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY", "ANTHROPIC_UNIX_SOCKET"} {
		if v := getenv(name); v != "" && v != "0" && v != "false" {
			return fmt.Errorf("a gateway can't stand in front of what %s leads to\nhint: leave gateway at \"auto\"", name)
		}
	}
	if getenv("CLAUDE_CODE_CLIENT_KEY_PASSPHRASE") != "" {
		return errors.New("a gateway can't use a client key with a passphrase (CLAUDE_CODE_CLIENT_KEY_PASSPHRASE)\nhint: leave gateway at \"auto\"")
	}
	config := getenv("CLAUDE_CONFIG_DIR")
	if config == "" {
		config = filepath.Join(getenv("HOME"), ".claude")
	}
	files := []string{filepath.Join(managedDir, "managed-settings.json")}
	more, _ := filepath.Glob(filepath.Join(managedDir, "managed-settings.d", "*.json")) // the pattern is good
	for _, path := range append(files, more...) {
		if key := forbids(path); key != "" {
			return fmt.Errorf("your organization's managed settings do not allow a gateway: %s in %s\nhint: leave gateway at \"auto\", and the hooks take turns", key, path)
		}
	}
	// A base URL that is not the API's switches these off (2.1.330): that is not ours to do.
	if path := filepath.Join(config, "remote-settings.json"); toAPI && filled(path) {
		return fmt.Errorf("your organization sends managed settings, which a gateway would switch off (%s)\nhint: leave gateway at \"auto\", and the hooks take turns", path)
	}
	return nil
}

// forbids is the key of a managed settings file that decides where calls go, or "". A file that can't be read forbids
// nothing that we know of; Claude Code itself says what is wrong with it.
func forbids(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var s struct {
		Env       map[string]any
		Providers any    `json:"allowedProviders"`
		Login     string `json:"forceLoginMethod"`
		LoginURL  string `json:"forceLoginGatewayUrl"`
		Refresh   bool   `json:"forceRemoteSettingsRefresh"`
	}
	if json.Unmarshal(data, &s) != nil {
		return ""
	}
	_, url := s.Env[urlEnv]
	switch {
	case url:
		return "env." + urlEnv
	case s.Providers != nil:
		return "allowedProviders"
	case s.LoginURL != "" || s.Login == "gateway":
		return "forceLoginMethod"
	case s.Refresh:
		return "forceRemoteSettingsRefresh"
	}
	return ""
}

// filled says whether the file at path holds settings.
func filled(path string) bool {
	data, err := os.ReadFile(path)
	var s map[string]json.RawMessage
	return err == nil && json.Unmarshal(data, &s) == nil && len(s) > 0
}

// isSet says whether name is in env, be it empty.
func isSet(env []string, name string) bool {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return true
		}
	}
	return false
}

// without is env without name.
func without(env []string, name string) []string {
	var rest []string
	for _, e := range env {
		if !strings.HasPrefix(e, name+"=") {
			rest = append(rest, e)
		}
	}
	return rest
}
