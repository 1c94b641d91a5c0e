package launch

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
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

// direct takes the gateways of a launcher above out of the environment: they are for that one's calls alone, and end with it.
func (e Env) direct() Env {
	if e.Get(hook.GatewayEnv) == "" {
		return e
	}
	getenv := hook.Direct(e.Get)
	for _, p := range claude.Providers() {
		switch url := getenv(p.URLEnv); url {
		case e.Get(p.URLEnv): // the user's own, or none
		case claude.APIURL:
			e = e.Without(p.URLEnv)
		default:
			e = e.With(p.URLEnv, url)
		}
	}
	return e.Without(hook.GatewayEnv)
}

// gateway starts the gateway, if there is to be one, and tells Claude Code of it. Whoever is given one closes it.
func (l Launch) gateway(cmd *wrapper.Command) (*gateway.Gateway, error) {
	env := Env(cmd.Env)
	getenv := claude.WithSettings(env.Get)
	upstream := strings.TrimRight(env.Get(urlEnv), "/")
	toAPI := env.toAPI()
	on := l.Gateway == "on"
	if l.Store == nil || l.Gateway == "off" || !on && toAPI {
		return nil, nil
	}
	if err := mayStart(env, toAPI); err != nil {
		if on {
			return nil, err
		}
		return nil, nil
	}
	upstream = cmp.Or(upstream, claude.APIURL)
	g, err := gateway.Start(gateway.Config{
		Upstream: upstream, Store: l.Store, Rules: l.Rules, Print: claude.Sort(l.Args) == claude.Print,
		Pool: func(*http.Request) (string, string) { return l.Pool() }, Hold: held(getenv("API_TIMEOUT_MS")), Getenv: getenv,
		Groups: l.Groups, Fleet: l.Fleet,
	})
	if err != nil {
		if on {
			return nil, err
		}
		l.Store.Log("%v; the hooks take turns", err)
		return nil, nil
	}
	cmd.Env = asTheAPI(pastProxy(env).With(urlEnv, g.URL()).With(hook.GatewayEnv, g.URL()+" "+upstream), toAPI)
	return g, nil
}

// toAPI reports whether Claude Code asks the API itself.
func (e Env) toAPI() bool {
	upstream := strings.TrimRight(e.Get(urlEnv), "/")
	return upstream == "" || upstream == claude.APIURL
}

// asTheAPI switches on what 2.1.330 leaves off where the base URL is not the API's, for gateways that can't take it: ours can.
func asTheAPI(env Env, toAPI bool) Env {
	for name, value := range map[string]string{"ENABLE_TOOL_SEARCH": "true", "CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING": "1"} {
		if toAPI && !env.Has(name) {
			env = env.With(name, value)
		}
	}
	return env
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
func pastProxy(env Env) Env {
	one, other := env.Get("NO_PROXY"), env.Get("no_proxy")
	for name, list := range map[string]string{"NO_PROXY": cmp.Or(one, other), "no_proxy": cmp.Or(other, one)} {
		if list != "*" && !strings.Contains(list, "127.0.0.1") {
			env = env.With(name, strings.TrimLeft(list+",127.0.0.1", ","))
		}
	}
	return env
}

// mayStart says why there must be no gateway: calls go elsewhere, or the organization's managed settings do not leave
// the base URL to the user.
func mayStart(env Env, toAPI bool) error {
	getenv := claude.WithSettings(env.Get)
	if name := claude.Elsewhere(getenv); name != "" {
		return fmt.Errorf("a gateway can't stand in front of what %s leads to\nhint: leave gateway at \"auto\"", name)
	}
	if getenv("CLAUDE_CODE_CLIENT_KEY_PASSPHRASE") != "" {
		return errors.New("a gateway can't use a client key with a passphrase (CLAUDE_CODE_CLIENT_KEY_PASSPHRASE)\nhint: leave gateway at \"auto\"")
	}
	if claude.WithSettings(env.Without(urlEnv).Get)(urlEnv) != "" {
		return errors.New("a gateway can't stand before a base URL of Claude Code's settings, which wins over the gateway's\nhint: set " + urlEnv + " in the environment instead of settings.json")
	}
	return forbids(claude.Managed(getenv), toAPI)
}
