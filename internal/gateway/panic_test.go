package gateway

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// A panic over the state lets go all who wait, without turns; calls that come while it lasts pass, and once it is over
// turns are taken again.
func TestAPanicOfTheLineLetsGoWhoWaits(t *testing.T) {
	t.Parallel()
	var falls atomic.Bool
	arrived, free := make(chan string, 10), make(chan struct{})
	s := newStand(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header.Get("X-Claude-Code-Session-Id")
		<-free
	}, func(c *Config) {
		c.Rules = turn.Rules{Most: 1}
		c.Pool = func(*http.Request) (string, string) {
			if falls.Load() {
				panic("the pool fell")
			}
			return "the limit", key
		}
	})
	s.gateway.accounts.config.Register = func(time.Time, *turn.State, string) { s.gateway.accounts.pool(nil) }
	var calls sync.WaitGroup
	end := sync.OnceFunc(func() { close(free) })
	defer end()
	call := func(name, model string) {
		calls.Go(func() {
			if status, _, err := s.do(s.call(s.gateway.URL(), name, `{"model":"`+model+`"}`)); status != 200 || err != nil {
				t.Errorf("%s: %d, %v", name, status, err)
			}
		})
	}
	arrives := func(name string) {
		t.Helper()
		if got := receive(t, arrived); got != name {
			t.Fatalf("%s arrives, want %s", got, name)
		}
	}
	call("first", "claude-opus-4-6")
	arrives("first")
	s.settles(1, 0)
	call("second", "claude-opus-4-6")
	s.settles(1, 1)
	falls.Store(true)
	arrives("second")
	call("third", "claude-opus-4-6")
	arrives("third")
	falls.Store(false)
	call("fourth", "claude-haiku-4-5") // of another class, where nobody has a turn
	arrives("fourth")
	s.holds("fourth", "haiku-4.5")
	end()
	calls.Wait()
	s.until("no name is taken any more", s.gateway.accounts.idle)
	s.settles(0, 0)
	data, err := os.ReadFile(filepath.Join(s.store.Dir(), "log"))
	if n := strings.Count(string(data), "gateway: panic: the pool fell; in "); err != nil || n == 0 || n != strings.Count(string(data), "\n") {
		t.Errorf("the log says %q, %v; want lines that tell of the panic", data, err)
	}
}

// holds fails unless a session has the only turn of a class.
func (s *stand) holds(session, class string) {
	s.Helper()
	v, err := s.store.View()
	if err != nil {
		s.Fatal(err)
	}
	defer v.Close()
	turns := v.State.Account(v.State.AccountID(key)).Turns(class)
	if len(turns) != 1 || turns[0].Session != session {
		s.Errorf("turns of %s are %v, want one of %s", class, turns, session)
	}
}

// Our own way to break off a connection is no panic to be told of.
func TestABrokenConnectionIsNoPanic(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if status, _, err := s.do(s.call(s.gateway.URL(), "a", `{}`)); err == nil {
		t.Errorf("the client is answered %d", status)
	}
	s.settles(0, 0)
	data, _ := os.ReadFile(filepath.Join(s.store.Dir(), "log"))
	if said := string(data); strings.Contains(said, "panic") || !strings.Contains(said, "no answer of ") {
		t.Errorf("the log says %q", said)
	}
}
