package turn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// site is a machine, or a container of one, with a state directory that it shares with others and a clock of its own.
type site struct {
	t     *testing.T
	host  Host
	clock time.Duration // by which it differs from the true time
	disk  *[]byte
}

func (s site) now(true time.Time) time.Time { return true.Add(s.clock) }

// process is one that only this site can look at: it runs.
func (s site) process(pid int) Process { return Process{PID: pid, Start: 1, Host: s.host} }

func (s site) alive(p Process) bool { return true } // here they run, and of others' there is no telling

// update is one change of the state at a true time, and whether it replaces the file.
func (s site) update(true time.Time, change func(now time.Time, st *State)) (replaced bool) {
	s.t.Helper()
	st := s.read(true)
	change(s.now(true), st)
	after, err := st.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	replaced = string(after) != string(*s.disk)
	*s.disk = after
	return replaced
}

func (s site) read(true time.Time) *State {
	s.t.Helper()
	st := NewState()
	if *s.disk != nil {
		if err := json.Unmarshal(*s.disk, st); err != nil {
			s.t.Fatal(err)
		}
	}
	st.Arrive(s.now(true), s.host)
	return st
}

// ask is what a hook does that waits or begins to: it registers, sweeps, asks and lets go who may.
func (s site) ask(true time.Time, session string, r Rules) (granted bool) {
	s.t.Helper()
	k := Key{Session: session}
	s.update(true, func(now time.Time, st *State) {
		if st.Sessions == nil {
			st.Sessions = make(map[string]*Session)
		}
		if st.Sessions[session] == nil {
			st.Forget(now, s.alive)
			st.Sessions[session] = &Session{Account: "p", Process: s.process(1), Since: now}
		}
		st.Sessions[session].Seen = now
		p := st.Open("p")
		p.Sweep(now, s.alive, false)
		p.Ask(now, Call{Key: k, Event: "e", Process: s.process(1), Waiter: s.process(2), Rules: r})
		p.Admit(now, s.alive)
		granted = p.Granted(k, "e")
	})
	return granted
}

func sites(t *testing.T, clock time.Duration) (a, b site) {
	disk := new([]byte)
	return site{t, "a/1", 0, disk}, site{t, "b/1", clock, disk}
}

var clocks = map[string]time.Duration{
	"the same": 0, "a second behind": -time.Second, "six seconds behind": -6 * time.Second, "hours behind": -3 * time.Hour,
	"six seconds ahead": 6 * time.Second, "a minute ahead": time.Minute,
}

// A clock that is hours ahead can't be told from hours that passed: what is there counts as lapsed, once. From then on the
// machines share.
func TestAClockThatIsHoursAheadIsKnownFromItsFirstWriteOn(t *testing.T) {
	a, b := sites(t, 3*time.Hour)
	a.ask(at(0), "first", strict)
	if !b.ask(at(2), "second", strict) {
		t.Errorf("a turn of three hours ago holds: %s", *a.disk)
	}
	if a.ask(at(3), "third", strict) || b.ask(at(4), "fourth", strict) || b.ask(at(60), "fourth", strict) {
		t.Errorf("not one turn for one: %s", *a.disk)
	}
	b.update(at(61), func(now time.Time, st *State) { st.Open("p").Succeeded(now, Key{Session: "second"}) })
	if !a.ask(at(62), "third", strict) {
		t.Errorf("the third has no turn: %s", *a.disk)
	}
}

// A machine that is started anew in the morning, with a cool-down and a turn of the evening in the file, waits for neither.
func TestWhatWasLeftBeforeANightHoldsNobody(t *testing.T) {
	a, b := sites(t, 0)
	a.ask(at(0), "first", strict)
	a.update(at(1), func(now time.Time, st *State) { st.Open("p").Limited(now, "", now.Add(9*time.Minute), "x") })
	const morning = 8 * 3600
	if until := b.read(at(morning)).Account("p").CoolsUntil(at(morning), ""); !until.IsZero() {
		t.Errorf("it cools until %v", until)
	}
	if !b.ask(at(morning), "second", strict) {
		t.Errorf("it waits: %s", *a.disk)
	}
	if n := len(b.read(at(morning + 1)).Sessions); n != 1 {
		t.Errorf("%d sessions, want the new one", n)
	}
}

