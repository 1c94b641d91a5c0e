package line

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// Change lets f work on the state, as [lockfile.Store.Settle] does, pays what others owe, and rings for those whose turn came,
// whose place is gone, or who lead a line from now on. A corrupt state is set aside by it, which is a line in the log and no
// error. f may be called twice, and all that counts is the last time.
func Change(ctx context.Context, store *lockfile.Store, v *lockfile.View, f func(now time.Time, s *turn.State)) (*lockfile.View, error) {
	return change(ctx, store, v, "", f)
}

// change is [Change] that does not pay what f tells itself.
func change(ctx context.Context, store *lockfile.Store, v *lockfile.View, told string, f func(now time.Time, s *turn.State)) (*lockfile.View, error) {
	var before, after standing
	paid := false
	v, err := store.Settle(ctx, v, func(s *turn.State, owed string) {
		if !paid {
			before, paid = whoStands(s), true
		}
		if owed != told {
			pay(time.Now(), s, owed)
		}
	}, func(s *turn.State) {
		if !paid {
			before = whoStands(s)
		}
		f(time.Now(), s)
		after = whoStands(s)
	})
	if corrupt := (*lockfile.CorruptError)(nil); errors.As(err, &corrupt) {
		store.Log("%v", corrupt)
		err = nil
	}
	if err == nil {
		for _, p := range before.concerns(after) {
			store.Ring(p)
		}
	}
	return v, err
}

// How a call gives back what it has of the line.
type How string

const (
	Withdrawn How = "withdrawn" // it waits no more, or did not use its turn
	Answered  How = "answered"
	Subagent  How = "subagent" // answered, but nobody announced the call, perhaps
	Ended     How = "ended"    // over without an answer
	Left      How = "left"     // the session ended
)

// GiveBack is what must reach the state even where it can't be written now: else a turn is nobody's until its lease ends.
type GiveBack struct {
	Account string
	Key     turn.Key
	Event   string
	How     How
}

// Apply tells the state.
func (g GiveBack) Apply(now time.Time, s *turn.State) {
	if g.How == Left {
		s.Leave(now, g.Key.Session)
		return
	}
	a, main := s.Open(g.Account), turn.Key{Session: g.Key.Session}
	switch {
	case g.How == Withdrawn:
		a.Withdraw(now, g.Key, g.Event)
	case g.How == Ended:
		a.Ended(now, g.Key)
	case g.How == Answered || a.Knows(g.Key):
		a.Succeeded(now, g.Key)
	// A compaction runs its calls as subagents that nothing announces, and writes none of them down (2.1.330): the first
	// has the turn of PreCompact, the others only this to be counted by.
	case a.Holds(main):
		a.Succeeded(now, main)
	default:
		a.Sent(now, g.Key, now)
	}
}

// pay tells the state what somebody could not. A turn that the key got since is another call's, and a session that came
// since is another run of it.
func pay(now time.Time, s *turn.State, owed string) {
	v, err := url.ParseQuery(owed)
	ms, bad := strconv.ParseInt(v.Get("at"), 36, 64)
	g := GiveBack{v.Get("account"), turn.Key{Session: v.Get("of"), Agent: v.Get("agent"), Class: v.Get("class")}, v.Get("event"), How(v.Get("how"))}
	if err != nil || bad != nil || !slices.Contains([]How{Withdrawn, Answered, Subagent, Ended, Left}, g.How) {
		return // not ours, or a newer program's
	}
	at := s.Local(turn.Process{Host: turn.Host(v.Get("by"))}, time.UnixMilli(ms))
	if one := s.Sessions[g.Key.Session]; g.How == Left && one != nil && one.Since.After(at) {
		return
	}
	if a := s.Accounts[g.Account]; a != nil && !heldSince(a, g.Key, at) {
		g.Apply(now, s)
	}
}

// Owe keeps what is given back for whoever changes the state next; the leader of a line looks for it.
func Owe(store *lockfile.Store, g GiveBack) error { return store.Owe(g.owed()) }

// owed is what is owed, in words that a file's name may hold, with the time from when on it is.
func (g GiveBack) owed() string {
	v := url.Values{"how": {string(g.How)}, "account": {g.Account}, "of": {g.Key.Session}, "at": {strconv.FormatInt(time.Now().UnixMilli(), 36)},
		"by": {string(lockfile.Self().Host)}}
	if g.Key.Agent != "" {
		v.Set("agent", g.Key.Agent)
	}
	if g.Key.Class != "" {
		v.Set("class", g.Key.Class)
	}
	if g.How == Withdrawn {
		v.Set("event", g.Event)
	}
	return v.Encode()
}

// Idle says whether f changes nothing in the account of the view but that time passes. The view's state is used up by it.
func Idle(store *lockfile.Store, v *lockfile.View, account string, f func(now time.Time, s *turn.State)) bool {
	a := v.State.Accounts[account]
	if a == nil {
		return false
	}
	f(a.At, v.State) // at that time nothing falls due
	return store.Unchanged(v)
}

// Tell is Change where f gives something back. While the lock is busy, and where the state can't be written, it is owed: then
// it reaches the state even if this process is killed meanwhile. With a ctx that ended it waits for nothing.
func Tell(ctx context.Context, store *lockfile.Store, v *lockfile.View, g GiveBack, f func(now time.Time, s *turn.State)) error {
	only, cancel := context.WithCancel(ctx)
	cancel()
	v, err := Change(only, store, v, f)
	if err == nil {
		v.Close()
		return nil
	}
	what := g.owed()
	owed := store.Owe(what)
	if errors.Is(err, lockfile.ErrBusy) && (owed != nil || ctx.Err() == nil) {
		v, err = change(context.WithoutCancel(ctx), store, nil, what, f)
		v.Close()
	} else if errors.Is(err, lockfile.ErrBusy) {
		return nil
	}
	return err
}
