package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/observe"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

const (
	// wakePoll is how often a sleeper looks whether the session went on without it, and what time it is: by the wall
	// clock, for a machine may sleep too.
	wakePoll = time.Second
	// nativeGrace is how long after the reset of a usage limit Claude Code is given to go on by itself (2.1.234 and later
	// do, mostly within 2 minutes).
	nativeGrace = 3 * time.Minute
	// settle is how long the row that tells of the error may take to get into the transcript.
	settle = 5 * time.Second
)

// wakeReason is what the model is told. Claude Code puts it to the model as no word of the user's.
const wakeReason = "The API limit that stopped you is over. Go on with the task from where you stopped, and do not repeat what is done already."

// Wake serves StopFailure in the background (asyncRewake): it sleeps until the limit that ended the turn is over, and
// then says what to tell the model, if the session must be made to go on. It must not where the session went on
// meanwhile, by the person or by itself, where waiting does not lift the limit, or where it was resumed too often. Where
// in doubt it does nothing: the person still has the session as it stopped.
//
// Sessions are woken one by one: the sleeper stands in line for the session's turn, which the session takes over when it
// asks at the gate.
func (h *Hook) Wake(ctx context.Context, in io.Reader) (reason string, ok bool) {
	e, err := read(in)
	if err == nil {
		ok, err = h.wake(ctx, e)
	}
	if err != nil && h.Store != nil {
		h.Store.Log("session %s stays stopped: %v", e.Session, err)
	}
	return wakeReason, ok
}

func (h *Hook) wake(ctx context.Context, e event) (bool, error) {
	// With -p the process is about to end, and an SDK host decides for itself.
	if e.Name != "StopFailure" || e.Agent != "" || h.Getenv("CLAUDE_CODE_ENTRYPOINT") != "cli" {
		return false, nil
	}
	if h.Store == nil {
		return false, h.Trouble
	}
	stopped, err := h.stopped(ctx, e)
	if err != nil {
		return false, err
	}
	limit := stopped.Limit
	switch {
	case limit.Kind == ratelimit.None:
		return false, nil // another error: the person's to look at
	case !limit.Wait:
		return false, fmt.Errorf("waiting does not lift its %v", limit.Kind)
	case limit.Kind == ratelimit.UsageWindow && limit.ResetsAt.IsZero():
		return false, fmt.Errorf("nothing says when its %v resets", limit.Kind)
	}
	w := waiter{Hook: h, event: e, process: h.process(), self: lockfile.Self()}
	pool, err := w.tell(ctx, limit)
	if err != nil {
		return false, err
	}
	for announced := (time.Time{}); ; {
		now := time.Now()
		if limit.Kind != ratelimit.UsageWindow && pool.CoolDown.GaveUp() {
			return false, errors.New("the limit came back each time and never said how long it lasts")
		}
		due := over(pool, limit)
		if wait := due.Sub(stopped.At); wait > h.MaxWait {
			return false, fmt.Errorf("its %v lasts until %s, longer than max_wait", limit.Kind, due.Local().Format("Jan 2 15:04"))
		}
		due = wakes(h.Rules.Quiet, due.Local(), now)
		if due.Sub(announced).Abs() > time.Second {
			h.Store.Log("session %s stopped by a %v; goes on after %s", e.Session, limit.Kind, due.Local().Format("Jan 2 15:04:05"))
			announced = due
			w.stops(ctx, stopped.At, due, limit.Kind.String())
		}
		if !now.Before(due) {
			break
		}
		select {
		case <-ctx.Done():
			return false, nil // the session ends
		case <-time.After(min(wakePoll, max(due.Sub(now), time.Millisecond))):
		}
		if !lockfile.Alive(w.process) {
			return false, nil
		}
		v, err := h.Store.View()
		if err == nil { // else whoever writes the state next sets it right, or says what is wrong
			v.Close()
			// Asked even where the session went on meanwhile: its prompt waits in line, as blindly.
			if pool = v.State.Pool(w.poolID); v.State.Guessed() || w.mayAsk(pool, stopped) {
				if pool, err = w.ask(ctx, pool, stopped); err != nil {
					return false, err
				}
			}
		}
		if on, err := stopped.WentOn(e.Transcript); on || err != nil {
			return false, err
		}
		if v != nil && busy(v.State, w.poolID, e.key(), stopped.At) {
			return false, nil
		}
	}
	for {
		ok, err := w.mayWake(ctx, stopped)
		switch {
		case errors.Is(err, turn.ErrResumed):
			return false, nil
		case err != nil:
			return false, err
		case ok:
			h.Store.Log("session %s woken %v after its %v", e.Session, time.Since(stopped.At).Round(time.Second), limit.Kind)
			return true, nil
		}
		if !w.inLine(ctx, stopped.At) {
			return false, nil
		}
	}
}

