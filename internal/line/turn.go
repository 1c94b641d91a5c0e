package line

import (
	"slices"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// All that the line knows of the policy stands in this file.

// standing are those who wait, in any line, and who leads each line.
type standing struct {
	waiters map[waiting]turn.Process
	leaders map[string]turn.Process // by the account
}

type waiting struct {
	key   turn.Key
	event string
}

func whoStands(s *turn.State) standing {
	all := standing{make(map[waiting]turn.Process), make(map[string]turn.Process)}
	for id, a := range s.Accounts {
		for i, c := range a.Waiting() {
			all.waiters[waiting{c.Key, c.Event}] = c.Waiter
			if i == 0 {
				all.leaders[id] = c.Waiter
			}
		}
	}
	return all
}

// concerns are the processes for which something changed from one moment to the next: a turn came, or a place is gone or
// another's, or a line is theirs to lead.
func (before standing) concerns(now standing) (list []turn.Process) {
	add := func(p turn.Process) {
		if p.PID != 0 && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	for w, by := range before.waiters {
		if after, ok := now.waiters[w]; !ok || after != by {
			add(by)
		}
	}
	for id, by := range now.leaders {
		if before.leaders[id] != by {
			add(by)
		}
	}
	return list
}

// foremost is how many stand before the first of the places in the order of asking; -1: none stands in the line. Whoever is
// the first of all leads it, whoever's turn is next.
func foremost(a *turn.Account, places []*Place) int {
	return slices.IndexFunc(a.Waiting(), func(c *turn.Call) bool {
		return slices.ContainsFunc(places, func(p *Place) bool { return c.Key == p.Call.Key && c.Event == p.Call.Event })
	})
}

// leaderLives says whether the process that leads the account's line is there.
func leaderLives(a *turn.Account, alive func(turn.Process) bool) bool {
	line := a.Waiting()
	return len(line) == 0 || alive(line[0].Waiter) && alive(line[0].Process)
}

// mixed says that not all who stand in the line with the call, or have the turn, can be rung, or that another waits with
// the same call: an event that was delivered twice.
func mixed(a *turn.Account, call turn.Call) bool {
	here := call.Waiter.Host
	return slices.ContainsFunc(a.Calls, func(c *turn.Call) bool {
		switch c.Phase {
		case turn.Waiting:
			return c.Waiter.Host != here || c.Key == call.Key && c.Event == call.Event && c.Waiter != call.Waiter
		case turn.Granted:
			return c.Process.Host != here
		}
		return false
	})
}

// Admit lets go who may, after it cleared away those who have the turn and are gone, and returns when to look again: part of a
// change. Who is gone gets no turn.
func Admit(now time.Time, a *turn.Account) (next time.Time) {
	alive := remember(lockfile.Alive)
	a.Sweep(now, alive, false)
	return a.Admit(now, alive)
}

// Census looks at the processes of all sessions, before the lock is taken. Any other counts as alive.
func Census(s *turn.State) (alive func(turn.Process) bool) {
	dead := make(map[turn.Process]bool)
	for _, one := range s.Sessions {
		if !lockfile.Alive(one.Process) {
			dead[one.Process] = true
		}
	}
	return func(p turn.Process) bool { return !dead[p] }
}

// heldSince says whether the key has a turn that it was given after a time.
func heldSince(a *turn.Account, k turn.Key, at time.Time) bool {
	return slices.ContainsFunc(a.Calls, func(c *turn.Call) bool { return c.Key == k && c.Phase == turn.Granted && c.Granted.After(at) })
}
