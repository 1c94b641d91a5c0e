package line

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

const patience = 20 * time.Second

// What there is to do goes by the monotonic clock, which nobody puts, and comes a second later for each one ahead.
func TestPlansByTheMonotonicClock(t *testing.T) {
	store := open(t)
	account, place := crowd(t, store, 3)
	v, err := store.View()
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	now := time.Now()
	wall := func(d time.Duration) time.Time { return now.Round(0).Add(d) }
	for _, tt := range []struct {
		of   int
		next time.Time
		want time.Duration
	}{
		{1, wall(100 * time.Millisecond), 100 * time.Millisecond},
		{1, wall(-3 * time.Hour), -3 * time.Hour}, // at once: the clock was put forward
		{1, wall(3 * time.Hour), tendEvery},
		{1, time.Time{}, tendEvery},
		{3, wall(0), 2 * stepIn},
		{3, time.Time{}, 2*stepIn + tendEvery},
	} {
		p := place(tt.of)
		l := Line{Store: store}
		l.plan(now, v.State.Account(account), []*Place{p}, tt.next)
		if got := p.act.Sub(now); got != tt.want || !strings.Contains(p.act.String(), "m=") || l.leads != (tt.of == 1) {
			t.Errorf("place %d, next %v: acts after %v (leads: %v), want %v", tt.of, tt.next, got, l.leads, tt.want)
		}
	}
}

// Whoever changes the state rings for whose turn came, whose place is gone or another's, and who leads from then on.
func TestWhomAChangeConcerns(t *testing.T) {
	by := func(pid int) turn.Process { return turn.Process{PID: pid, Start: 1} }
	state := func(pids ...int) *turn.State {
		s := turn.NewState()
		for i, pid := range pids {
			if pid != 0 {
				s.Open("p").Ask(time.Now(), turn.Call{Key: turn.Key{Session: string(rune('a' + i))}, Waiter: by(pid)})
			}
		}
		return s
	}
	for name, tt := range map[string]struct {
		before, after []int
		want          []int
	}{
		"nothing":                  {[]int{1, 2, 3}, []int{1, 2, 3}, nil},
		"one more":                 {[]int{1, 2}, []int{1, 2, 3}, nil},
		"the first of all":         {nil, []int{1}, []int{1}},
		"the first has its turn":   {[]int{1, 2, 3}, []int{0, 2, 3}, []int{1, 2}},
		"another has its turn":     {[]int{1, 2, 3}, []int{1, 2, 0}, []int{3}},
		"another waits for it now": {[]int{1, 2, 3}, []int{1, 2, 9}, []int{3}},
	} {
		got := whoStands(state(tt.before...)).concerns(whoStands(state(tt.after...)))
		var want []turn.Process
		for _, pid := range tt.want {
			want = append(want, by(pid))
		}
		slices.SortFunc(got, func(a, b turn.Process) int { return a.PID - b.PID })
		if !slices.Equal(got, want) {
			t.Errorf("%s: it concerns %v, want %v", name, got, want)
		}
	}
}

// 1. The leader of the line is killed, and the one behind him. 2. The third steps in, and clears them away.
func TestTheNextStepsInForTheDead(t *testing.T) {
	store := open(t)
	_, place := crowd(t, store, 0)
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	third := place(3)
	l := New(store, nil)
	defer l.Close()
	stand := func() {
		t.Helper()
		if err := l.Change(t.Context(), func(now time.Time, s *turn.State) { l.Stand(now, s, []*Place{third}) }); err != nil {
			t.Fatal(err)
		}
	}
	v, err := Change(t.Context(), store, nil, func(now time.Time, s *turn.State) {
		for i := range 2 {
			dead := place(i + 1)
			dead.Call.Waiter = turn.Process{PID: gone.Process.Pid, Start: 1, Host: lockfile.Self().Host}
			dead.Account(s).Ask(now, dead.Call)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	stand()
	if l.leads {
		t.Fatal("it leads before it knows that the others are dead")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.Wait(ctx, []*Place{third}); err != nil {
		t.Fatal(err)
	}
	if stand(); !l.leads {
		t.Errorf("it does not lead: %+v", third.Account(l.view.State).Waiting())
	}
}

// A session that is gone waits for nothing.
func TestNobodyWaitsForAProcessThatIsGone(t *testing.T) {
	store := open(t)
	_, place := crowd(t, store, 0)
	session := exec.Command("sleep", "1000")
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	p := place(1)
	p.Call.Process = lockfile.Identify(session.Process.Pid)
	l := New(store, nil)
	defer l.Close()
	if err := l.Change(t.Context(), func(now time.Time, s *turn.State) { l.Stand(now, s, []*Place{p}) }); err != nil {
		t.Fatal(err)
	}
	session.Process.Kill()
	session.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.Wait(ctx, []*Place{p}); !errors.Is(err, ErrGone) {
		t.Errorf("Wait says %v, want that the session is gone", err)
	}
}

// Who is dead is found out when its turn comes, and the next one has it.
func TestTheDeadGetNoTurn(t *testing.T) {
	store := open(t)
	account, place := crowd(t, store, 3)
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	v, err := Change(t.Context(), store, nil, func(now time.Time, s *turn.State) {
		a := s.Open(account)
		a.Waiting()[0].Waiter = turn.Process{PID: gone.Process.Pid, Start: 1, Host: lockfile.Self().Host}
		a.Succeeded(now, place(0).Call.Key)
		Admit(now, a)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	a := v.State.Account(account)
	if len(a.Waiting()) != 1 || !a.Granted(place(2).Call.Key, place(2).Call.Event) {
		t.Errorf("turns are %+v, in line are %+v", a.Turns(""), a.Waiting())
	}
}
