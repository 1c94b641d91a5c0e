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
	leaders map[string]turn.Process // by the id of the pool
}

type waiting struct {
	key   turn.Key
	event string
}

func whoStands(s *turn.State) standing {
	all := standing{make(map[waiting]turn.Process), make(map[string]turn.Process)}
	for id, p := range s.Pools {
		for i, t := range p.Queue {
			all.waiters[waiting{t.Key, t.Event}] = t.Waiter
			if i == 0 {
				all.leaders[id] = t.Waiter
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

// rank is how many stand before the ticket in the order of asking; ok is false where it stands in no line. The first one
// leads the line, whoever's turn is next.
func rank(p *turn.Pool, k turn.Key) (n int, ok bool) {
	n, ok = p.Place(k, turn.Rules{})
	return n - 1, ok
}

// leaderLives says whether the process that leads the pool's line is there.
func leaderLives(p *turn.Pool, alive func(turn.Process) bool) bool {
	return len(p.Queue) == 0 || alive(p.Queue[0].Waiter) && alive(p.Queue[0].Process)
}

// mixed says that not all who stand in the line with the ticket, or have the turn, can be rung, or that another waits with
// the same ticket: an event that was delivered twice.
func mixed(p *turn.Pool, ticket turn.Ticket) bool {
	here := ticket.Waiter.Host
	return slices.ContainsFunc(p.Queue, func(t turn.Ticket) bool {
		return t.Waiter.Host != here || t.Key == ticket.Key && t.Event == ticket.Event && t.Waiter != ticket.Waiter
	}) || slices.ContainsFunc(p.Grants, func(g turn.Grant) bool { return g.Process.Host != here })
}

// sweep clears away who is gone: of those who have the turn or wait for a retry, and with all of those who wait too.
func sweep(now time.Time, p *turn.Pool, alive func(turn.Process) bool, all bool) (swept bool) {
	holders := make(map[turn.Process]bool)
	for _, g := range p.Grants {
		holders[g.Process] = true
	}
	for _, r := range p.Retries {
		holders[r.Process] = true
	}
	had := len(p.Queue) + len(p.Grants) + len(p.Retries)
	p.Sweep(now, func(of turn.Process) bool { return !all && !holders[of] || alive(of) })
	return len(p.Queue)+len(p.Grants)+len(p.Retries) != had
}

// Admit lets go who may, after it cleared away those who have the turn and are gone, and returns when to look again: part of a
// change. Who is gone gets no turn.
func Admit(now time.Time, p *turn.Pool, r turn.Rules) (next time.Time) {
	alive := remember(lockfile.Alive)
	sweep(now, p, alive, false)
	return admit(now, p, r, alive)
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

// admit lets go who may, and returns when to look again. Who is gone gets no turn.
func admit(now time.Time, p *turn.Pool, r turn.Rules, alive func(turn.Process) bool) (next time.Time) {
	for {
		had := slices.Clone(p.Grants)
		next = p.Admit(now, r)
		dead := false
		for _, g := range slices.Clone(p.Grants) {
			fresh := !slices.ContainsFunc(had, func(h turn.Grant) bool { return h.Key == g.Key && h.Event == g.Event })
			if fresh && (g.Process.PID != 0 && !alive(g.Process) || g.Waiter.PID != 0 && !alive(g.Waiter)) {
				p.Withdraw(g.Key, g.Event)
				dead = true
			}
		}
		if !dead {
			return next
		}
	}
}

// heldSince says whether the key has a turn that it was given after a time.
func heldSince(p *turn.Pool, k turn.Key, at time.Time) bool {
	return slices.ContainsFunc(p.Grants, func(g turn.Grant) bool { return g.Key == k && g.At.After(at) })
}

// upTo is the time up to which the pool was brought: at that time nothing falls due.
func upTo(p *turn.Pool) time.Time { return p.At }
