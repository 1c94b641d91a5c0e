package turn

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A state directory may be shared by machines and containers (one home on NFS, a container with the home mounted). They
// cannot look at each other's processes, and their clocks differ.
const (
	// renewal is how old the sign of life of a waiter may be until its waiter writes a new one. Whoever writes it does so for
	// all waiters of its host, so that the state is replaced twice in that time at most.
	renewal = lease / 4
	// away is how long a session that nobody here can look at is remembered after its last event.
	away = time.Hour
	// mostClocks bounds for how many machines State.Clocks is remembered.
	mostClocks = 16
	// farthest is more than two clocks can be apart.
	farthest = 250 * 365 * 24 * time.Hour
)

// Host names where processes can look at each other: a machine since it was started, and a pid namespace of it. The part
// before the "/" is the machine, which has one clock.
type Host string

func (h Host) machine() string {
	machine, _, _ := strings.Cut(string(h), "/")
	return machine
}

// elsewhere says that nobody here can look at the process. What nobody says the host of is here.
func (a *Account) elsewhere(of Process) bool { return of.Host != "" && of.Host != a.here }

// Arrive makes the times of a state that was read those of the clock of here, whose time now is. It comes before anything
// else is done with it.
//
// The times in the file are those of one clock that never goes back. Whoever reads times that are to come takes its own
// clock to be so much behind: it was put back, or is not the one that wrote them. How long ago they were written nobody
// knows; a moment, it is assumed, so that a wait may become longer by that, once. The next writer's times set that right.
// Of a clock that is before the others only one who comes anew, while others wait or have the turn, can tell; and only up to a
// lease, for what is older may just be long ago: the machine may have been started anew. Who is farther before takes what
// the others have for lapsed, once: from its first write on they know it.
func (s *State) Arrive(now time.Time, here Host) {
	s.here, s.ahead = here, s.before(here)
	var last time.Time
	for _, a := range s.Accounts {
		a.here = here
		last = Latest(last, a.At)
	}
	if !last.IsZero() {
		if lead := last.Sub(stamp(now).Add(s.ahead)); lead > skew || lead < -skew && lead > -lease && s.meets(here) {
			s.ahead += lead
		}
	}
	s.move(-s.ahead)
}

// before is by how much the times in the file go before the clock of a host, as far as it stands there.
func (s *State) before(h Host) time.Duration {
	return time.Duration(s.Clocks[h.machine()]) * time.Millisecond
}

// Guessed reports that the clock of here was taken to be another's, or to be put back, and that nobody wrote so yet. Until
// somebody does, each look takes the state for just written, and no time passes in it.
func (s *State) Guessed() bool { return s.ahead != s.before(s.here) }

// Encode is the state as it goes into the file.
func (s *State) Encode() ([]byte, error) {
	if machine := s.here.machine(); s.ahead.Milliseconds() != s.Clocks[machine] {
		if s.Clocks == nil {
			s.Clocks = make(map[string]int64)
		}
		s.Clocks[machine] = s.ahead.Milliseconds()
		for other := range s.Clocks {
			if len(s.Clocks) > mostClocks && other != machine {
				delete(s.Clocks, other) // it learns it anew
			}
		}
	}
	s.move(s.ahead)
	defer s.move(-s.ahead)
	return json.Marshal(s)
}

// meets reports whether a machine comes anew to sessions of others, of which some wait, have the turn, or cool down.
func (s *State) meets(here Host) bool {
	if _, ok := s.Clocks[here.machine()]; ok {
		return false
	}
	others, wait := false, false
	for _, one := range s.Sessions {
		switch {
		case one.Process.Host == "":
		case one.Process.Host.machine() == here.machine():
			return false
		default:
			others = true
		}
	}
	for _, a := range s.Accounts {
		wait = wait || a.find(func(c *Call) bool { return c.Phase != Over }) != nil
		for _, l := range a.Classes {
			wait = wait || l.CoolDown.Until.After(a.At)
		}
	}
	return others && wait
}

// move moves all times but those of the calendar, and those that only the session's own machine reads.
func (s *State) move(d time.Duration) {
	if d == 0 {
		return
	}
	for _, a := range s.Accounts {
		for _, t := range a.times() {
			move(t, d)
		}
	}
	for _, one := range s.Sessions {
		move(&one.Since, d)
		move(&one.Seen, d)
	}
}

// times are all that the account remembers, but for when a usage limit resets: that is known by the calendar.
func (a *Account) times() []*time.Time {
	list := []*time.Time{&a.At, &a.Budgeted}
	for _, c := range a.Calls {
		list = append(list, &c.Asked, &c.Granted, &c.Sent, &c.Came, &c.Done, &c.Seen, &c.Row, &c.Refused, &c.Doubt)
		if c.Retry != nil {
			list = append(list, &c.Retry.Rejected)
		}
	}
	for _, l := range a.Classes {
		p, t := &l.Pace, &l.Tokens
		list = append(list, &l.CoolDown.Until, &l.Wondered, &p.At, &p.Cut, &p.Since, &p.Used, &p.Memory.Told, &p.Memory.Woke.At, &p.Memory.Keep,
			&p.Memory.Tried.At, &t.Input.At, &t.Output.At, &t.Total.At, &l.Quota.Since)
		list = append(list, l.Fleet.times()...)
		for i := range p.Proof.Seen {
			list = append(list, &p.Proof.Seen[i].At)
		}
		for i := range p.Empty {
			list = append(list, &p.Empty[i].At)
		}
	}
	for _, w := range a.Windows {
		list = append(list, &w.At, &w.From.At, &w.Next.At)
	}
	for i := range a.Requests {
		list = append(list, &a.Requests[i])
	}
	return list
}

// Called notes, every now and then, that a session of which no hooks tell makes calls: it is remembered for that by those that
// can't look at it.
func (s *State) Called(now time.Time, session string) {
	if one := s.Sessions[session]; one != nil && now.Sub(one.Seen) > away/4 {
		one.Seen = stamp(now)
	}
}

// Local is a time by the clock of the process, such as its transcript's, by the clock of here.
func (s *State) Local(of Process, at time.Time) time.Time {
	machine := of.Host.machine()
	if at.IsZero() || machine == "" || machine == s.here.machine() {
		return at
	}
	return at.Add(s.before(of.Host) - s.ahead)
}

// move moves a time that is given.
func move(t *time.Time, d time.Duration) {
	if !t.IsZero() {
		*t = Latest(t.Add(d), time.Unix(0, 0).UTC()) // a clock shows none before
	}
}

// Fades is when the sign of life of the key's place in line must be renewed: its waiter asks again. Those further back are
// later, so that it is one of a host.
func (a *Account) Fades(k Key) time.Time {
	line := a.in(k.Class, Waiting)
	i := slices.IndexFunc(line, func(c *Call) bool { return c.Key == k })
	if i < 0 {
		return time.Time{}
	}
	return line[i].Seen.Add(renewal + time.Duration(min(i, 30))*time.Second)
}

// renew writes a sign of life of all that wait on the host, where one is due soon. Those that are gone were swept away.
func (a *Account) renew(now time.Time, host Host) {
	for _, c := range a.Calls {
		if c.Phase == Waiting && c.Waiter.Host == host && now.Sub(c.Seen) >= renewal/2 {
			c.Seen = now
		}
	}
}
