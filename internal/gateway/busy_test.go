package gateway

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/line"
	"afteryou/internal/turn"
)

// busy takes the lock, as a process does that was stopped while it had it.
func (s *stand) busy() (free func()) {
	s.Helper()
	f, err := os.OpenFile(filepath.Join(s.store.Dir(), "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		s.Fatal(err)
	}
	return func() { f.Close() }
}

// 1. A call is under way. 2. The lock is not to be had. 3. The call is answered; another one goes without a turn, since the
// gateway gave up. 4. The lock is free, and all is told: the turn is given back, by the gateway itself or, where it is closed
// meanwhile, by whoever changes the state next.
func TestTurnsAreGivenBackOverABusyLock(t *testing.T) {
	t.Parallel()
	for name, closed := range map[string]bool{"by the gateway": false, "after its end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, answer := make(chan struct{}, 2), make(chan struct{})
			s := newStand(t, func(w http.ResponseWriter, _ *http.Request) {
				arrived <- struct{}{}
				<-answer
				w.WriteHeader(http.StatusOK)
			}, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
			call := func() {
				if status, _, err := s.do(s.call(s.gateway.URL(), "a", `{}`)); status != 200 && !closed {
					t.Errorf("%d, %v", status, err)
				}
			}
			done := make(chan struct{})
			go func() { defer close(done); call() }()
			<-arrived
			s.settles(1, 0)
			free := s.busy()
			close(answer)
			<-done
			call()
			if closed {
				s.gateway.Close()
			}
			free()
			if closed {
				v, err := line.Change(context.Background(), s.store, nil, func(time.Time, *turn.State) {})
				if err != nil {
					t.Fatal(err)
				}
				v.Close()
			}
			s.settles(0, 0)
		})
	}
}
