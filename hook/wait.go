package hook

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/observe"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// How often a waiter looks. The first in line wakes for the pace, reads the transcripts of those who have the turn, and
// notices who died; the others only look whether the state changed, and step in, the later the further back they stand,
// when those before them do nothing.
const (
	firstPoll = 10 * time.Millisecond // the state was replaced, for the first in line, where the system does not tell
	otherPoll = 40 * time.Millisecond // the same for the others; a turn is noticed within 50 ms
	lookEvery = 50 * time.Millisecond // the transcripts of those who have the turn grew
	tendEvery = 250 * time.Millisecond
	stepIn    = time.Second // after each one ahead who should have acted and did not
)

// waiter is a hook that waits for its session's turn, or gives it back.
type waiter struct {
	*Hook
	event   event
	process turn.Process // Claude Code
	self    turn.Process
	poolID  string
}

// wait stands in line until the turn comes, the time is up, the session is gone or ctx ends.
func (w *waiter) wait(ctx context.Context, reports []observe.Report) error {
	ctx, cancel := context.WithTimeout(ctx, w.MaxWait)
	defer cancel()
	var watch *lockfile.Watch // none for the turn that is given at once
	for first := true; ; first = false {
		var byHand news
		var granted bool
		var place int
		var next time.Time
		v, err := w.update(ctx, reports, func(now time.Time, s *turn.State, p *turn.Pool) {
			if first {
				byHand = w.prompted(now, s.Sessions[w.event.Session])
			}
			p.Ask(now, w.ticket(s, w.event.id))
			next = p.Admit(now, w.Rules)
			granted = p.Granted(w.event.key(), w.event.id)
			place, _ = p.Place(w.event.key(), w.Rules)
			if until, cooling := p.Cooling(now); !granted && w.event.Agent == "" {
				why := ""
				if cooling {
					why = cmp.Or(p.CoolDown.Why, ratelimit.Requests.String())
				}
				s.Sessions[w.event.Session].Stopped(now, until, why)
			}
		})
		if err != nil {
			return err
		}
		if !byHand.stop.Since.IsZero() {
			w.Store.Log("session %s goes on %v after its %s, by hand", w.event.Session, byHand.waited.Round(time.Second), byHand.stop.Why)
		}
		if granted {
			v.Close()
			return nil
		}
		if watch == nil {
			// Esc ends a hook that waits by SIGTERM (2.1.330). One that need not wait does without handlers: they cost it
			// a tenth of its time.
			var stop context.CancelFunc
			ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
			defer stop()
			watch = w.Store.Watch()
			defer watch.Close()
		}
		reports, err = w.sleep(ctx, watch, v, place, next)
		if errors.Is(err, errGranted) {
			return nil
		}
		if err != nil {
			return w.withdraw(err)
		}
	}
}

// ticket is the session's, for a turn that an event asks for. That a call is rejected stands in the transcript with -p, and
// on the screen of an interactive session, where a launcher reads it; of a subagent's it stands nowhere (2.1.330).
func (w *waiter) ticket(s *turn.State, event string) turn.Ticket {
	unattended := claude.Unattended(w.Getenv)
	return turn.Ticket{Key: w.event.key(), Event: event, Process: w.process, Waiter: w.self,
		Budget: w.Rules.Budget, Print: unattended, Class: s.Sessions[w.event.Session].Class,
		Mute: w.event.Agent != "" || !unattended && w.Getenv(LauncherEnv) == ""}
}

var (
	errGranted = errors.New("has the turn")
	errGone    = errors.New("session is gone")
)

// sleep blocks until the waiter has something to do under the lock, and returns what it read meanwhile. It closes v.
//
// While nothing happens nothing is written: what there is to do is tried on the waiter's own copy of the state, which
// it can play on as it likes. The further back in line, the later it does what those before should have done.
func (w *waiter) sleep(ctx context.Context, watch *lockfile.Watch, v *lockfile.View, place int, next time.Time) ([]observe.Report, error) {
	defer func() { v.Close() }()
	tend := time.Now().Add(tendEvery)
	for {
		lag := time.Duration(max(place-1, 0)) * stepIn
		act := acts(time.Now(), tend, next).Add(lag)
		until, poll := act, otherPoll
		if fades := v.State.Pool(w.poolID).Fades(w.event.key()); fades.Before(until) {
			until = fades
		}
		if place <= 1 {
			poll = firstPoll
			if look := time.Now().Add(lookEvery); look.Before(until) {
				until = look
			}
		}
		changed := watch.Wait(ctx, v, until, poll)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if changed {
			fresh, err := w.Store.View()
			if err != nil {
				return nil, nil // the next change sets it right, or says what is wrong
			}
			v.Close()
			v = fresh
		} else if place <= 1 {
			if reports := observe.Read(v.State, observe.Callers(v.State, w.poolID)...); len(reports) > 0 {
				return reports, nil
			}
		}
		now, p := time.Now(), v.State.Pool(w.poolID)
		if p.SetBack(now) {
			return nil, nil
		}
		if p.Granted(w.event.key(), w.event.id) {
			return nil, errGranted
		}
		var ok bool
		if place, ok = p.Place(w.event.key(), w.Rules); !ok {
			return nil, nil // somebody dropped the ticket: ask again
		}
		if !now.Before(p.Fades(w.event.key())) {
			return nil, nil
		}
		if !changed && now.Before(act) {
			continue
		}
		if !now.Before(tend.Add(lag)) {
			if !lockfile.Alive(w.process) {
				return nil, errGone
			}
			had := len(p.Queue) + len(p.Grants) + len(p.Retries)
			if p.Sweep(now, lockfile.Alive); len(p.Queue)+len(p.Grants)+len(p.Retries) != had {
				return nil, nil
			}
			tend = now.Add(tendEvery)
		}
		had := len(p.Queue)
		if next = p.Admit(now, w.Rules); len(p.Queue) != had {
			return nil, nil
		}
	}
}

