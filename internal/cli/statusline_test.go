package cli

import (
	"fmt"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// The session of a gateway has calls of several classes of models, and a limit may be known in all of them: the segment has each
// once, and is the same however often it is asked for.
func TestSegmentSaysEachLimitOnce(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	s := turn.NewState()
	s.Sessions = map[string]*turn.Session{"here": {Account: "p", Gateway: true}, "there": {Account: "p", Gateway: true}, "hook": {Account: "p"}, "elsewhere": {Account: "q", Gateway: true}}
	s.Open("q").Limited(now, "", now.Add(50*time.Second), "rate limit") // by who does not tell calls apart
	a := s.Open("p")
	a.Limited(now, "", now.Add(34*time.Second), "rate limit")
	for i, class := range []string{"fable", "haiku", "opus", "sonnet"} {
		a.Limited(now, class, now.Add(time.Duration(40-i)*time.Second), "rate limit")
		a.Limited(now, class, now.Add(2*time.Hour+time.Duration(i)*time.Minute), "usage limit")
		for _, id := range []string{"there", "here"}[:1+i%2] {
			a.Ask(now, turn.Call{Key: turn.Key{Session: id, Agent: class, Class: class}, Event: "e"})
		}
	}
	for range 100 {
		for id, want := range map[string]string{
			"here": "turn 2 of 2 · limit 40s · usage limit until 14:03:00", "there": "turn 1 of 1 · limit 40s · usage limit until 14:03:00",
			"hook": "limit 34s", "elsewhere": "limit 50s", "unknown": "",
		} {
			if got := segment(s, id, now); got != want {
				t.Fatalf("the segment of %s is %q, want %q", id, got, want)
			}
		}
	}
}

// What Claude Code says of the windows of a session all of its account get to know; what is older than that they do not believe.
func TestStatusLineTellsOfTheWindows(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	store, err := lockfile.Open(stateDir())
	if err != nil {
		t.Fatal(err)
	}
	v, err := store.Update(t.Context(), func(s *turn.State) error {
		s.Sessions = map[string]*turn.Session{"a": {Account: "p", Process: lockfile.Self(), Seen: time.Now()}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	resets := time.Now().Add(2 * time.Hour)
	for _, used := range []string{"42", "40"} {
		input := fmt.Sprintf(`{"session_id":"a","rate_limits":{"five_hour":{"used_percentage":%s,"resets_at":%d},"seven_day":null}}`, used, resets.Unix())
		if got, want := segmentFor([]byte(input)), "5h 42 %, resets "+resets.Format("15:04"); got != want {
			t.Errorf("at %s: the segment is %q, want %q", used, got, want)
		}
	}
	s, err := snapshot(store)
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := s.Account("p").Window(time.Now(), "5h"); !ok || w.Used != .42 || len(s.Account("p").Windows) != 1 {
		t.Errorf("the account has %+v, %v", w, ok)
	}
}
