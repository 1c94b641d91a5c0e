package tests

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// The place that is shown is the one in which the turn comes: calls of -p let interactive ones pass.
func TestPlacesAreThoseOfPriority(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "2.1.330", "AFTERYOU_PRIORITY=interactive", "AFTERYOU_TURNS=strict")
	pid := turn.Process{PID: s.session()}
	s.state(func(st *turn.State) error {
		p := st.Open("p")
		p.Name = "the account"
		st.Sessions = make(map[string]*turn.Session)
		now := time.Now()
		for _, id := range []string{"holder", "print-1", "print-2", "typed-1", "typed-2", "typed-3", "typed-4"} {
			st.Sessions[id] = &turn.Session{Account: "p", Process: pid, Since: now, Seen: now}
			p.Ask(now, turn.Call{Key: turn.Key{Session: id}, Event: "e", Process: pid, Print: strings.HasPrefix(id, "print"), Rules: turn.Rules{Most: 1, Interactive: true}})
			p.Admit(now, lockfile.Alive)
		}
		return nil
	})
	const want = "typed-1 typed-2 typed-3 print-1 typed-4 print-2"
	r := s.status()
	if len(r.Pools) != 1 {
		t.Fatalf("status tells of %+v", r)
	}
	var got []string
	for i, c := range r.Pools[0].Waiting {
		if got = append(got, c.Session); c.Place != i+1 {
			t.Errorf("%s has place %d, as number %d", c.Session, c.Place, i+1)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("status shows %s, want %s", strings.Join(got, " "), want)
	}
	cmd := exec.Command(afteryou, "statusline")
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(`{"session_id":"print-1"}`)
	if line, err := cmd.Output(); err != nil || string(line) != "turn 4 of 6\n" {
		t.Errorf("the status line of print-1 says %q, %v; want turn 4 of 6", line, err)
	}
}
