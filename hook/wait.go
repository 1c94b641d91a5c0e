package hook

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/line"
	"afteryou/internal/outside/observe"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// waiter is a hook that waits for its session's turn, or gives it back.
type waiter struct {
	*Hook
	event   event
	process turn.Process // Claude Code
	self    turn.Process
	account string
	alive   func(turn.Process) bool // who was alive before the lock was taken; nil: nobody asked
}

// mostBusy is how often in a row a place is kept though the lock is not to be had, 2 s each time: whoever holds it for longer is
// stopped, and nobody gets a turn.
const mostBusy = 15

// wait stands in line until the turn comes, the time is up, the session is gone or ctx ends. It closes v.
func (w *waiter) wait(ctx context.Context, v *lockfile.View, reports []observe.Report) (err error) {
	ctx, cancel := context.WithTimeout(ctx, w.MaxWait)
	defer cancel()
	stand := w.stand(v, &reports)
	defer stand.Close()
	stop := context.CancelFunc(func() {})
	defer func() { stop() }()
	place := &line.Place{Account: func(s *turn.State) *turn.Account { return s.Account(w.account) }}
	inLine, busy := false, 0
	defer func() {
		if inLine && (!place.Granted || errors.Is(ctx.Err(), context.Canceled)) {
			err = w.withdraw(cmp.Or(err, ctx.Err()))
		}
		stand.Part(context.WithoutCancel(ctx), place.Account)
	}()
	for first := true; !place.Granted; first = false {
		var byHand news
		wonders := ""
		failed := stand.Change(ctx, w.change(reports, func(now time.Time, s *turn.State, a *turn.Account) {
			if first {
				byHand = w.prompted(now, s.Sessions[w.event.Session])
			}
			place.Call = w.call(s, w.event.id)
			stand.Stand(now, s, []*line.Place{place})
			if until := a.CoolsUntil(now, ""); !place.Granted && w.event.Agent == "" {
				why := ""
				if !until.IsZero() {
					why = cmp.Or(a.Class("").CoolDown.Why, ratelimit.Requests.String())
				}
				s.Sessions[w.event.Session].Stopped(now, until, why)
			}
			wonders = w.wonders(now, s, a, place)
		}))
		if !byHand.stop.Since.IsZero() && failed == nil {
			w.Store.Log("session %s goes on %v after its %s, by hand", w.event.Session, byHand.waited.Round(time.Second), byHand.stop.Why)
		}
		if busy++; failed == nil {
			inLine, busy = true, 0
		}
		place.Granted = place.Granted && failed == nil
		switch {
		case place.Granted:
			return nil
		case failed != nil && (first || busy == mostBusy || ctx.Err() != nil || !errors.Is(failed, lockfile.ErrBusy)): // else the place is kept
			return cmp.Or(ctx.Err(), failed)
		case first:
			// Esc ends a hook that waits by SIGTERM (2.1.330). One that need not wait does without handlers: they cost it
			// a tenth of its time.
			ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		}
		if failed == nil {
			w.wonder(ctx, wonders)
		}
		reports = nil
		if err := stand.Wait(ctx, []*line.Place{place}); err != nil {
			return err
		}
	}
	return nil
}

// tellFleet tells other machines what was read of limits.
func (w *waiter) tellFleet(ctx context.Context, reports []observe.Report) {
	if w.Fleet == nil || len(reports) == 0 && w.event.Name != "StopFailure" {
		return
	}
	v, err := w.Store.View()
	if err != nil {
		return // who waits tells it
	}
	l := line.New(w.Store, v)
	defer l.Close()
	l.Fleet = w.Fleet.Of(w.Pool)
	defer l.Fleet.Close()
	l.Meet(ctx, func(s *turn.State) *turn.Account { return s.Account(w.account) })
}

// stand is the line to stand in, from what the view knows. Whoever leads it reads the transcripts, for reports to be told.
func (w *waiter) stand(v *lockfile.View, reports *[]observe.Report) *line.Line {
	l := line.New(w.Store, v)
	l.Fleet = w.Fleet.Of(w.Pool)
	l.Look = func(s *turn.State, all bool) bool {
		keys, a := observe.Callers(s, w.account), s.Account(w.account)
		if !all {
			keys = slices.DeleteFunc(keys, func(k turn.Key) bool { return !a.Holds(k) })
		}
		*reports = observe.Read(s, keys...)
		return len(*reports) > 0
	}
	return l
}

