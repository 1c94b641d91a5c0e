package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// twelve is a state in which 12 sessions share a limit: two call, one was rejected, four wait, five are idle.
func twelve(now time.Time) *turn.State {
	s := turn.NewState()
	p := s.Open("p")
	p.Name = "https://api.anthropic.com, API key"
	p.At = now
	p.Classes = map[string]*turn.Class{"": {Pace: limit.Pace{Rate: 0.5, At: now, Used: now}}}
	s.Sessions = make(map[string]*turn.Session)
	for i := range 12 {
		id := fmt.Sprintf("%08d-aaaa", i)
		s.Sessions[id] = &turn.Session{Account: "p", Process: lockfile.Self(), Dir: fmt.Sprintf("/home/u/a/long/way/down/to/project-%d", i), Since: now, Seen: now}
		c := turn.Call{Key: turn.Key{Session: id}, Process: lockfile.Self()}
		switch {
		case i < 2:
			c.Phase, c.Granted, c.Seen = turn.Granted, now.Add(-3*time.Second), now
		case i == 2:
			c.Phase, c.Refused = turn.Over, now.Add(-time.Second)
			c.Retry = &turn.Retry{Rejected: c.Refused, In: 35 * time.Second, Attempt: 1}
		case i < 7:
			c.Asked = now.Add(-10 * time.Second)
		default:
			continue
		}
		p.Calls = append(p.Calls, &c)
	}
	return s
}

func TestFrameFitsTheScreen(t *testing.T) {
	now := time.Now()
	var s scene
	for i := range 30 {
		at := now.Add(time.Duration(i-29) * time.Second)
		s.look(twelve(at), at, true)
	}
	for _, size := range [][2]int{{60, 20}, {200, 50}, {80, 24}, {20, 5}, {1, 1}} {
		lines := s.frame(now, size[0], size[1])
		text := strings.Join(lines, "\n")
		if len(lines) > size[1] {
			t.Errorf("%dx%d: %d lines", size[0], size[1], len(lines))
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > size[0] {
				t.Errorf("%dx%d: a line of %d letters: %s", size[0], size[1], n, line)
			}
		}
		if size[1] < 20 {
			continue
		}
		for _, want := range []string{"12 sessions · 30 calls a minute · 2 in a call, 4 wait", "cool-down ██", " 34s until ", "calls 3s   00000000", "again 34s  00000002", "1. 10s     00000003", "▆▆", "░░", "××", "last rejection"} {
			if !strings.Contains(text, want) {
				t.Errorf("%dx%d lacks %q:\n%s", size[0], size[1], want, text)
			}
		}
		if !strings.Contains(text, "project-4") {
			t.Errorf("%dx%d does not say where a session works:\n%s", size[0], size[1], text)
		}
		if size[1] >= 24 && !strings.Contains(text, "idle       00000011") {
			t.Errorf("%dx%d lacks the last session:\n%s", size[0], size[1], text)
		}
	}
	if text := strings.Join((&scene{}).frame(now, 60, 20), "\n"); !strings.Contains(text, "no session takes turns now") {
		t.Errorf("without sessions: %s", text)
	}
}

func TestTimeLineForgets(t *testing.T) {
	now := time.Now()
	var s scene
	s.look(twelve(now), now, true)
	for i := range remember + 1 {
		s.look(turn.NewState(), now.Add(time.Duration(i)*time.Second), true)
	}
	if len(s.past) != 0 {
		t.Errorf("after %d s without sessions there are %d time lines", remember, len(s.past))
	}
}
