package resume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

func store(t *testing.T) *lockfile.Store {
	t.Helper()
	s, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTurnNamesTheUsageLimitAsRatelimitDoes(t *testing.T) {
	if got := ratelimit.UsageWindow.String(); got != turn.UsageLimit {
		t.Errorf("ratelimit names it %q, turn %q", got, turn.UsageLimit)
	}
}

// A signal that came while nobody waited ends even a wait that is over, or the task would run again.
func TestSleepEndsWithItsContextBeforeItsTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Sleep(ctx, store(t), func(now time.Time, _ *turn.State) (time.Time, error) { return now, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Sleep is %v, want %v", err, context.Canceled)
	}
}

// Nobody else writes while the state is garbage, or says that the clock was put back: who sleeps sets it right.
func TestSleepSetsTheStateRight(t *testing.T) {
	for name, spoil := range map[string]func(*lockfile.Store) error{
		"garbage": func(s *lockfile.Store) error {
			return os.WriteFile(filepath.Join(s.Dir(), "state.json"), []byte("garbage"), 0o600)
		},
		"a clock put back by hours": func(s *lockfile.Store) error {
			_, err := change(t.Context(), s, func(now time.Time, s *turn.State) { s.Open("p").At = now.Add(3 * time.Hour).Round(time.Millisecond) })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(t)
			if err := spoil(s); err != nil {
				t.Fatal(err)
			}
			err := Sleep(t.Context(), s, func(now time.Time, s *turn.State) (time.Time, error) {
				if s.Guessed() {
					t.Error("the clock is not written down")
				}
				return now, nil
			})
			if err != nil {
				t.Errorf("Sleep: %v", err)
			}
			if v, err := s.View(); err != nil || v.State.Guessed() {
				t.Errorf("the state is not set right: %v", err)
			}
		})
	}
}

// Nobody reads the state to learn that nothing changed in it.
func TestSleepReadsWhatIsNewAlone(t *testing.T) {
	t.Parallel()
	var seen []*turn.State
	end := time.Now().Add(every + every/5)
	err := Sleep(t.Context(), store(t), func(_ time.Time, s *turn.State) (time.Time, error) {
		seen = append(seen, s)
		return end, nil
	})
	if err != nil || len(seen) < 2 || seen[0] != seen[1] {
		t.Errorf("Sleep: %v after %d looks, want several at one copy of the state", err, len(seen))
	}
}

// A limit that others meet again while a session waits makes it wait longer; status shows until when.
func TestWaitFollowsTheCoolDown(t *testing.T) {
	const secret = "secret"
	t.Parallel()
	s := store(t)
	begin := time.Now()
	limited := func(until time.Time) func(time.Time, *turn.State) {
		return func(_ time.Time, state *turn.State) {
			state.Open(state.AccountID(secret)).Limited(time.Now(), "", until, "rate limit")
			state.Sessions = map[string]*turn.Session{"s": {}}
		}
	}
	if _, err := change(t.Context(), s, limited(begin.Add(time.Second))); err != nil {
		t.Fatal(err)
	}
	looks := 0
	transcript := filepath.Join(s.Dir(), "s.jsonl")
	if err := os.WriteFile(transcript, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one := Session{Store: s, ID: "s", Transcript: transcript, Pool: func() (string, string) { return "p", secret }, Deadline: begin.Add(time.Hour),
		Stopped: claude.Stopped{At: begin, Limit: ratelimit.Limit{Kind: ratelimit.Requests, Wait: true}}}
	err := one.Wait(t.Context(), func(*turn.Account) error {
		if looks++; looks == 1 {
			_, err := change(t.Context(), s, limited(begin.Add(3*time.Second)))
			return err
		}
		return nil
	})
	if took := time.Since(begin); err != nil || took < 3*time.Second-10*time.Millisecond {
		t.Errorf("Wait: %v after %v, want 3 s", err, took)
	}
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if stop := v.State.Sessions["s"].Stop; !stop.Since.Equal(begin.Truncate(time.Millisecond)) || stop.Until.Sub(begin) < 2900*time.Millisecond || stop.Why != "rate limit" {
		t.Errorf("the session is shown as stopped by %+v", stop)
	}
	log, err := os.ReadFile(filepath.Join(s.Dir(), "log"))
	if err != nil || strings.Count(string(log), "goes on after") != 2 {
		t.Errorf("the log says %q, %v; want both times", log, err)
	}
}

// A lock that is busy for longer than a hook may wait for it does not end a wait of minutes.
func TestABusyLockIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := store(t)
	locked, free := make(chan bool), make(chan bool)
	go s.Update(t.Context(), func(*turn.State) error {
		close(locked)
		<-free
		return nil
	})
	<-locked
	time.AfterFunc(3*time.Second, func() { close(free) })
	if _, err := change(t.Context(), s, func(time.Time, *turn.State) {}); err != nil {
		t.Errorf("change: %v", err)
	}
}