// 1. On one machine a session has the turn, and a second waits. 2. On another one, whose clock may say anything, a third asks.
// 3. They wait for a minute in the order in which they came, and who has the turn keeps it. 4. It is given back: the second
// goes, and then the third.
func TestMachinesTakeTurns(t *testing.T) {
	for name, clock := range clocks {
		t.Run(name, func(t *testing.T) {
			a, b := sites(t, clock)
			if !a.ask(at(0), "first", strict) || a.ask(at(1), "second", strict) || b.ask(at(2), "third", strict) {
				t.Fatalf("not one turn for one: %s", *a.disk)
			}
			replaced := 0
			for s := 3.0; s < 60; s += 0.25 { // they look, and write what is to be written
				for _, x := range []struct {
					site
					session string
				}{{a, "second"}, {b, "third"}} {
					now := x.now(at(s))
					st := x.read(at(s))
					p := st.Open("p")
					p.Sweep(now, x.alive, true)
					p.Admit(now, x.alive)
					waits := p.Waits(Key{Session: x.session})
					if p.Granted(Key{Session: x.session}, "e") || !waits {
						t.Fatalf("after %g s %s is let go or dropped: %s", s, x.session, *a.disk)
					}
					if p.SetBack(now) || !now.Before(p.Fades(Key{Session: x.session})) {
						x.ask(at(s), x.session, strict)
						replaced++
					}
				}
			}
			if replaced > 6 {
				t.Errorf("the state is replaced %d times in a minute in which nothing happens", replaced)
			}
			a.update(at(60), func(now time.Time, st *State) { st.Open("p").Succeeded(now, Key{Session: "first"}) })
			if b.ask(at(60.5), "third", strict) || !a.ask(at(61), "second", strict) {
				t.Errorf("the second is not the next: %s", *a.disk)
			}
			a.update(at(62), func(now time.Time, st *State) { st.Open("p").Succeeded(now, Key{Session: "second"}) })
			if !b.ask(at(63), "third", strict) {
				t.Errorf("the third has no turn: %s", *a.disk)
			}
		})
	}
}

// A cool-down of 30 seconds lasts as long on both machines, whoever learned of it.
func TestMachinesCoolDownTogether(t *testing.T) {
	for name, clock := range clocks {
		for _, learns := range []string{"a", "b"} {
			t.Run(name+", told on "+learns, func(t *testing.T) {
				a, b := sites(t, clock)
				a.ask(at(0), "one", Rules{})
				b.ask(at(0.1), "two", Rules{})
				teller := map[string]site{"a": a, "b": b}[learns]
				teller.update(at(1), func(now time.Time, st *State) {
					for _, s := range []string{"one", "two"} {
						st.Open("p").Ended(now, Key{Session: s})
					}
					st.Open("p").Limited(now, "", now.Add(30*time.Second), "x")
				})
				for s := 2.0; s <= 40; s++ {
					for _, x := range []site{a, b} {
						st := x.read(at(s))
						until := st.Account("p").CoolsUntil(x.now(at(s)), "")
						cools := !until.IsZero()
						if wait := until.Sub(x.now(at(s))).Seconds(); s < 25 && (!cools || wait > 36-s) || s > 36.5 && cools {
							t.Fatalf("%s, %g s on: cools %v, for %g s", x.host, s-1, cools, wait)
						}
					}
					if int(s)%7 == 0 { // somebody comes and goes
						b.update(at(s), func(now time.Time, st *State) { st.Open("p").SeenAlive(now, Key{Session: "x"}) })
						a.update(at(s+0.5), func(now time.Time, st *State) { st.Open("p").SeenAlive(now, Key{Session: "x"}) })
					}
				}
			})
		}
	}
}

