package launch

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/gateway"
	"afteryou/internal/guard"
	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

// Exec is any program that asks the API, and what it starts: their calls go through gateways in this process.
type Exec struct {
	Env     Env
	Store   *lockfile.Store
	Rules   turn.Rules
	Fleet   line.Fleets   // makes what meets other machines on the limits
	MaxWait time.Duration // bounds how long a call is held back
	Screen  bool          // somebody sits before it
	Called  func()        // is told of each call; nil: nobody
	Warn    func(message error)
}

// Gateways are those that are open.
type Gateways []*gateway.Gateway

// Close breaks off what runs and gives back every turn.
func (all Gateways) Close() {
	for _, g := range all {
		g.Close()
	}
}

// Open starts a gateway for each provider that the environment is made for, and returns the environment that leads there. Whoever
// is given gateways closes them. Those of a launcher above are for its own calls: a request has one turn.
func (e Exec) Open() (all Gateways, env Env) {
	direct := e.Env.direct()
	getenv := direct.Get
	env = direct
	if account := claude.Account(getenv); account != "" {
		env = env.With(claude.AccountEnv, account) // Claude Code keeps its token from hooks
	}
	var pairs []string
	for _, p := range claude.Providers() {
		upstream := p.URL(getenv)
		if !p.Used(getenv) || upstream == "" {
			continue
		}
		if p.Signed(getenv) {
			e.Warn(fmt.Errorf("requests to %s that are signed (SigV4) can't go through a gateway and take no turns; with %s they do", p.Name, claude.BedrockToken))
			continue
		}
		g, err := e.open(p, upstream, getenv)
		if err != nil {
			e.Warn(fmt.Errorf("%w\nhint: calls to %s take no turns", err, p.URLEnv))
			continue
		}
		all, pairs = append(all, g), append(pairs, g.URL(), upstream)
		env = env.With(p.URLEnv, g.URL())
		if p.URLEnv == claude.FoundryURLEnv {
			env = env.Without(claude.FoundryResource)
		}
	}
	if len(all) == 0 {
		return nil, e.Env
	}
	env = pastProxy(env).With(hook.GatewayEnv, strings.Join(pairs, " "))
	return all, asTheAPI(env, direct.toAPI())
}

func (e Exec) open(p claude.Provider, upstream string, getenv func(string) string) (*gateway.Gateway, error) {
	return gateway.Start(gateway.Config{
		Upstream: upstream, Store: e.Store, Rules: e.Rules, Fleet: e.Fleet, Print: !e.Screen, Hold: e.MaxWait, Getenv: getenv, Called: e.Called,
		To: func(path string) string { return p.URL(p.Of(getenv, func(string) string { return "" }, path)) },
		Pool: func(r *http.Request) (string, string) {
			return claude.PoolKey(p.Of(getenv, r.Header.Get, r.URL.Path))
		},
	})
}

// Run runs a program beside the gateways, with these files as its first descriptors, and returns how it ended. Without a gateway
// it takes the place of this process. The error says that it was not started.
func (e Exec) Run(path string, args []string, in, out, errs *os.File) (wrapper.Status, error) {
	cmd := wrapper.Command{Path: path, Args: args, Env: e.Env}
	if e.Store == nil {
		return wrapper.Status{}, wrapper.Exec(cmd)
	}
	var gateways Gateways
	guard.Run(func() { gateways, cmd.Env = e.Open() }, func(text string) {
		e.Warn(fmt.Errorf("starting the gateway: %s\nhint: its calls take no turns", text))
	})
	if len(gateways) == 0 {
		return wrapper.Status{}, wrapper.Exec(cmd)
	}
	defer gateways.Close()
	return wrapper.Child(cmd, in, out, errs)
}

// Serve keeps the gateways open until a process is gone.
func (all Gateways) Serve(until turn.Process) {
	defer all.Close()
	for lockfile.Alive(until) {
		time.Sleep(tick)
	}
}

// tick is how often Serve looks.
const tick = time.Second
