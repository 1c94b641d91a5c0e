package redis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"afteryou/internal/fleet"
	"afteryou/internal/realredis"
)

// server runs redis-server for a test, and returns a way to it.
func server(t testing.TB, arguments ...string) (*realredis.Server, *Server) {
	t.Helper()
	real, err := realredis.Start(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(real.Stop)
	s := to(t, real.URL())
	return real, s
}

func to(t testing.TB, url string) *Server {
	t.Helper()
	a, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	s := New(a)
	t.Cleanup(s.Close)
	return s
}

// anAsk is one of a machine that may say anything.
func anAsk(r *rand.Rand) fleet.Ask {
	ms := func(n int) time.Duration { return time.Duration(r.IntN(n)) * time.Millisecond }
	a := fleet.Ask{Machine: fmt.Sprint("m", r.IntN(4)), Demand: r.IntN(5), Loose: float64(r.IntN(30)) / 4}
	if r.IntN(4) > 0 {
		a.Ticket, a.Age, a.Way = fmt.Sprint("t", r.IntN(8)), ms(5000), ms(60)
	}
	if r.IntN(12) == 0 {
		a.Cool = ms(900)
	}
	if r.IntN(5) > 0 {
		a.Belief, a.News = fleet.Belief{Version: r.IntN(4), Rate: float64(1+r.IntN(400)) / 3, Top: float64(r.IntN(6)), Text: fmt.Sprintf(`{"g":%d}`, r.IntN(9))}, r.IntN(3) == 0
	}
	return a
}

// agree has script and model do the same, from the same on, at the times that the script says, and compares all they answer.
func agree(t *testing.T, s *Server, pool string, seed uint64, steps int, between func(i int)) {
	t.Helper()
	r, model := rand.New(rand.NewPCG(seed, 1)), fleet.Pool{}
	for i := range steps {
		ask := anAsk(r)
		ask.Pool = pool
		got, now, err := s.exchange(ask)
		if err != nil {
			t.Fatal(err)
		}
		want := model.Exchange(time.UnixMilli(now), ask)
		if math.Abs(got.Sent-want.Sent) < 1e-9 {
			got.Sent = want.Sent
		}
		if got != want {
			t.Fatalf("seed %d, step %d: %+v\nscript %+v\nmodel  %+v", seed, i, ask, got, want)
		}
		between(i)
	}
}

// The script does what the model says, step by step, whatever machines tell.
func TestTheScriptIsTheModel(t *testing.T) {
	_, s := server(t)
	r := rand.New(rand.NewPCG(1, 1))
	for seed := range uint64(20) {
		agree(t, s, fmt.Sprint(seed), seed, 300, func(i int) {
			if i%10 == 0 {
				time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond) // the server's clock is part of what both are given
			}
		})
	}
}

func FuzzScript(f *testing.F) {
	real, err := realredis.Start()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(real.Stop)
	s := to(f, real.URL())
	f.Add(uint64(1), uint8(50))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		agree(t, s, fmt.Sprint("f", seed), seed, int(steps), func(int) {})
		s.conn.Do("FLUSHALL")
	})
}

// Whatever the server does or the network, an exchange ends in time; and with what docs/fleet.md has in its ACL it works.
func TestAnExchangeEndsInTime(t *testing.T) {
	page, err := os.ReadFile("../../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	_, acl, _ := strings.Cut(string(page), "ACL SETUSER afteryou on >PASSWORD ")
	acl, _, _ = strings.Cut(acl, "\n")
	real, open := server(t)
	if _, err := open.Look(); err != nil {
		t.Fatal(err)
	}
	if _, err := open.conn.Do("ACL", redigo.Args{"SETUSER", "afteryou", "on", ">PASSWORD"}.AddFlat(strings.Fields(acl))...); err != nil {
		t.Fatal(err)
	}
	user := to(t, "unix://afteryou:PASSWORD@"+real.Socket)
	c, err := user.Look()
	if err != nil || c.Version == "" || c.Policy != "noeviction" || c.Ahead.Abs() > time.Minute {
		t.Errorf("as the user of the page: %+v, %v", c, err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	warm := to(t, real.URL())
	warm.Look()
	real.Signal(syscall.SIGSTOP)
	defer real.Signal(syscall.SIGCONT)
	for name, s := range map[string]*Server{
		"stopped, connected": warm, "stopped": to(t, real.URL()), "silent": to(t, "redis://"+silent.Addr().String()),
		"silent, with TLS": to(t, "rediss://"+silent.Addr().String()), "with a login, silent": to(t, "redis://a:b@"+silent.Addr().String()),
		"nowhere": to(t, "redis://127.0.0.1:1"), "a black hole": to(t, "redis://192.0.2.1:6379"), "no socket": to(t, "unix:///nowhere"),
	} {
		begin := time.Now()
		_, err := s.Exchange(fleet.Ask{Pool: "p", Machine: "m"})
		if took := time.Since(begin); err == nil || took > 20*Deadline || strings.Contains(err.Error(), "PASSWORD") {
			t.Errorf("%s: %v after %v", name, err, took)
		} else {
			t.Logf("%s: %v after %v", name, err, took)
		}
	}
}

// BenchmarkExchanges measures the exchanges of a thousand machines, by eight connections at once, on one limit.
func BenchmarkExchanges(b *testing.B) {
	const machines, connections = 1000, 8
	real, _ := server(b)
	var mu sync.Mutex
	var took []time.Duration
	var next atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		s := to(b, real.URL())
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				begin := time.Now()
				ask := fleet.Ask{Pool: "p", Machine: fmt.Sprint("m", i%machines), Demand: 3, Ticket: fmt.Sprint("t", i%(3*machines)), Age: time.Second,
					Belief: fleet.Belief{Version: 1, Rate: 333, Top: 3, Text: `{"l":333}`}}
				if _, err := s.Exchange(ask); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
}