// A machine whose clock says 2099 writes once and is gone: the others wait for its lease, and not until 2099. What the
// calendar says of a usage limit stays as it is.
func TestAClockThatIsFarOffHoldsNobody(t *testing.T) {
	a, b := sites(t, 73*365*24*time.Hour)
	resets := at(5 * 3600)
	b.ask(at(0), "lost", strict)
	b.update(at(0.5), func(now time.Time, st *State) {
		st.Open("p").class("").Usage = Usage{Until: resets}
		st.Open("p").Limited(now, "", now.Add(10*time.Second), "x")
	})
	granted := -1.0
	for s := 1.0; s < 200 && granted < 0; s += 0.25 {
		if a.ask(at(s), "here", strict) {
			granted = s
		}
	}
	if granted < lease.Seconds()-1 || granted > lease.Seconds()+6 {
		t.Errorf("the turn comes after %g s, want a lease: %s", granted, *a.disk)
	}
	if until := a.read(at(200)).Account("p").Class("").Usage.Until; !until.Equal(resets) {
		t.Errorf("the usage limit resets at %v, want %v", until, resets)
	}
}

// A clock that is put back, and a file that nobody changed: times are as far away as before.
func TestAClockThatIsPutBackMovesNothing(t *testing.T) {
	a, _ := sites(t, 0)
	a.ask(at(0), "s", Rules{})
	a.update(at(1), func(now time.Time, st *State) { st.Open("p").Limited(now, "", now.Add(30*time.Second), "x") })
	a.clock = -3 * time.Hour
	a.ask(at(2), "t", Rules{})
	for _, s := range []float64{3, 20} {
		until := a.read(at(s)).Account("p").CoolsUntil(a.now(at(s)), "")
		if left := until.Sub(a.now(at(s))).Seconds(); left < 31-s || left > 33-s {
			t.Errorf("%g s on %g s are left", s, left)
		}
	}
}

// Until a clock that was put back is written down, each look says that it is guessed: whoever waits writes.
func TestAGuessedClockIsToldUntilItIsWritten(t *testing.T) {
	a, _ := sites(t, 0)
	a.ask(at(100), "s", Rules{})
	a.clock = -time.Hour
	for range 3 {
		if !a.read(at(101)).Guessed() {
			t.Fatal("it is not told")
		}
	}
	a.update(at(102), func(now time.Time, st *State) { st.Open("p").SeenAlive(now, Key{Session: "s"}) })
	if a.read(at(103)).Guessed() {
		t.Error("it is told when it was written down")
	}
}

// A session behind a gateway, of which no hooks tell, lives for another machine as long as it calls.
func TestASessionThatCallsIsNotForgottenElsewhere(t *testing.T) {
	a, b := sites(t, 0)
	a.ask(at(0), "calls", Rules{})
	a.ask(at(0), "silent", Rules{})
	for s := 600.0; s <= 7200; s += 600 {
		a.update(at(s), func(now time.Time, st *State) { st.Called(now, "calls") })
	}
	b.ask(at(7300), "new", Rules{})
	if st := b.read(at(7301)); st.Sessions["calls"] == nil || st.Sessions["silent"] != nil {
		t.Errorf("the sessions are %s", *b.disk)
	}
}

// When there are more clocks than are remembered, one's own stays.
func TestOnesOwnClockIsRemembered(t *testing.T) {
	a, b := sites(t, -time.Minute)
	a.ask(at(0), "s", Rules{})
	for i := range 2 * mostClocks {
		b.host = Host(fmt.Sprintf("m%d/1", i))
		b.ask(at(float64(i+1)), "t", Rules{})
		st := b.read(at(float64(i + 1)))
		if n := len(st.Clocks); n > mostClocks || st.before(b.host) == 0 {
			t.Fatalf("after %d machines %d clocks are remembered, one's own as %v", i+1, n, st.before(b.host))
		}
	}
}

