package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/line"
	"afteryou/internal/outside/observe"
	"afteryou/internal/outside/resume"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// settle is how long the row that tells of the error may take to get into the transcript.
const settle = 5 * time.Second

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
	if err != nil && h.Store != nil && ctx.Err() == nil && !errors.Is(err, turn.ErrResumed) && !errors.Is(err, line.ErrGone) {
		h.Store.Log("session %s stays stopped: %v", e.Session, err)
	}
	return resume.Prompt, ok
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
	if err != nil || stopped.Limit.Kind == ratelimit.None { // another error is the person's to look at
		return false, err
	}
	s := &sleeper{waiter{Hook: h, event: e, process: h.process(), self: lockfile.Self()}, resume.Session{
		Store: h.Store, ID: e.Session, Transcript: e.Transcript, Pool: h.Pool, Rules: h.Rules,
		Stopped: stopped, Deadline: stopped.At.Add(h.MaxWait), Native: true}}
	err = s.dead.Wait(ctx, func(a *turn.Account) error {
		// Asked even where the session went on meanwhile: its prompt waits in line, as blindly.
		if err := s.ask(ctx, a); err != nil {
			return err
		}
		return s.asleep(a)
	})
	if err == nil {
		err = s.standInLine(ctx)
	}
	if err == nil {
		h.Store.Log("session %s woken %v after its %v", e.Session, time.Since(stopped.At).Round(time.Second), stopped.Limit.Kind)
	}
	return err == nil, err
}

// stopped finds the error that ended the turn in the transcript, which may be slow.
func (h *Hook) stopped(ctx context.Context, e event) (claude.Stopped, error) {
	for begin := time.Now(); ; {
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

// sleeper is the handler that wakes a session.
type sleeper struct {
	waiter
	dead resume.Session
}

// asleep returns an error where the session is gone, or asked for a turn since its last one died.
func (s *sleeper) asleep(a *turn.Account) error {
	switch {
	case !lockfile.Alive(s.process):
		return line.ErrGone
	case a.Resumed(s.event.key(), s.dead.Death()):
		return turn.ErrResumed
	}
	return nil
}

// standInLine blocks until the session's turn to be woken has come, which is then counted. An error says why it must not be
// woken.
func (s *sleeper) standInLine(ctx context.Context) error {
	var reports []observe.Report
	stand := s.stand(nil, &reports)
	defer stand.Close()
	place := &line.Place{Account: func(state *turn.State) *turn.Account { return state.Account(s.account) }}
	for {
		err := s.dead.WentOn() // whoever goes on after this look asks for a turn
		if err != nil {
			return err
		}
		var ok, waits bool
		failed := resume.Insist(ctx, func() error {
			return stand.Change(ctx, s.change(reports, func(now time.Time, state *turn.State, a *turn.Account) {
				place.Call = s.call(state, turn.WakeEvent)
				ok, err = a.Wake(now, state.Sessions[s.event.Session], place.Call, s.dead.Death(), s.Rules, lockfile.Alive)
				if waits = !ok && err == nil && !s.Rules.Quiet.Holds(now); waits {
					stand.Stand(now, state, []*line.Place{place})
				}
			}))
		})
		switch reports = nil; {
		case ok || err != nil || failed != nil:
			return cmp.Or(failed, err)
		case waits:
			err = stand.Wait(ctx, []*line.Place{place})
		default:
			err = resume.Sleep(ctx, s.Store, func(now time.Time, state *turn.State) (time.Time, error) {
				return s.Rules.Quiet.After(now), s.asleep(state.Account(s.account))
			})
		}
		if err != nil {
			return err
		}
	}
}

// tell makes one change of the state.
func (s *sleeper) tell(ctx context.Context, f func(time.Time, *turn.State, *turn.Account)) error {
	return resume.Insist(ctx, func() error {
		v, err := line.Change(ctx, s.Store, nil, s.change(nil, func(now time.Time, state *turn.State, a *turn.Account) {
			line.Admit(now, a)
			f(now, state, a)
		}))
		v.Close()
		return err
	})
}
