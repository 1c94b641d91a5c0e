package launch

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/gateway"
	"afteryou/wrapper"
)

// Gateway says whether calls go through a gateway in the launcher: "off", "on", or "auto", which is on only where the
// user has pointed Claude Code at a gateway already, so that nothing changes for it.
type Gateway string

const urlEnv = "ANTHROPIC_BASE_URL"

// direct takes the gateway of a Claude Code above out of the environment: it is for that one's calls alone, and ends
// with it.
func (l Launch) direct() Launch {
	getenv := func(name string) string { return lookup(l.Env, name) }
	marker := getenv(hook.GatewayEnv)
	if marker == "" {
		return l
	}
	url := hook.Direct(getenv)(urlEnv)
	if url == claude.APIURL {
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
	env := func(name string) string { return lookup(cmd.Env, name) }
	getenv := claude.WithSettings(env)
	upstream := strings.TrimRight(env(urlEnv), "/")
	toAPI := upstream == "" || upstream == claude.APIURL
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
		upstream = claude.APIURL
	}
	g, err := gateway.Start(gateway.Config{
		Upstream: upstream, Store: l.Store, Rules: l.Rules, Print: claude.Sort(l.Args) == claude.Print, Pool: l.Pool, Hold: held(getenv("API_TIMEOUT_MS")), Getenv: getenv,
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

// held is how long the gateway may keep a call: nine tenths of what Claude Code waits for headers, where the user said
// how long that is.
func held(timeout string) time.Duration {
	ms, err := strconv.ParseFloat(timeout, 64)
	if err != nil || ms <= 0 || ms > float64(24*time.Hour/time.Millisecond) {
		return 0
	}
	return time.Duration(0.9 * ms * float64(time.Millisecond))
}

// pastProxy keeps calls to the gateway from going through a proxy: 2.1.330 asks one for loopback too, be it named in the
// environment or in any settings file.
func pastProxy(env []string) []string {
	one, other := lookup(env, "NO_PROXY"), lookup(env, "no_proxy")
	for name, list := range map[string]string{"NO_PROXY": cmp.Or(one, other), "no_proxy": cmp.Or(other, one)} {
		if list != "*" && !strings.Contains(list, "127.0.0.1") {
			env = with(env, name, strings.TrimLeft(list+",127.0.0.1", ","))
		}
	}
	return env
}

// mayStart says why there must be no gateway: calls go elsewhere, or the organization's managed settings do not leave
// the base URL to the user.
func (l Launch) mayStart(getenv func(string) string, toAPI bool) error {
	if name := claude.Elsewhere(getenv); name != "" {
		return fmt.Errorf("a gateway can't stand in front of what %s leads to\nhint: leave gateway at \"auto\"", name)
	}
	if getenv("CLAUDE_CODE_CLIENT_KEY_PASSPHRASE") != "" {
		return errors.New("a gateway can't use a client key with a passphrase (CLAUDE_CODE_CLIENT_KEY_PASSPHRASE)\nhint: leave gateway at \"auto\"")
	}
	unset := func(name string) string {
		if name == urlEnv {
			return ""
		}
		return getenv(name)
	}
	if claude.WithSettings(unset)(urlEnv) != "" {
		return errors.New("a gateway can't stand before a base URL of Claude Code's settings, which wins over the gateway's\nhint: set " + urlEnv + " in the environment instead of settings.json")
	}
	return managedBy(getenv).forbids(toAPI)
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