// mayWake stands in line to wake the session, and says whether its turn has come. An error says why it must not be woken.
// Where a gateway counts the calls, it is the gateway that gives turns.
func (w *waiter) mayWake(ctx context.Context, stopped claude.Stopped) (ok bool, err error) {
	k := w.event.key()
	_, counted := gateway(w.Getenv)
	on, unread := stopped.WentOn(w.event.Transcript) // whoever goes on after this look asks for a turn
	v, failed := w.update(ctx, nil, func(now time.Time, s *turn.State, p *turn.Pool) {
		if ok, err = false, nil; unread != nil || on || busy(s, w.poolID, k, stopped.At) {
			err = cmp.Or(unread, turn.ErrResumed)
			return
		}
		if w.Rules.Quiet.Holds(time.Now()) { // the line was long
			p.Withdraw(k, turn.WakeEvent)
			return
		}
		if !counted {
			p.Ask(now, w.ticket(s, turn.WakeEvent))
			p.Admit(now, w.Rules)
		}
		if ok = counted || p.Granted(k, turn.WakeEvent); !ok {
			return
		}
		session := s.Sessions[k.Session]
		switch err = session.Resume(now, stopped.At, stopped.Answered, w.Rules); {
		case err == nil:
			session.Stop.Woken = true
		case !errors.Is(err, turn.ErrResumed): // else another sleeper has its turn
			err = fmt.Errorf("it %w", err)
			p.Withdraw(k, turn.WakeEvent)
			session.Stop = turn.Stop{} // it is the person's now
		}
	})
	if v != nil {
		v.Close()
	}
	return ok, cmp.Or(failed, err)
}

// inLine waits until there is something to do for the sleeper in line; false: it need not wait any longer.
func (w *waiter) inLine(ctx context.Context, died time.Time) bool {
	k := w.event.key()
	for {
		select {
		case <-ctx.Done():
			return false // the session ends, and its place with this process
		case <-time.After(wakePoll):
		}
		if !lockfile.Alive(w.process) {
			return false
		}
		v, err := w.Store.View()
		if err != nil {
			continue // as above
		}
		v.Close()
		if busy(v.State, w.poolID, k, died) {
			return false
		}
		now, p := time.Now(), v.State.Pool(w.poolID)
		if w.Rules.Quiet.Holds(now) {
			continue
		}
		if v.State.Guessed() {
			return true
		}
		// What would change is tried on a copy.
		p.Sweep(now, lockfile.Alive)
		p.Admit(now, w.Rules)
		if !p.Waits(k) || !now.Before(p.Fades(k)) {
			return true
		}
	}
}

// stops lets status show that the session waits. Whoever can't write it down waits all the same.
func (w *waiter) stops(ctx context.Context, at, until time.Time, why string) {
	v, err := w.update(ctx, nil, func(_ time.Time, s *turn.State, _ *turn.Pool) { s.Sessions[w.event.Session].Stopped(at, until, why) })
	if err == nil {
		v.Close()
	}
}

// stopped finds the error that ended the turn in the transcript. Where the transcript is slow, what the event says counts.
func (h *Hook) stopped(ctx context.Context, e event) (claude.Stopped, error) {
	begin := time.Now()
	for {
		s, ok, err := claude.ReadStopped(e.Transcript)
		if ok {
			return s, nil
		}
		if time.Since(begin) > settle {
			return s, fmt.Errorf("its transcript does not tell how the turn ended: %v", err)
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tell sees to it that the state knows the limit, as the hook of the same event does: whichever comes second changes
// nothing. It returns the pool as it is now.
func (w *waiter) tell(ctx context.Context, limit ratelimit.Limit) (pool *turn.Pool, err error) {
	var reports []observe.Report
	if v, err := w.Store.View(); err == nil {
		reports = observe.Read(v.State, w.event.key())
		v.Close()
	}
	v, err := w.update(ctx, reports, func(now time.Time, _ *turn.State, p *turn.Pool) {
		if until := p.CoolDown.Until; limit.Kind != ratelimit.UsageWindow && !until.After(now) && !p.CoolDown.GaveUp() {
			p.Limited(now, time.Time{}, limit.Kind.String())
		}
		pool = p
	})
	if v != nil {
		v.Close()
	}
	return pool, err
}

// busy is whether the session asked for a turn since its last one died.
func busy(s *turn.State, pool string, k turn.Key, died time.Time) bool {
	p := s.Pool(pool)
	for _, t := range p.Queue {
		if t.Key == k && t.Event != turn.WakeEvent {
			return true
		}
	}
	for _, g := range p.Grants {
		if g.Key == k && g.At.After(died) && g.Event != turn.WakeEvent {
			return true
		}
	}
	return false
}
