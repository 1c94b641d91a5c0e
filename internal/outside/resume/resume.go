// Package resume waits with a session that a limit stopped until it may be made to go on. All sessions learn of the limit,
// and status until when this one waits.
//
// Until when that is, package turn decides. How the session is made to go on is its callers' business: a hook wakes it, a
// launcher types to it or runs it again.
package resume

import (
	"context"
	"errors"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// Prompt is what the model is told when its session goes on.
const Prompt = "The API limit that stopped you is over. Go on with the task from where you stopped, and do not repeat what is done already."

// every is how often a waiter looks at the state, and at the clock on the wall: a machine may sleep too.
const every = time.Second

// Session is a session whose turn a limit ended.
type Session struct {
	Store      *lockfile.Store
	ID         string
	Transcript string
	Pool       func() (name, secret string) // of the limit that it shares
	Rules      turn.Rules
	Stopped    claude.Stopped
	Deadline   time.Time // it stays stopped rather than wait longer
	Native     bool      // Claude Code may go on by itself after a usage limit
}

// Death is how the session stopped, as package turn takes it.
func (s Session) Death() turn.Death {
	l := s.Stopped.Limit
	return turn.Death{At: s.Stopped.At, Answered: s.Stopped.Answered, Limit: l.Kind.String(), Lifts: l.Wait,
		Reset: l.Reset(), Native: s.Native, Deadline: s.Deadline}
}

// WentOn returns [turn.ErrResumed] where the transcript says that the session went on, by the person or by itself. Any other
// error is of reading it.
func (s Session) WentOn() error {
	on, err := s.Stopped.WentOn(s.Transcript)
	if on {
		return turn.ErrResumed
	}
	return err
}

// Wait tells the state of the limit and blocks until the session may be made to go on, until ctx ends, or until look returns
// an error, which it passes on. It calls look, if there is one, every second, with its own copy of the state. Of its own errors
// [turn.ErrResumed] says that the session went on meanwhile; any other says why it stays stopped.
func (s Session) Wait(ctx context.Context, look func(*turn.Account) error) error {
	account := func(state *turn.State) *turn.Account {
		name, secret := s.Pool()
		a := state.Open(state.AccountID(secret))
		a.Name = name
		return a
	}
	d := s.Death()
	v, err := change(ctx, s.Store, func(now time.Time, state *turn.State) { account(state).Died(now, turn.Key{Session: s.ID}, d) })
	if v.Close(); err != nil {
		return err
	}
	var announced time.Time
	return Sleep(ctx, s.Store, func(now time.Time, state *turn.State) (due time.Time, err error) {
		a := account(state)
		if look != nil {
			err = look(a)
		}
		if err == nil {
			err = s.WentOn()
		}
		if err == nil {
			due, err = d.Due(now, a.Class(""), s.Rules)
		}
		if err == nil && due.Sub(announced).Abs() > time.Second {
			announced = due
			s.Store.Log("session %s stopped by a %s; goes on after %s", s.ID, d.Limit, due.Format("Jan 2 15:04:05"))
			v, _ := change(ctx, s.Store, func(_ time.Time, state *turn.State) { // who can't write it down waits all the same
				if one := state.Sessions[s.ID]; one != nil {
					one.Stopped(d.At, due, d.Limit)
				}
			})
			v.Close()
		}
		return due, err
	})
}

// Sleep blocks until the time that due tells, by the clock on the wall, or until ctx ends or due returns an error. It asks
// due anew every second, with a copy of the state as it is then, which due must not change.
func Sleep(ctx context.Context, store *lockfile.Store, due func(now time.Time, s *turn.State) (time.Time, error)) error {
	var v *lockfile.View
	defer func() { v.Close() }()
	for ctx.Err() == nil {
		now := time.Now()
		if v == nil || store.Replaced(v) || setBack(now, v.State) {
			v.Close()
			var err error
			if v, err = read(ctx, store); err != nil {
				return err
			}
		}
		at, err := due(now, v.State)
		if err != nil || !now.Before(at) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(every, at.Sub(now))):
		}
	}
	return ctx.Err()
}

// setBack reports that the clock was put back since the state was read.
func setBack(now time.Time, s *turn.State) bool {
	for _, a := range s.Accounts {
		if a.SetBack(now) {
			return true
		}
	}
	return false
}

// read returns the state as it is now. One that can't be used is set aside. That a clock was put back is written down, for
// until somebody does no time passes in the state.
func read(ctx context.Context, store *lockfile.Store) (*lockfile.View, error) {
	v, err := store.View()
	if err == nil && !v.State.Guessed() {
		return v, nil
	}
	written, failed := change(ctx, store, func(time.Time, *turn.State) {})
	if failed != nil && err == nil {
		return v, nil // the next one writes it down
	}
	v.Close()
	return written, failed
}

// change makes one change of the state and returns what it is then.
func change(ctx context.Context, store *lockfile.Store, f func(now time.Time, s *turn.State)) (v *lockfile.View, err error) {
	err = Insist(ctx, func() error {
		v, err = line.Change(ctx, store, nil, f)
		return err
	})
	return v, err
}

// Insist calls f, which changes the state, again while the lock is too busy, for half a minute: nobody waits for us.
func Insist(ctx context.Context, f func() error) (err error) {
	for range 15 { // of 2 s
		if err = f(); !errors.Is(err, lockfile.ErrBusy) || ctx.Err() != nil {
			break
		}
	}
	return err
}
