package gate

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/fleet"
	"afteryou/internal/fleet/redis"
	"afteryou/internal/line"
	"afteryou/internal/realredis"
	"afteryou/internal/turn"
)

// api is one limit, by the server's own count.
type api struct {
	mu       sync.Mutex
	rate     float64 // calls a second
	burst    float64
	level    float64
	at       time.Time
	accepted []time.Time
	rejected int
}

// call is a call that comes to the server, and what it answers.
func (a *api) call() (status int, header http.Header) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.at.IsZero() {
		a.level = a.burst
	} else {
		a.level = min(a.burst, a.level+a.rate*now.Sub(a.at).Seconds())
	}
	a.at = now
	status, header = 200, http.Header{}
	header.Set("Anthropic-Organization-Id", "org-of-all")
	if a.level < 1 {
		a.rejected++
		status = 429
		header.Set("Retry-After", fmt.Sprint(math.Ceil(max(1, (1-a.level)/a.rate))))
	} else {
		a.level--
		a.accepted = append(a.accepted, now)
	}
	header.Set("Anthropic-Ratelimit-Requests-Limit", fmt.Sprint(a.rate*60))
	header.Set("Anthropic-Ratelimit-Requests-Remaining", fmt.Sprint(max(0, math.Floor(a.level))))
	header.Set("Anthropic-Ratelimit-Requests-Reset", now.Add(time.Second).UTC().Format(time.RFC3339))
	return status, header
}

// machines are gates with states of their own that share a limit by a server; "" is none.
func machines(t *testing.T, n int, url string) (gates []*Gate) {
	t.Helper()
	for range n {
		gates = append(gates, newGate(t, func(c *Config) {
			c.Rules = turn.Rules{Shared: url != ""}
			c.Pool = func() (string, string) { return "the limit", "key-that-is-secret" }
			if url != "" {
				a, err := redis.Parse(url)
				if err != nil {
					t.Fatal(err)
				}
				c.Fleet = func(secret string) *line.Fleet {
					return &line.Fleet{Meeting: redis.New(a), Pool: func(_ *turn.State, a *turn.Account, class string) string {
						return fleet.Names{}.Pool(a.Organization, secret, class)
					}}
				}
			}
		}))
	}
	return gates
}

// works has so many sessions of each gate make so many calls, with during beside them, and returns after how long all were answered.
func works(t *testing.T, a *api, gates []*Gate, sessions, calls int, during func()) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	begin := time.Now()
	var wg sync.WaitGroup
	wg.Go(during)
	for m, g := range gates {
		for s := range sessions {
			wg.Go(func() {
				for i := range calls {
					p := g.Join(turn.Call{Key: turn.Key{Session: fmt.Sprintf("secret-session-%d-%d", m, s), Class: "opus"}})
					for {
						if err := p.Wait(ctx); err != nil {
							t.Errorf("call %d: %v", i, err)
							break
						}
						sent := time.Now()
						status, header := a.call()
						v := p.Judge(Answer{Status: status, Header: header.Get, Body: func() ([]byte, error) { return []byte(`{"type":"error"}`), nil },
							Sent: sent, Deadline: time.Now().Add(time.Hour)})
						if v == Pass {
							p.Answered()
							break
						}
					}
					p.Leave()
				}
			})
		}
	}
	wg.Wait()
	return time.Since(begin)
}

func redisServer(t *testing.T, arguments ...string) *realredis.Server {
	t.Helper()
	s, err := realredis.Start(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Three machines of four sessions each share a limit: with the server hardly any call is rejected. What goes over it and what it keeps
// tells nothing of anybody.
func TestMachinesTakeTurnsByAServer(t *testing.T) {
	t.Parallel()
	s := redisServer(t)
	heard, err := s.Watch()
	if err != nil {
		t.Fatal(err)
	}
	a := &api{rate: 10, burst: 1}
	took := works(t, a, machines(t, 3, s.URL()), 4, 6, func() {})
	said, kept, err := heard()
	if err != nil {
		t.Fatal(err)
	}
	ideal := 71.0 / 10
	t.Logf("%.2f times the ideal, %d of %d rejected", took.Seconds()/ideal, a.rejected, len(a.accepted))
	if len(a.accepted) != 72 || a.rejected > 20 {
		t.Errorf("%d were accepted, %d rejected; want 72, and hardly any", len(a.accepted), a.rejected)
	}
	if !strings.Contains(said, redis.Prefix) || !strings.Contains(kept, redis.Prefix) {
		t.Fatal("nothing was said")
	}
	host, _ := os.Hostname()
	for _, private := range []string{"key-that-is-secret", "secret-session", "org-of-all", host, "opus", t.TempDir(), "/tmp/"} {
		if strings.Contains(said, private) || strings.Contains(kept, private) {
			t.Errorf("%q stands there", private)
		}
	}
}

// Whatever is wrong with the server, all calls are answered, and the limit is not flooded.
func TestMachinesGoOnWithoutTheServer(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, s *realredis.Server){
		"killed, and back, empty": func(t *testing.T, s *realredis.Server) {
			s.Kill()
			time.Sleep(2 * time.Second)
			if err := s.Restart(); err != nil {
				t.Error(err)
			}
		},
		"gone": func(t *testing.T, s *realredis.Server) { s.Kill() },
		"stopped for a second": func(t *testing.T, s *realredis.Server) {
			s.Signal(syscall.SIGSTOP)
			time.Sleep(time.Second)
			s.Signal(syscall.SIGCONT)
		},
		"emptied":   func(t *testing.T, s *realredis.Server) { cli(t, s, "flushall") },
		"full":      func(t *testing.T, s *realredis.Server) { cli(t, s, "config", "set", "maxmemory", "1") },
		"read only": func(t *testing.T, s *realredis.Server) { cli(t, s, "replicaof", "127.0.0.1", "1") },
		"not for us": func(t *testing.T, s *realredis.Server) {
			cli(t, s, "config", "set", "requirepass", "x")
			cli(t, s, "-a", "x", "client", "kill", "type", "normal")
		},
		"of another type": func(t *testing.T, s *realredis.Server) {
			cli(t, s, "eval", "for _, k in ipairs(redis.call('keys', '*')) do redis.call('set', k, 'x') end return 1", "0")
		},
		"busy": func(t *testing.T, s *realredis.Server) {
			go exec.Command("redis-cli", "-s", s.Socket, "eval", "while true do end", "0").Run() // until the server is killed
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redisServer(t)
			a := &api{rate: 10, burst: 1}
			took := works(t, a, machines(t, 3, s.URL()), 4, 6, func() {
				for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
					a.mu.Lock()
					n := len(a.accepted)
					a.mu.Unlock()
					if n > 20 {
						break
					}
				}
				harm(t, s)
			})
			t.Logf("%.2f times the ideal, %d rejected", took.Seconds()/7.1, a.rejected)
			if len(a.accepted) != 72 || a.rejected > 72 {
				t.Errorf("%d were accepted, %d rejected", len(a.accepted), a.rejected)
			}
		})
	}
}

func cli(t *testing.T, s *realredis.Server, args ...string) {
	t.Helper()
	if out, err := exec.Command("redis-cli", append([]string{"-s", s.Socket}, args...)...).CombinedOutput(); err != nil {
		t.Logf("redis-cli %v: %v: %s", args, err, out) // the connection is among those that it ends
	}
}
