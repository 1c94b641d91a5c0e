package hook

import (
	"context"
	"fmt"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// over is when the limit that stopped a session ends, as far as the pool knows.
func over(p *turn.Pool, limit ratelimit.Limit) time.Time {
	if limit.Kind == ratelimit.UsageWindow {
		return limit.Reset().Add(nativeGrace)
	}
	if p.Usage.Why == limit.Kind.String() && p.Usage.Until.After(p.CoolDown.Until) {
		return p.Usage.Until // so long that others are not held back for it
	}
	return p.CoolDown.Until
}

// wakes is when a session may be woken whose limit ends at over: not before, not in the past, and not in quiet hours.
func wakes(q turn.Quiet, over, now time.Time) time.Time {
	if over.Before(now) {
		over = now
	}
	return q.After(over)
}

// mayAsk is whether there is something to ask, and somebody to ask it.
func (w *waiter) mayAsk(p *turn.Pool, stopped claude.Stopped) bool {
	return w.Ask != nil && stopped.Model != "" && stopped.Limit.Kind != ratelimit.UsageWindow && p.CoolDown.Unasked(time.Now(), lockfile.Alive)
}

// ask asks the API how long the limit lasts that stopped the session, where nobody knows and no other session is asking,
// and lets all know. It brings the pool up to date in any case, and returns it. An error says that waiting does not help;
// a state that can't be written now is for whoever writes it next to set right.
//
// Nothing said so before: a turn that dies leaves a row and an event without the retry-after. The request is the session's
// own, to the same API, with the same key and model; a rejected one costs nothing.
func (w *waiter) ask(ctx context.Context, pool *turn.Pool, stopped claude.Stopped) (*turn.Pool, error) {
	change := func(f func(now time.Time, p *turn.Pool)) (ok bool) {
		v, err := w.update(ctx, nil, func(now time.Time, _ *turn.State, p *turn.Pool) { f(now, p) })
		if err != nil {
			return false
		}
		pool = v.State.Pool(w.poolID)
		v.Close()
		return true
	}
	mine := false
	ok := change(func(now time.Time, p *turn.Pool) {
		mine = w.mayAsk(p, stopped) && p.Inquire(now, w.self, lockfile.Alive)
	})
	if !ok || !mine {
		return pool, nil
	}
	said, wrong := w.Ask(ctx, stopped.Model)
	if ctx.Err() != nil {
		return pool, nil // the session ends, and another may ask
	}
	answered := wrong == nil && said.Kind == ratelimit.None
	change(func(now time.Time, p *turn.Pool) {
		until := said.Reset()
		if until.IsZero() && said.Wait && said.RetryIn > 0 {
			until = now.Add(said.RetryIn)
		}
		// A small request says nothing of a limit of tokens.
		p.Learned(now, until, answered && stopped.Limit.Kind == ratelimit.Requests, stopped.Limit.Kind.String())
	})
	switch {
	case wrong != nil:
		w.Store.Log("session %s does not learn how long its %v lasts: %v", w.event.Session, stopped.Limit.Kind, wrong)
	case !answered && !said.Wait:
		return pool, fmt.Errorf("waiting does not lift its %v", said.Kind)
	}
	return pool, nil
}
