package hook

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// ask asks the API how long the limit lasts that stopped the session, where nobody knows and no other session is asking,
// and lets all know. An error says that waiting does not help; a state that can't be written now is for whoever writes it
// next to set right.
//
// Nothing said so before: a turn that dies leaves a row and an event without the retry-after. The request is the session's
// own, to the same API, with the same key and model; a rejected one costs nothing.
func (s *sleeper) ask(ctx context.Context, a *turn.Account) error {
	kind, model := s.dead.Stopped.Limit.Kind, s.dead.Stopped.Model
	if s.Ask == nil || model == "" || kind == ratelimit.UsageWindow || !a.Class("").CoolDown.Unasked(time.Now(), lockfile.Alive) {
		return nil
	}
	mine := false
	err := s.tell(ctx, func(now time.Time, _ *turn.State, a *turn.Account) { mine = a.Inquire(now, "", s.self, lockfile.Alive) })
	if err != nil || !mine {
		return nil
	}
	said, wrong := s.Ask(ctx, model)
	if ctx.Err() != nil {
		return nil // the session ends, and another may ask
	}
	answered := wrong == nil && said.Kind == ratelimit.None
	s.tell(ctx, func(now time.Time, _ *turn.State, a *turn.Account) {
		until := said.Reset()
		if until.IsZero() && said.Wait && said.RetryIn > 0 {
			until = now.Add(said.RetryIn)
		}
		// A small request says nothing of a limit of tokens.
		a.Learned(now, "", until, answered && kind == ratelimit.Requests, kind.String())
	})
	switch {
	case wrong != nil:
		s.Store.Log("session %s does not learn how long its %v lasts: %v", s.event.Session, kind, wrong)
	case !answered && !said.Wait:
		return fmt.Errorf("waiting does not lift its %v", said.Kind)
	}
	return nil
}

// wonders is the model about which this session is to ask the API what its limit is, while it waits for its turn; empty: it is not.
func (w *waiter) wonders(now time.Time, s *turn.State, a *turn.Account, place *line.Place) string {
	if model := w.model(s); !place.Granted && w.Limits != nil && model != "" && a.Wonders(now, "") {
		return model
	}
	return ""
}

// model is the one that the session last used, or, before its first call, another at the same account; empty: none is known.
func (w *waiter) model(s *turn.State) string {
	model := s.Sessions[w.event.Session].Model
	for _, id := range slices.Sorted(maps.Keys(s.Sessions)) {
		if other := s.Sessions[id]; other.Account == w.account {
			model = cmp.Or(model, other.Model)
		}
	}
	return model
}

// wonder asks the API what the limit of a model is, and lets all know; of no model it asks nothing. A rejected call of a hook's
// session tells of its limit only what it was told to wait. What it starts ends with ctx: who has the turn waits no longer, and
// another asks a minute later.
func (w *waiter) wonder(ctx context.Context, model string) {
	if model == "" {
		return
	}
	account := w.account
	guard.Go(func() { w.learn(ctx, account, model) }, func(text string) { w.Store.Log("asking what the limit is: %s", text) })
}

func (w *waiter) learn(ctx context.Context, account, model string) {
	said, accepted, err := w.Limits(ctx, model)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.Store.Log("session %s does not learn what its limit is: %v", w.event.Session, err)
		return
	}
	var h limit.Headers
	for _, r := range said {
		h.Set(r.Name, r.Limit, r.Remaining)
	}
	v, err := line.Change(ctx, w.Store, nil, func(now time.Time, s *turn.State) {
		a := s.Open(account)
		a.Told(now, "", h, accepted)
		line.Admit(now, a)
	})
	if v.Close(); err != nil { // it is asked again
		w.Store.Log("what the limit is can't be written: %v", err)
	}
}
