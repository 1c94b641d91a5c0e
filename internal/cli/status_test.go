package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// What is waited for, since when, until when, and by whom.
func TestStatusTellsWhatIsWaitedFor(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	clock := func(d time.Duration) string { return now.Add(d).Format("15:04:05") }
	s := turn.NewState()
	one := func(id string, stop turn.Stop) turn.Key {
		if s.Sessions == nil {
			s.Sessions = make(map[string]*turn.Session)
		}
		s.Sessions[id] = &turn.Session{Account: "p", Dir: "/" + id, Stop: stop}
		return turn.Key{Session: id}
	}
	p := s.Open("p")
	p.Name = "the account"
	p.Limited(now, "", time.Time{}, "rate limit")
	p.Limited(now, "", now.Add(2*time.Hour), "usage limit")
	one("dead", turn.Stop{Since: now.Add(-10 * time.Second), Until: now.Add(75 * time.Second), Why: "rate limit"})
	one("gone-on", turn.Stop{Since: now.Add(-time.Minute), Until: now.Add(-time.Second), Why: "rate limit"})
	one("idle", turn.Stop{})
	p.Retrying(now, one("native", turn.Stop{Since: now.Add(-5 * time.Second), Until: now.Add(20 * time.Second), Why: "API error"}),
		turn.Retry{Rejected: now.Add(-5 * time.Second), In: 25 * time.Second, Attempt: 1})
	p.Ask(now, turn.Call{Key: one("inline", turn.Stop{Since: now, Until: now.Add(30 * time.Second), Why: "rate limit"}), Event: "e"})

	var out bytes.Buffer
	if err := reportOf(s, now).write(&out, now); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' }), "\n")
	for _, want := range []string{
		"cool-down  until " + clock(30*time.Second) + ", in 30s: rate limit (a guess: nothing says until when)\n",
		"usage      limit reached, resets ", ", in 2h0m0s\n",
		"rejected  native   0    /native    " + clock(-5*time.Second) + "  tries again in 20s\n",
		"stopped   dead     0    /dead      " + clock(-10*time.Second) + "  rate limit, goes on in 1m15s\n",
		"1         inline   0    /inline    " + clock(0) + "  waits for 0s",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("status lacks %q:\n%s", want, got)
		}
	}
	if !strings.Contains(got, "\nsessions   5\n") {
		t.Errorf("the gates are told though there is one:\n%s", got)
	}
	s.Sessions["inside"] = &turn.Session{Account: "p", Gate: turn.GateSteps}
	r := reportOf(s, now)
	out.Reset()
	if err := r.write(&out, now); err != nil || !strings.Contains(out.String(), "sessions   5: 5 by hooks\n") || r.Pools[0].Stopped[0].Gate != "hooks" {
		t.Errorf("beside a session with another gate it says, %v,\n%s", err, &out)
	}
	delete(s.Sessions, "inside")
	if n := strings.Count(got, "\nstopped "); n != 1 {
		t.Errorf("%d sessions are stopped, want one:\n%s", n, got)
	}
	// Once somebody was told a time, it is none of ours.
	p.Limited(now, "", now.Add(time.Minute), "rate limit")
	if c := reportOf(s, now).Pools[0].CoolDown; c == nil || c.Guess || c.Seconds != 60 {
		t.Errorf("the cool-down is %+v, want one that was said", c)
	}
}