// Whom nobody can look at counts as alive until its lease ends, be it a waiter, who has the turn, or a session.
func TestWhoCannotBeLookedAt(t *testing.T) {
	a, b := sites(t, 0)
	a.ask(at(0), "holder", strict)
	a.ask(at(1), "waiter", strict)
	// a is gone, all at once, or was started anew as b.
	if b.ask(at(10), "next", strict) || b.ask(at(110), "next", strict) {
		t.Error("the turn is taken from who may have it still")
	}
	if st := b.read(at(110)); len(st.Account("p").Line("")) != 2 {
		t.Errorf("the waiter is dropped before its lease ends: %s", *b.disk)
	}
	if !b.ask(at(135), "next", strict) {
		t.Errorf("the turn is kept for who is gone: %s", *b.disk)
	}
	if st := b.read(at(135)); len(st.Sessions) != 3 {
		t.Errorf("%d sessions, want 3", len(st.Sessions))
	}
	b.ask(at(3700), "another", strict)
	if st := b.read(at(3700)); st.Sessions["holder"] != nil || st.Sessions["waiter"] != nil || st.Sessions["next"] == nil {
		t.Errorf("after an hour: %s", *b.disk)
	}
}

// Twenty that wait on one host, who came a second after the other, write their signs of life together.
func TestSignsOfLifeAreWrittenTogether(t *testing.T) {
	a, b := sites(t, 0)
	b.ask(at(0), "holder", strict)
	names := strings.Fields("a b c d e f g h i j k l m n o p q r s t")
	for i, session := range names {
		a.ask(at(float64(i)), session, strict)
	}
	written := 0
	for s := 20.0; s < 140; s += 0.25 {
		for _, session := range names {
			st := a.read(at(s))
			p := st.Open("p")
			if !a.now(at(s)).Before(p.Fades(Key{Session: session})) {
				a.update(at(s), func(now time.Time, st *State) {
					st.Open("p").Ask(now, Call{Key: Key{Session: session}, Event: "e", Waiter: a.process(2)})
				})
				written++
			}
		}
	}
	if written > 10 {
		t.Errorf("%d signs of life in two minutes, want two in half a minute at most", written)
	}
	if q := b.read(at(140)).Account("p").Line(""); slices.ContainsFunc(q, func(c *Call) bool { return at(140).Sub(c.Seen) > lease/2 }) {
		t.Errorf("some gave none: %+v", q)
	}
}

// What is here is looked at, and needs no sign of life: a machine may sleep for a night.
func TestTicketsOutliveASleep(t *testing.T) {
	a, _ := sites(t, 0)
	a.ask(at(0), "a", strict)
	a.ask(at(1), "b", strict)
	a.ask(at(2), "c", strict)
	st := a.read(at(8 * 3600))
	p := st.Open("p")
	p.Sweep(at(8*3600), a.alive, true)
	if line := names(p.Line("")); line != "b/e c/e" {
		t.Errorf("in line after the night: %v", line)
	}
}

// Whatever the file says of clocks, times stay those that a clock shows, and the state can be written.
func TestClocksThatCannotBe(t *testing.T) {
	for _, ms := range []int64{1 << 62, -1 << 62, 1 << 53, -1 << 53, 1e12, -1e12} {
		a, _ := sites(t, 0)
		a.ask(at(0), "s", Rules{})
		a.update(at(1), func(_ time.Time, st *State) { st.Clocks = map[string]int64{"a": ms} })
		for s := 2.0; s < 5; s++ {
			a.ask(at(s), "t", Rules{})
		}
		if st := a.read(at(5)); st.Account("p").SetBack(at(5)) {
			t.Errorf("%d ms: the account is of %v", ms, st.Account("p").At)
		}
	}
}