// acts is when the first in line has something to do: next, which the state names by the wall clock, but tend at the
// latest. It goes by the monotonic clock of now and tend: should the wall clock be put back meanwhile, next may be hours
// away, and is asked for anew at tend.
func acts(now, tend, next time.Time) time.Time {
	if due := now.Add(next.Sub(now)); !next.IsZero() && due.Before(tend) {
		return due
	}
	return tend
}

// withdraw leaves the line. The time being up is for the log; the rest is how a wait ends when the person says so.
func (w *waiter) withdraw(cause error) error {
	v, err := w.update(context.Background(), nil, func(now time.Time, s *turn.State, p *turn.Pool) {
		p.Withdraw(w.event.key(), w.event.id)
		p.Admit(now, w.Rules)
		if !errors.Is(cause, context.DeadlineExceeded) && w.event.Agent == "" {
			s.Sessions[w.event.Session].Stop = turn.Stop{}
		}
	})
	if v != nil {
		v.Close()
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return errors.New("waited for a turn as long as max_wait allows; the call goes on without one")
	}
	if errors.Is(cause, context.Canceled) || errors.Is(cause, errGone) {
		return err
	}
	return cause
}

// after deals with the events that a model call may lie before: the turn is given back, the session comes or goes.
func (w *waiter) after(now time.Time, s *turn.State, p *turn.Pool, reports []observe.Report) {
	k := w.event.key()
	switch w.event.Name {
	case "PreToolUse", "Stop", "PostCompact":
		p.Succeeded(now, k)
	case "SubagentStop":
		// A compaction runs its calls as subagents that nothing announces, and writes none of them down (2.1.330): the
		// first has the turn of PreCompact, the others only this to be counted by.
		main := turn.Key{Session: k.Session}
		switch {
		case p.Knows(k):
			p.Succeeded(now, k)
		case p.Holds(main):
			p.Succeeded(now, main)
		default:
			p.Sent(now, k, now)
		}
	case "SessionStart":
		// After a compaction the session starts again: the turn that PreCompact took is over.
		p.Ended(now, k)
	case "StopFailure":
		p.Ended(now, k)
		if told(reports, k) {
			break
		}
		// The transcript is late. The event has the same words, without what stands beside them there.
		limit, ok := ratelimit.Text(w.event.Said, now, time.Local)
		switch {
		case ok && limit.Wait && (limit.Kind != ratelimit.UsageWindow || !limit.ResetsAt.IsZero()):
			p.Limited(now, limit.Reset(), limit.Kind.String())
		case !ok && (w.event.Error == "rate_limit" || w.event.Error == "overloaded"):
			p.Limited(now, time.Time{}, w.event.Error)
		}
	case "SessionEnd":
		s.Leave(now, w.event.Session)
	}
	p.Admit(now, w.Rules)
}

// told says whether the transcript has told already which limit ended the turn of k.
func told(reports []observe.Report, k turn.Key) bool {
	for _, r := range reports {
		if _, ok := r.Limited(); ok && r.Key == k {
			return true
		}
	}
	return false
}

// update tells the reports, sees to the session and to those that are gone, and lets change do its part, in one change
// of the state. What is worth a line is logged.
func (w *waiter) update(ctx context.Context, reports []observe.Report, change func(time.Time, *turn.State, *turn.Pool)) (*lockfile.View, error) {
	return w.change(ctx, func(s *turn.State) error {
		now := time.Now()
		session := w.register(now, s)
		for _, r := range reports {
			r.Apply(now, s)
		}
		p := s.Pool(session.Pool)
		p.Sweep(now, lockfile.Alive)
		change(now, s, p)
		return nil
	})
}

// change makes one change of the state. A corrupt state is set aside by it, which is a line for the log and no more.
func (h *Hook) change(ctx context.Context, f func(*turn.State) error) (*lockfile.View, error) {
	v, err := h.Store.Update(ctx, f)
	var corrupt *lockfile.CorruptError
	if errors.As(err, &corrupt) {
		h.Store.Log("%v", corrupt)
		err = nil
	}
	return v, err
}

// register sees to it that the state knows the session: where it runs, what it shares, where it writes.
func (w *waiter) register(now time.Time, s *turn.State) *turn.Session {
	name, secret := w.Pool()
	w.poolID = s.PoolID(secret)
	s.Pool(w.poolID).Name = name

	session := s.Sessions[w.event.Session]
	if session == nil {
		s.Forget(now, lockfile.Alive)
		session = &turn.Session{Since: now}
		if s.Sessions == nil {
			s.Sessions = make(map[string]*turn.Session)
		}
		s.Sessions[w.event.Session] = session
	}
	if session.Transcript != w.event.Transcript {
		// What stands in it already is history, of a resumed session perhaps, and tells nothing about now.
		session.Transcript, session.Offsets = w.event.Transcript, nil
		if fi, err := os.Stat(w.event.Transcript); err == nil {
			session.Offsets = map[string]int64{"": fi.Size()}
		}
	}
	_, session.Gateway = gateway(w.Getenv)
	session.Pool, session.Process, session.Dir = w.poolID, w.process, w.event.Dir
	session.Seen = now
	return session
}
