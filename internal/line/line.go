// Package line is where calls stand until their turn comes: one of a process (a hook), or many (module, gateway). It asks, watches,
// keeps the lease of a place, leads the line where it is first, steps in where those before do nothing, and gives back.
//
// Nobody looks at the state to learn that nothing changed for him. Whoever changes it rings for those whom the change
// concerns ([Change]). The one who stands longest leads the line: he looks at the file's name every 50 ms, and sees to
// what falls due, to transcripts, to who died, and to rings that were lost. The others sleep, and look after him
// one second later each. Where not all can be rung (another machine, a pid namespace, no named pipes) they look as well.
//
// Whose turn it is package turn decides; what a call is, and what to do with its turn, whoever stands here.
package line

import (
	"context"
	"errors"
	"slices"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

const (
	lookEvery = 50 * time.Millisecond // the leader: the state was replaced, transcripts of those who have the turn grew
	pollEvery = 40 * time.Millisecond // whoever can't be rung; a turn is noticed within 50 ms
	farEvery  = 250 * time.Millisecond
	// tendEvery is how often the leader sees to those who have the turn, and censusEvery to all who wait.
	tendEvery   = 250 * time.Millisecond
	censusEvery = 2 * time.Second
	// stepIn is after how long, for each one ahead who should have acted and did not, another does.
	stepIn = time.Second
)

// ErrGone is that the process is gone for whose call somebody waits.
var ErrGone = errors.New("session is gone")

// Place is one call that stands in line.
type Place struct {
	Call turn.Call
	// Account finds where it stands. It may be called on a copy of the state.
	Account func(*turn.State) *turn.Account
	Granted bool // it has the turn; Stand and Wait set it

	act time.Time // when there may be something to do in its line
}

// Line stands for calls. It belongs to one goroutine, which must close it.
type Line struct {
	Store *lockfile.Store
	// Look, if there is one, reads what there may be to tell beside the line, and says whether there is. The leader calls it,
	// without the lock; all is whether it is to look everywhere, and not only at those who have the turn.
	Look func(s *turn.State, all bool) (news bool)
	// Fleet is where other machines on the same limits are met; nil: there are none. Whoever gives it closes it.
	Fleet *Fleet

	heard []heard // of it, and the state was not told yet

	view   *lockfile.View // what the state was
	played bool           // changes were tried on it
	stood  standing       // in it
	bell   *lockfile.Bell
	leads  bool
	polls  time.Duration // how often it must look because it can't be rung; 0: it can
	tend   time.Time
	census time.Time
	all    bool // look at all who wait, under the lock
}

// New makes a line that begins with a view of the state, which it closes; nil: it reads its own.
func New(store *lockfile.Store, v *lockfile.View) *Line {
	return &Line{Store: store, view: v}
}

// Close ends the watch. What stands in line is left there.
func (l *Line) Close() {
	l.view.Close()
	if l.bell != nil {
		l.bell.Close()
	}
}

// Change is [Change], from what the line knows of the state; it knows what f left then.
func (l *Line) Change(ctx context.Context, f func(now time.Time, s *turn.State)) error {
	v := l.view
	if l.view = nil; l.played {
		v.Close()
		v = nil
	}
	v, err := Change(ctx, l.Store, v, func(now time.Time, s *turn.State) {
		l.tellHeard(now, s)
		f(now, s)
	})
	l.see(v)
	if err == nil {
		l.all, l.heard = false, nil
	}
	return err
}

// see takes a view for what the state is; nil: it is not known.
func (l *Line) see(v *lockfile.View) {
	l.view, l.played = v, false
	if v != nil {
		l.stood = whoStands(v.State)
	}
}

// Stand asks for all places, lets go who may, and notes whose turn has come: part of a change. The accounts are those that
// the change touched besides.
func (l *Line) Stand(now time.Time, s *turn.State, places []*Place, accounts ...*turn.Account) {
	alive := remember(lockfile.Alive)
	lines := inLines(s, places)
	for _, a := range accounts {
		if _, ok := lines[a]; !ok {
			lines[a] = nil // nobody of ours stands there
		}
	}
	l.leads, l.polls = false, 0
	for account, ours := range lines {
		account.Sweep(now, alive, l.all)
		for _, p := range ours {
			account.Ask(now, p.Call)
		}
		l.plan(now, account, ours, account.Admit(now, alive))
		for _, p := range ours {
			if p.Granted = account.Granted(p.Call.Key, p.Call.Event); !p.Granted && l.bell == nil {
				l.bell = l.Store.Bell() // before anybody can know that there is somebody to ring for
			}
		}
	}
}

// plan notes when there is something to do in a line: at next, and every now and then, the later the further back its first
// place of ours stands. It goes by the monotonic clock of now: should the wall clock be put back, next may be hours away, and
// is asked for anew soon.
func (l *Line) plan(now time.Time, account *turn.Account, ours []*Place, next time.Time) {
	first := foremost(account, ours)
	l.leads = l.leads || first == 0
	if slices.ContainsFunc(ours, func(p *Place) bool { return mixed(account, p.Call) }) {
		l.polls = farEvery
	}
	lag := time.Duration(max(first, 0)) * stepIn
	at := now.Add(tendEvery + lag)
	if due := now.Add(next.Sub(now) + lag); !next.IsZero() && due.Before(at) {
		at = due
	}
	for _, p := range ours {
		p.act = at
	}
}

// Wait blocks until a place has the turn, or something must be done by a change in which the places stand, which the caller
// makes; or until ctx ends. It may return early. While nothing happens nothing is written: what there is to do is tried on
// a copy of the state.
func (l *Line) Wait(ctx context.Context, places []*Place) error {
	for ctx.Err() == nil {
		if l.view == nil {
			v, err := l.Store.View()
			if err != nil {
				return nil // the next change sets it right, or says what is wrong
			}
			l.see(v)
			l.arrange(time.Now(), places)
		}
		if done, err := l.due(time.Now(), places); done || err != nil {
			return err
		}
		rung := l.sleep(ctx, places)
		if ctx.Err() != nil || !l.Store.Replaced(l.view) {
			continue
		}
		v, err := l.Store.View()
		if err != nil {
			return nil // as above
		}
		before := l.stood
		l.view.Close()
		l.see(v)
		l.arrange(time.Now(), places)
		if l.leads && !rung { // whoever changed it may have died before it rang, or does not ring
			for _, p := range before.concerns(l.stood) {
				l.Store.Ring(p)
			}
		}
	}
	return ctx.Err()
}

// arrange plans anew on a view that is new: the leader looks at once at what there is to do, the others when he did not.
func (l *Line) arrange(now time.Time, places []*Place) {
	l.leads, l.polls = false, 0
	for account, ours := range inLines(l.view.State, places) {
		l.plan(now, account, ours, now)
	}
}

// inLines sorts places by where they stand.
func inLines(s *turn.State, places []*Place) map[*turn.Account][]*Place {
	lines := make(map[*turn.Account][]*Place)
	for _, p := range places {
		account := p.Account(s)
		lines[account] = append(lines[account], p)
	}
	return lines
}

// sleep blocks until there may be something to do, or to see, or the bell rings.
func (l *Line) sleep(ctx context.Context, places []*Place) (rung bool) {
	until := time.Now().Add(time.Minute)
	if due := l.fleetDue(places); !due.IsZero() && due.Before(until) {
		until = due
	}
	for _, p := range places {
		at := p.act
		if fades := p.Account(l.view.State).Fades(p.Call.Key); fades.Before(at) {
			at = fades
		}
		if !p.Granted && at.Before(until) {
			until = at
		}
	}
	most := time.Minute
	switch {
	case l.bell == nil || l.bell.Deaf:
		most = pollEvery
	case l.leads:
		most = lookEvery
	case l.polls > 0:
		most = l.polls
	}
	timer := time.NewTimer(max(min(time.Until(until), most), time.Millisecond))
	defer timer.Stop()
	var rings <-chan struct{}
	if l.bell != nil {
		rings = l.bell.Rings
	}
	select {
	case <-ctx.Done():
	case <-rings:
		return true
	case <-timer.C:
	}
	return false
}

// due says whether a place has the turn, or something must be done under the lock.
func (l *Line) due(now time.Time, places []*Place) (bool, error) {
	s := l.view.State
	lines := make(map[*turn.Account][]*Place)
	done, looks := false, l.leads
	for _, p := range places {
		account := p.Account(s)
		switch p.Granted = account.Granted(p.Call.Key, p.Call.Event); {
		case p.Granted, account.SetBack(now), foremost(account, []*Place{p}) < 0, !now.Before(account.Fades(p.Call.Key)):
			done = true // has the turn, or must ask again
		case !now.Before(p.act):
			lines[account] = append(lines[account], p)
			looks = looks || foremost(account, []*Place{p}) == 1 // the leader may be stopped
		}
	}
	if done {
		return true, gone(places, remember(lockfile.Alive))
	}
	if l.asksFleet(places) {
		return true, nil
	}
	all := !now.Before(l.tend)
	if all {
		l.tend = now.Add(tendEvery)
	}
	if looks {
		if l.Look != nil && l.Look(s, all) || all && l.Store.Owes() {
			return true, nil
		}
	}
	for account, ours := range lines {
		if due, err := l.tries(now, account, ours); due || err != nil {
			return due, err
		}
	}
	return false, nil
}

// tries is due for one line in which there may be something to do by now.
func (l *Line) tries(now time.Time, account *turn.Account, ours []*Place) (bool, error) {
	alive := remember(lockfile.Alive)
	if err := gone(ours, alive); err != nil {
		return false, err
	}
	if l.all = !leaderLives(account, alive); l.all {
		return true, nil
	}
	l.played = true
	if foremost(account, ours) == 0 {
		census := !now.Before(l.census)
		if census {
			l.census = now.Add(censusEvery)
		}
		if account.Sweep(now, alive, census) {
			l.all = census
			return true, nil
		}
	}
	waited := len(account.Waiting())
	next := account.Admit(now, alive)
	if len(account.Waiting()) != waited {
		return true, nil
	}
	l.plan(now, account, ours, next)
	return false, nil
}

// gone returns ErrGone where a place waits for a process that is gone.
func gone(places []*Place, alive func(turn.Process) bool) error {
	for _, p := range places {
		if c := p.Call; !p.Granted && c.Process != c.Waiter && !alive(c.Process) {
			return ErrGone
		}
	}
	return nil
}

// remember asks alive only once about each process.
func remember(alive func(turn.Process) bool) func(turn.Process) bool {
	known := make(map[turn.Process]bool)
	return func(p turn.Process) bool {
		is, ok := known[p]
		if !ok {
			is = alive(p)
			known[p] = is
		}
		return is
	}
}
