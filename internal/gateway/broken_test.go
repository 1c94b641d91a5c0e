package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// breaks is what a client sees of an answer that breaks off.
func breaks(resp *http.Response, err error) string {
	what := "no answer,"
	if err == nil {
		var data []byte
		data, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		what = fmt.Sprintf("%d bytes, then", len(data))
	}
	if err == nil {
		return what + " no error"
	}
	for _, kind := range []string{"connection reset", "EOF", "Timeout", "deadline"} {
		if strings.Contains(err.Error(), kind) {
			what += " " + kind
		}
	}
	return what
}

// A client that goes, an upstream that never answers: the turn is free.
func TestTurnsOfBrokenCallsAreFree(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	arrived := make(chan struct{}, 10)
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		switch r.Header.Get("X-Claude-Code-Session-Id") {
		case "silent":
			<-hang
		case "stuck":
			io.WriteString(w, sse)
			http.NewResponseController(w).Flush()
			<-hang
		case "reset":
			io.WriteString(w, sse)
			http.NewResponseController(w).Flush()
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		case "lost":
			panic(http.ErrAbortHandler)
		}
	}, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
	end := sync.OnceFunc(func() { close(hang) })
	t.Cleanup(end)
	for _, name := range []string{"silent", "stuck", "reset", "lost"} {
		client := *s.client
		if name == "silent" || name == "stuck" {
			client.Timeout = time.Second
		}
		direct := breaks(client.Do(s.call(s.server.URL, name, `{}`)))
		receive(t, arrived)
		through := breaks(client.Do(s.call(s.gateway.URL(), name, `{}`)))
		receive(t, arrived)
		for range map[string]int{"lost": 2}[name] { // it is sent again
			receive(t, arrived)
		}
		if direct != through || strings.HasSuffix(direct, "no error") {
			t.Errorf("%s: the client sees %q, directly %q", name, through, direct)
		}
		s.settles(0, 0)
	}
	if status, _, err := s.do(s.call(s.gateway.URL(), "next", `{}`)); err != nil || status != 200 {
		t.Errorf("the next call: %d, %v", status, err)
	}
	end()
	s.server.Close()
	if status, _, err := s.do(s.call(s.gateway.URL(), "dead", `{}`)); err == nil {
		t.Errorf("a dead upstream answers %d", status)
	}
	s.settles(0, 0)
}

// What is no HTTP answer reaches the client as none, the turn is free, and our log says why. Directly the client would
// have had no answer either; the reason it would have been told is one of its connection, and that one is ours.
func TestUpstreamsThatFail(t *testing.T) {
	t.Parallel()
	listen := func(serve func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return // closed
				}
				bufio.NewReader(conn).ReadString('\n') // the beginning of a request
				serve(conn)
				conn.Close()
			}
		}()
		return l.Addr().String()
	}
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown.StartTLS()
	t.Cleanup(unknown.Close)
	refuses := "HTTPS_PROXY=http://user:said-in-private@" + listen(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 407 Private\r\n\r\n") })
	for name, c := range map[string]struct{ upstream, says string }{
		"nobody listens":           {"http://127.0.0.1:1", "connection refused"},
		"garbage":                  {"http://" + listen(func(c net.Conn) { io.WriteString(c, "said-in-private\r\n\r\n") }), "what came is not HTTP"},
		"half a head":              {"http://" + listen(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-") }), "the connection broke"},
		"a reset":                  {"http://" + listen(func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }), "connection reset"},
		"an unknown authority":     {unknown.URL, "certificate"},
		"no TLS":                   {"https://" + listen(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), "what came is not HTTP"},
		"a proxy that refuses":     {"https://llm.example", "the proxy answers 407"},
		"a name that nobody knows": {"http://nobody.invalid", "nobody.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, nil, func(g *Config) {
				if g.Upstream = c.upstream; strings.Contains(c.says, "proxy") {
					g.Getenv = env(refuses)
				}
			})
			for range 2 {
				if status, body, err := s.do(s.call(s.gateway.URL(), "a", `{}`)); err == nil {
					t.Errorf("the client is answered %d %q", status, body)
				}
				s.settles(0, 0)
			}
			data, err := os.ReadFile(filepath.Join(s.store.Dir(), "log"))
			if said := string(data); err != nil || strings.Count(said, "gateway: no answer of ") != 1 || !strings.Contains(said, c.says) || strings.Contains(strings.ToLower(said), "private") {
				t.Errorf("the log says %q, %v; want one line with %q", said, err, c.says)
			}
		})
	}
}

// Who goes while its rejected call is held back, first in line, is not sent again: the next one is.
func TestClientsMayLeaveWhileHeldBack(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if order = append(order, r.Header.Get("X-Claude-Code-Session-Id")); len(order) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, _, err := s.do(s.call(s.gateway.URL(), "first", `{}`).WithContext(ctx))
		done <- err
	}()
	s.settles(0, 1) // rejected, and in line again
	leave()
	if err := <-done; err == nil {
		t.Error("it is answered")
	}
	s.settles(0, 0)
	if status, _, err := s.do(s.call(s.gateway.URL(), "second", `{}`)); status != 200 || err != nil {
		t.Errorf("the next call: %d, %v", status, err)
	}
	if want := []string{"first", "second"}; !slices.Equal(order, want) {
		t.Errorf("the calls come as %v, want %v", order, want)
	}
	s.settles(0, 0)
}

// A call whose connection is lost before anything is answered is sent again, the same; who asked never learns of it. Where that goes
// on, it does.
func TestLostCallsAreSentAgain(t *testing.T) {
	t.Parallel()
	for losses, want := range map[int64]int{1: 200, 2: 200, 3: 0} {
		t.Run(fmt.Sprint(losses), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				if data, err := io.ReadAll(r.Body); string(data) != `{"a":1}` || err != nil {
					t.Errorf("the server gets %q, %v", data, err)
				}
				if calls.Add(1) <= losses {
					panic(http.ErrAbortHandler)
				}
			})
			if status, _, err := s.do(s.call(s.gateway.URL(), "a", `{"a":1}`)); status != want {
				t.Errorf("%d, %v; want %d", status, err, want)
			}
			if n := calls.Load(); n != min(losses+1, 3) {
				t.Errorf("%d calls", n)
			}
			s.settles(0, 0)
		})
	}
}
