package line

import (
	"context"
	"crypto/rand"
	"math/big"
	"time"

	"afteryou/internal/fleet"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// Meeting is where machines that share a limit tell each other of it. An exchange is bounded by itself, whatever becomes of it.
type Meeting interface {
	Exchange(fleet.Ask) (fleet.Answer, error)
	Close()
}

// Fleet is what a process needs to meet other machines. A nil one meets nobody.
type Fleet struct {
	Meeting
	// Pool names there the limit of a class of an account.
	Pool func(s *turn.State, a *turn.Account, class string) string
}

// Fleets makes what meets the machines that share the limits of an account, by its secret. A nil one makes nothing.
type Fleets func(secret string) *Fleet

// Of returns what meets them, which the caller must close; nil: nobody is met.
func (f Fleets) Of(pool func() (name, secret string)) *Fleet {
	if f == nil {
		return nil
	}
	_, secret := pool()
	return f(secret)
}

// heard is what was heard of other machines, for the state to be told.
type heard func(now time.Time, s *turn.State)

// exchange asks the other machines what is due in an account, for the first in line too if leads. No lock may be held: it blocks for as
// long as exchanges do. It returns what the state must be told; nil: nothing was due.
func (f *Fleet) exchange(store *lockfile.Store, s *turn.State, account func(*turn.State) *turn.Account, leads bool) (all []heard) {
	if f == nil {
		return nil
	}
	a := account(s)
	for class := range a.Classes {
		now := time.Now()
		if due := a.FleetDue(now, class, leads); due.IsZero() || due.After(now) {
			continue
		}
		ticket := ""
		if leads {
			ticket = rand.Text()
		}
		ask := a.AskFleet(now, class, ticket)
		ask.Machine, ask.Pool = s.Machine(), f.Pool(s, a, class)
		ans, err := f.Exchange(ask)
		if err != nil {
			return append(all, failed(store, err))
		}
		all = append(all, func(now time.Time, s *turn.State) { account(s).HeardFleet(now, class, ask, ans) })
	}
	return all
}

// failed tells the state that nobody could be asked.
func failed(store *lockfile.Store, err error) heard {
	spread := 0.5
	if n, failed := rand.Int(rand.Reader, big.NewInt(1000)); failed == nil {
		spread = float64(n.Int64()) / 1000
	}
	logged := false
	return func(now time.Time, s *turn.State) {
		if s.FleetFailed(now, spread) && !logged {
			logged = true // the change may be made twice
			store.Log("fleet: %v; calls go at this machine's share of the limit", err)
		}
	}
}

// Meet tells the other machines what is news in an account, hears what is theirs, and lets the state know: after a change, in
// which nobody may be waiting. Who waits is the business of [Line.Wait]. What goes wrong is in the log, and nothing of it is lost.
func (l *Line) Meet(ctx context.Context, account func(*turn.State) *turn.Account) {
	if l.Fleet == nil || l.view == nil {
		return
	}
	l.heard = append(l.heard, l.Fleet.exchange(l.Store, l.view.State, account, false)...)
	if len(l.heard) > 0 {
		l.Change(ctx, func(now time.Time, s *turn.State) { Admit(now, account(s)) }) // or the next change tells it
	}
}

// Part is Meet for the last time, and ends the connection.
func (l *Line) Part(ctx context.Context, account func(*turn.State) *turn.Account) {
	l.Meet(ctx, account)
	l.Fleet.Close()
}

// Close ends the connection, if there is one.
func (f *Fleet) Close() {
	if f != nil {
		f.Meeting.Close()
	}
}

// tellHeard tells the state what was heard.
func (l *Line) tellHeard(now time.Time, s *turn.State) {
	for _, tell := range l.heard {
		tell(now, s)
	}
}

// fleetDue is when the leader is to ask the other machines; zero: not before something happens.
func (l *Line) fleetDue(places []*Place) (at time.Time) {
	if l.Fleet == nil || !l.leads {
		return at
	}
	now := time.Now()
	for a := range inLines(l.view.State, places) {
		for class := range a.Classes {
			if due := a.FleetDue(now, class, true); !due.IsZero() && (at.IsZero() || due.Before(at)) {
				at = due
			}
		}
	}
	return at
}

// asksFleet has the leader ask the other machines what is due, and reports whether there is something to tell the state.
func (l *Line) asksFleet(places []*Place) bool {
	if due := l.fleetDue(places); due.IsZero() || due.After(time.Now()) {
		return false
	}
	for _, ours := range inLines(l.view.State, places) {
		l.heard = append(l.heard, l.Fleet.exchange(l.Store, l.view.State, ours[0].Account, true)...)
	}
	return len(l.heard) > 0
}