// call is the session's, for whose turn an event asks. That it is rejected stands in the transcript with -p, and on the screen
// of an interactive session, where a launcher reads it; of a subagent's it stands nowhere (2.1.330).
func (w *waiter) call(s *turn.State, event string) turn.Call {
	unattended := claude.Unattended(w.Getenv)
	c := turn.Call{Key: w.event.key(), Event: event, Process: w.process, Waiter: w.self, Rules: w.Rules, Print: unattended,
		Model: s.Sessions[w.event.Session].Class}
	if w.event.Agent != "" || !unattended && w.Getenv(LauncherEnv) == "" {
		c.News = turn.ByNext
	}
	return c
}

// withdraw leaves the line. The time being up is for the log; the rest is how a wait ends when the person says so.
func (w *waiter) withdraw(cause error) error {
	g := line.GiveBack{Account: w.account, Key: w.event.key(), Event: w.event.id, How: line.Withdrawn}
	late := errors.Is(cause, context.DeadlineExceeded)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err := line.Tell(ended, w.Store, nil, g, func(now time.Time, s *turn.State) {
		g.Apply(now, s)
		line.Admit(now, s.Open(w.account))
		if one := s.Sessions[w.event.Session]; one != nil && !late && w.event.Agent == "" {
			one.Stop = turn.Stop{}
		}
	})
	switch {
	case late:
		return errors.New("waited for a turn as long as max_wait allows; the call goes on without one")
	case errors.Is(cause, context.Canceled), errors.Is(cause, line.ErrGone):
		return err
	}
	return cause
}

// gives is what an event gives back that a model call may lie before.
func (e event) gives() line.How {
	switch e.Name {
	case "PreToolUse", "Stop", "PostCompact":
		return line.Answered
	case "SubagentStop":
		return line.Subagent
	case "SessionStart", "StopFailure":
		// After a compaction the session starts again: the turn that PreCompact took is over.
		return line.Ended
	case "SessionEnd":
		return line.Left
	}
	return ""
}

// after deals with the events that a model call may lie before: the turn is given back, the session comes or goes.
func (w *waiter) after(now time.Time, s *turn.State, a *turn.Account, gives line.How, reports []observe.Report) {
	if gives != "" {
		line.GiveBack{Account: w.account, Key: w.event.key(), How: gives}.Apply(now, s)
	}
	if w.event.Name == "StopFailure" && !rowSays(reports, w.event.key()) {
		// The transcript is late. The event has the same words, without what stands beside them there.
		limit, ok := ratelimit.Text(w.event.Said, now, time.Local)
		d := turn.Death{At: now, Limit: limit.Kind.String(), Lifts: limit.Wait, Reset: limit.Reset()}
		if !ok && (w.event.Error == "rate_limit" || w.event.Error == "overloaded") {
			d.Limit, d.Lifts = w.event.Error, true
		}
		a.Died(now, w.event.key(), d)
	}
	line.Admit(now, a)
}

// rowSays reports whether the transcript has told already which limit ended the turn of k.
func rowSays(reports []observe.Report, k turn.Key) bool {
	for _, r := range reports {
		if _, ok := r.Limited(); ok && r.Key == k {
			return true
		}
	}
	return false
}

// change sees to the session and tells the reports, before f does its part.
func (w *waiter) change(reports []observe.Report, f func(time.Time, *turn.State, *turn.Account)) func(time.Time, *turn.State) {
	written := int64(0)
	if fi, err := os.Stat(w.event.Transcript); err == nil {
		written = fi.Size()
	}
	return func(now time.Time, s *turn.State) {
		session := w.register(now, s, written)
		for _, r := range reports {
			r.Apply(now, s)
		}
		f(now, s, s.Open(session.Account))
	}
}

// register sees to it that the state knows the session: where it runs, what it shares, where it writes, and how much is
// written there.
func (w *waiter) register(now time.Time, s *turn.State, written int64) *turn.Session {
	name, secret := w.Pool()
	w.account = s.AccountID(secret)
	s.Open(w.account).Name = name

	session := s.Sessions[w.event.Session]
	if session == nil {
		if w.alive != nil {
			s.Forget(now, w.alive)
		}
		session = &turn.Session{Since: now, Seen: now}
		if s.Sessions == nil {
			s.Sessions = make(map[string]*turn.Session)
		}
		s.Sessions[w.event.Session] = session
	}
	if session.Transcript != w.event.Transcript {
		// What stands in it already is history, of a resumed session perhaps, and tells nothing about now.
		session.Transcript, session.Offsets = w.event.Transcript, nil
		if written > 0 {
			session.Offsets = map[string]int64{"": written}
		}
	}
	session.Gateway = Gated(w.Getenv)
	session.Gate = gateOf(session, w.process)
	session.Account, session.Process, session.Dir = w.account, w.process, w.event.Dir
	s.Called(now, w.event.Session)
	return session
}
