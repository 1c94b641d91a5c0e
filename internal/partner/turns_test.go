package partner

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// Who need not wait goes at once; the second waits until the first is over, however that ends.
func TestOneRequestOneTurn(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(s *stand, of words){
		"answered, and used": func(s *stand, of words) {
			s.answered(of, 200, nil)
			s.settles(1, 1) // its answer still comes
			s.tell("used", words{"session": "a", "usage": words{"input_tokens": 100, "output_tokens": 10}})
		},
		"gone, by its number": func(s *stand, of words) { s.tell("gone", words{"id": "1", "session": "a"}) },
		"gone, by its loop":   func(s *stand, of words) { s.tell("gone", words{"session": "a"}) },
		"refused":             func(s *stand, of words) { s.answered(of, 400, nil) },
		"its session ended":   func(s *stand, of words) { s.tell("bye", words{"session": "a"}) },
		"the next of its turn": func(s *stand, of words) {
			s.asking("ask", request("1b", "a"))
			s.until("it waits", func() bool { return s.waits("a") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, oneByOne)
			first, second := request("1", "a"), request("2", "b")
			if a := s.tell("ask", first); !a.Go {
				t.Fatalf("the first is told %+v, want to go", a)
			}
			if a := s.tell("ask", second); a.Go || a.Line == "" {
				t.Errorf("the second is told %+v, want what it waits for", a)
			}
			s.settles(1, 1)
			goes := s.asking("ask", second)
			ends(s, first)
			s.goes(goes)
			s.answered(second, 200, nil)
			s.tell("used", words{"session": "b"})
			s.tell("bye", words{"session": "a"})
			s.settles(0, 0)
		})
	}
}

// waits reports whether a request of the session's stands in line.
func (s *stand) waits(session string) (yes bool) {
	s.Helper()
	view(s.T, s.store, func(st *turn.State) {
		for _, a := range st.Accounts {
			yes = yes || slices.ContainsFunc(a.Waiting(), func(c *turn.Call) bool { return c.Session == session })
		}
	})
	return yes
}

// 1. A request is asked for before it comes, and its turn is there. 2. The step ends, and no request came: the turn is given back
// as if there had been none. 3. Asked for again, it comes, and counts.
func TestWhatIsAskedForEarlyMayNeverCome(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	used := words{"session": "a", "usage": words{"input_tokens": 100, "output_tokens": 10}}
	for i, comes := range []bool{false, true} {
		early := request(fmt.Sprint(i), "a").with(words{"early": true})
		if a := s.tell("ask", early); !a.Go {
			t.Fatalf("it is told %+v, want to go", a)
		}
		s.settles(1, 0)
		if comes {
			s.answered(early, 200, nil)
		}
		s.tell("used", used)
		s.settles(0, 0)
		view(t, s.store, func(st *turn.State) {
			for _, a := range st.Accounts {
				for _, c := range a.Calls {
					if took := c.Took.Input > 0; took != comes || c.Sent.IsZero() == comes {
						t.Errorf("whether it came: %v; it is %+v", comes, c)
					}
				}
			}
		})
	}
}

// A hook that waits for the answer to another's ask may not wait long, also where nobody looks.
func TestWhatIsAskedForEarlyIsAnsweredSoon(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne, unattended)
	s.asks("ask", request("1", "a"))
	begun := time.Now()
	if a := s.tell("ask", request("2", "b").with(words{"early": true})); a.Go {
		t.Error("it goes though the first has the turn")
	}
	if took := time.Since(begun); took > poll/2 {
		t.Errorf("it is answered after %v, want %v", took, pollSeen)
	}
}

// Esc: the module hangs up, and the request is out of the line.
func TestWhoHangsUpLeavesTheLine(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne, unattended)
	s.asks("ask", request("1", "a"))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := s.say(ctx, "ask", request("2", "b")); done <- err }()
	s.settles(1, 1)
	stop()
	if err := <-done; err == nil {
		t.Error("who hung up is answered")
	}
	settles(t, s.store, time.Second, 1, 0)
}

// The module was unloaded, or was never told that its turn came: nobody polls any more.
func TestWhoAsksNoMoreLeavesTheLine(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	s.asks("ask", request("1", "a"))
	s.tell("ask", request("2", "b"))
	begun := time.Now()
	s.settles(1, 1)
	s.settles(1, 0)
	if took := time.Since(begun); took < forsaken/2 || took > forsaken+5*time.Second {
		t.Errorf("it is given up after %v, want about %v", took, forsaken)
	}
	if a := s.tell("ask", request("2", "b")); a.Go { // it was stopped, and goes on
		t.Error("it goes though the first has the turn")
	}
	s.settles(1, 1)
}

