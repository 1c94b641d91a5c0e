package partner

import (
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

// used are the headers of an answer that says how much of the 5 h window is used.
func used(share float64, resets time.Time) map[string]string {
	return headersOf(fakeapi.Answer{Header: fakeapi.Unified{Status: "allowed", Claim: "five_hour", Resets: resets, Used: share}.Header()})
}

func reserves(c *Config) { c.Rules.Reserve = .2 }

// hears has a session at a terminal be told how much of the window is used.
func (s *stand) hears(share float64, resets time.Time) {
	s.Helper()
	of := request("person", "p")
	s.asks("ask", of)
	s.answered(of, 200, used(share, resets))
	s.tell("used", words{"session": "p"})
	s.settles(0, 0)
}

// 1. A session at a terminal hears that only the reserve is left. 2. A request of -p is held until the window resets, and says why;
// the session at the terminal goes on.
func TestReserveHoldsUntilTheReset(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	person, batch := standOn(t, store, reserves), standOn(t, store, reserves, unattended)
	resets := time.Now().Add(4 * time.Second).Truncate(time.Second)
	person.hears(.85, resets)
	waits := batch.asking("ask", request("1", "a"))
	batch.settles(0, 1)
	person.asks("ask", request("2", "p"))
	batch.goes(waits)
	if time.Now().Before(resets) {
		t.Error("-p goes before the reset")
	}
}

// What is kept back for longer than Claude Code bears to wait is not sent: its turn waits. Where it may not, for max_wait, or what is
// beside the turn, it fails.
func TestReserveOutlastsPatience(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		resets  time.Duration
		more    words
		verdict string
	}{
		"its turn waits":       {5 * time.Second, nil, "later"},
		"longer than max_wait": {2 * time.Hour, nil, "pass"},
		"a title":              {5 * time.Second, words{"kind": "title"}, "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t)
			person, batch := standOn(t, store, reserves), standOn(t, store, reserves, unattended)
			resets := time.Now().Add(test.resets).Truncate(time.Second)
			person.hears(.8, resets)
			a := batch.tell("ask", request("1", "a").with(words{"patience": .5}).with(test.more))
			if a.Go || string(a.Verdict) != test.verdict {
				t.Fatalf("answered %+v, want %s", a, test.verdict)
			}
			batch.settles(0, 0)
			if test.verdict != "later" {
				return
			}
			if a = batch.tell("rest", words{"session": "a"}); a.Line != "" && !strings.HasPrefix(a.Line, "limit ") {
				t.Errorf("it rests, and says %q", a.Line)
			}
			for !a.Go && a.Verdict == "" {
				a = batch.tell("rest", words{"session": "a"})
			}
			if !a.Go || time.Now().Before(resets) {
				t.Errorf("after the rest: %+v, %v before the reset", a, time.Until(resets))
			}
			batch.asks("ask", request("2", "a"))
		})
	}
}

// Once 90 % are used a session at a terminal is told so, once, where it may be.
func TestNoticeThatAWindowNearsItsEnd(t *testing.T) {
	t.Parallel()
	resets := time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		with func(*Config)
		told bool
	}{
		"at a terminal": {func(c *Config) { c.Notify = true }, true},
		"notify is off": {func(*Config) {}, false},
		"-p":            {func(c *Config) { c.Notify = true; unattended(c) }, false},
	} {
		s := newStand(t, test.with)
		told := ""
		for i, share := range []float64{.5, .91, .92, .99} {
			of := request(string(rune('1'+i)), "a").with(words{"dir": "/work"})
			told += s.asks("ask", of).Notify
			s.answered(of, 200, used(share, resets))
			s.tell("used", words{"session": "a"})
			s.settles(0, 0)
		}
		if want := "91 % of the 5h window are used; it resets "; strings.Count(told, want) > 1 || strings.HasPrefix(told, want) != test.told {
			t.Errorf("%s: told %q", name, told)
		}
	}
}
