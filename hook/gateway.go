package hook

import (
	"context"
	"strings"
	"time"

	"afteryou/internal/line"
	"afteryou/internal/turn"
)

// GatewayEnv is set by a launcher whose gateway stands between Claude Code and its API: the gateway's URL and, behind a
// space, the upstream's. It says nothing any more where ANTHROPIC_BASE_URL has become another.
const GatewayEnv = "AFTERYOU_UPSTREAM"

const urlEnv = "ANTHROPIC_BASE_URL"

// gateway is the upstream of the gateway that the environment's calls go through.
func gateway(getenv func(string) string) (upstream string, ok bool) {
	url, upstream, ok := strings.Cut(getenv(GatewayEnv), " ")
	return upstream, ok && url != "" && url == getenv(urlEnv)
}

// Gated reports whether a gateway of ours takes the turns of the environment's calls.
func Gated(getenv func(string) string) bool {
	_, ok := gateway(getenv)
	return ok
}

// Direct is the environment as it would be without our gateway, for those who ask it where calls go.
func Direct(getenv func(string) string) func(string) string {
	upstream, ok := gateway(getenv)
	if !ok {
		return getenv
	}
	return func(name string) string {
		if name == urlEnv {
			return upstream
		}
		return getenv(name)
	}
}

// visit notes that a session comes or goes whose calls a gateway or a module counts. There is nothing to wait for, and nothing to
// be read in its transcripts.
func (w *waiter) visit(ctx context.Context) error {
	if w.event.Name != "SessionStart" && w.event.Name != "SessionEnd" {
		return nil
	}
	before, err := w.Store.View()
	if err == nil { // else the change sets it right, or says what is wrong
		w.alive = line.Census(before.State)
	}
	v, err := line.Change(ctx, w.Store, before, w.change(nil, func(now time.Time, s *turn.State, _ *turn.Account) {
		if w.alive != nil {
			s.Forget(now, w.alive)
		}
		if w.event.Name == "SessionEnd" {
			s.Leave(now, w.event.Session)
		}
	}))
	v.Close()
	return err
}
