package hook

import (
	"context"
	"fmt"
	"time"

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
	limit, model := s.dead.Stopped.Limit.Kind, s.dead.Stopped.Model
	if s.Ask == nil || model == "" || limit == ratelimit.UsageWindow || !a.Class("").CoolDown.Unasked(time.Now(), lockfile.Alive) {
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
		a.Learned(now, "", until, answered && limit == ratelimit.Requests, limit.String())
	})
	switch {
	case wrong != nil:
		s.Store.Log("session %s does not learn how long its %v lasts: %v", s.event.Session, limit, wrong)
	case !answered && !said.Wait:
		return fmt.Errorf("waiting does not lift its %v", said.Kind)
	}
	return nil
}
