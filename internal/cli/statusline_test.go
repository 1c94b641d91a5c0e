package cli

import (
	"testing"
	"time"

	"afteryou/internal/turn"
)

// The session of a gateway has pools for classes of models, and a limit may be known in all of them: the segment has each
// once, and is the same however often it is asked for.
func TestSegmentSaysEachLimitOnce(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	s := turn.NewState()
	s.Sessions = map[string]*turn.Session{"here": {Pool: "p", Gateway: true}, "there": {Pool: "p", Gateway: true}, "hook": {Pool: "p"}}
	s.Pool("p").Limited(now, now.Add(34*time.Second), "rate limit")
	for i, class := range []string{"fable", "haiku", "opus", "sonnet"} {
		p := s.Pool(turn.ClassPool("p", class))
		p.Limited(now, now.Add(time.Duration(40-i)*time.Second), "rate limit")
		p.Limited(now, now.Add(2*time.Hour+time.Duration(i)*time.Minute), "usage limit")
		for _, id := range []string{"there", "here"}[:1+i%2] {
			p.Ask(now, turn.Ticket{Key: turn.Key{Session: id, Agent: class}, Event: "e"})
		}
	}
	for range 100 {
		for id, want := range map[string]string{
			"here": "turn 2 of 2 · limit 40s · usage limit until 14:03:00", "there": "turn 1 of 1 · limit 40s · usage limit until 14:03:00",
			"hook": "limit 34s", "unknown": "",
		} {
			if got := segment(s, id, now, turn.Rules{}); got != want {
				t.Fatalf("the segment of %s is %q, want %q", id, got, want)
			}
		}
	}
}