// A request that was rejected after it was under way for long is not taken for one that nobody asks for.
func TestARejectionAfterLongKeepsItsPlace(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	first := request("1", "a")
	s.asks("ask", first)
	s.tell("ask", request("2", "b"))
	time.Sleep(forsaken + tick) // no sign of life of it meanwhile
	if v := s.answered(first, 429, map[string]string{"retry-after": "3"}); v != "again" {
		t.Fatalf("verdict %q, want again", v)
	}
	time.Sleep(2 * tick) // it is looked for
	view(t, s.store, func(st *turn.State) {
		for _, a := range st.Accounts {
			if line := a.Waiting(); len(line) == 0 || line[0].Session != "a" {
				t.Errorf("in line stand %+v, want the rejected one first", line)
			}
		}
	})
}

// Side requests have turns of their own, which end with the head of the answer.
func TestSideRequestsAreToldApart(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	main := request("1", "a")
	s.asks("ask", main)
	for _, kind := range []string{"check", "title"} {
		side := request("2", "a").with(words{"kind": kind})
		goes := s.asking("ask", side)
		s.settles(1, 1)
		s.answered(main, 200, nil)
		s.tell("used", words{"session": "a"})
		s.goes(goes)
		s.settles(1, 0)
		s.tell("used", words{"session": "a"}) // of the turn: not of this one
		s.tell("gone", words{"session": "a"})
		s.settles(1, 0)
		if v := s.answered(side, 200, nil); v != "pass" {
			t.Errorf("%s: verdict %q, want pass", kind, v)
		}
		s.settles(0, 0)
		s.asks("ask", main)
	}
}

// A subagent and its session make requests at the same time; neither ends the other's.
func TestSubagentsTakeTurnsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(c *Config) { c.Rules = turn.Rules{Most: 5} })
	s.asks("ask", request("1", "a"))
	s.asks("ask", request("2", "a").with(words{"agent": "x"}))
	s.asks("ask", request("3", "a").with(words{"agent": "y"}))
	s.settles(3, 0)
	s.tell("used", words{"session": "a", "agent": "x"})
	s.settles(2, 0)
	s.tell("gone", words{"session": "a"})
	s.settles(1, 0)
	s.tell("bye", words{"session": "a"})
	s.settles(0, 0)
}

// The state knows the sessions, with the gate they are at, until they end: after /clear it is another one of the same process.
func TestTheStateKnowsTheSessions(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.asks("ask", request("1", "a").with(words{"dir": "/work", "transcript": "/t/a.jsonl", "gate": "module"}))
	known := func(id string) (found bool) {
		view(t, s.store, func(st *turn.State) {
			one := st.Sessions[id]
			found = one != nil
			if found && (one.Dir != "/work" || one.Gate != "module" || one.Process != s.config.Claude || st.Accounts[one.Account] == nil) {
				t.Errorf("the state knows of %s: %+v", id, one)
			}
		})
		return found
	}
	s.until("the first is known", func() bool { return known("a") })
	s.tell("bye", words{"session": "a"})
	s.asks("ask", request("2", "b").with(words{"dir": "/work", "transcript": "/t/b.jsonl", "gate": "module"}))
	s.until("the second is known, and the first is not", func() bool { return known("b") && !known("a") })
	s.tell("bye", words{"session": "b"})
	s.asks("ask", request("3", "a").with(words{"dir": "/work", "transcript": "/t/a.jsonl", "gate": "module"})) // taken up again
	s.until("the first is known again", func() bool { return known("a") && !known("b") })
}

// A session that ended here, and that another Claude Code took up again, is that one's.
func TestASessionThatWentElsewhereStays(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	of := func(id, session string) words {
		return request(id, session).with(words{"dir": "/work", "gate": "module"})
	}
	s.asks("ask", of("1", "a"))
	s.settles(1, 0)
	s.tell("bye", words{"session": "a"})
	s.settles(0, 0)
	other := lockfile.Self()
	v, err := line.Change(t.Context(), s.store, nil, func(now time.Time, st *turn.State) {
		st.Sessions = map[string]*turn.Session{"a": {Since: now, Seen: now, Process: other}}
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	s.asks("ask", of("2", "b"))
	s.settles(1, 0)
	view(t, s.store, func(st *turn.State) {
		if one := st.Sessions["a"]; one == nil || one.Process != other {
			t.Errorf("the state knows of the session %+v, want that it is the other's", one)
		}
	})
}
