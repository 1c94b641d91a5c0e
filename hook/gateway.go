package hook

import (
	"context"
	"strings"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/line"
	"afteryou/internal/turn"
)

// GatewayEnv is set by a launcher whose gateways stand between what it started and its API: of each gateway the URL and,
// behind a space, the upstream's, with a space between two gateways. It says nothing of a variable that names another URL.
const GatewayEnv = "AFTERYOU_UPSTREAM"

// upstreams are those of our gateways, by the gateway's URL.
func upstreams(getenv func(string) string) map[string]string {
	by, words := make(map[string]string), strings.Fields(getenv(GatewayEnv))
	for i := 0; i+1 < len(words); i += 2 {
		by[words[i]] = words[i+1]
	}
	return by
}

// Gated reports whether a gateway of ours takes the turns of the environment's calls.
func Gated(getenv func(string) string) bool {
	_, ok := upstreams(getenv)[getenv(claude.ProviderOf(getenv).URLEnv)]
	return ok
}

// Direct is the environment as it would be without our gateways, for those who ask it where calls go.
func Direct(getenv func(string) string) func(string) string {
	by := upstreams(getenv)
	return func(name string) string {
		value := getenv(name)
		if upstream, ok := by[value]; ok {
			return upstream
		}
		return value
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
