package gateway

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// patience bounds the wait for what must happen some time, on any machine.
const patience = time.Minute

// key is the credential of every test. It must stand nowhere but in the requests.
const key = "sk-ant-very-secret-0000"

// stand is a gateway in front of an upstream.
type stand struct {
	*testing.T
	store   *lockfile.Store
	server  *httptest.Server
	config  Config
	gateway *Gateway
	client  *http.Client
}

func newStand(t *testing.T, upstream http.HandlerFunc, with ...func(*Config)) *stand {
	t.Helper()
	return standBefore(t, httptest.NewServer(upstream), with...)
}

// newTLSStand is a gateway in front of an upstream that speaks HTTP/2 and has a certificate of its own, which both the
// gateway and the client trust.
func newTLSStand(t *testing.T, upstream http.HandlerFunc, with ...func(*Config)) *stand {
	t.Helper()
	server := httptest.NewUnstartedServer(upstream)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	server.StartTLS()
	trust := func(c *Config) { c.Getenv = env("SSL_CERT_FILE=" + certificate(t, server)) }
	return standBefore(t, server, slices.Concat([]func(*Config){trust}, with)...)
}

// certificate writes a server's certificate into a file.
func certificate(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// receive is what comes over c, within patience.
func receive[T any](t *testing.T, c <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(patience):
		t.Fatal("nothing arrives")
	}
	return got
}

// env is an environment.
func env(list ...string) func(string) string {
	return func(name string) string {
		for _, e := range list {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

func standBefore(t *testing.T, server *httptest.Server, with ...func(*Config)) *stand {
	t.Helper()
	t.Cleanup(server.Close)
	store, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Upstream: server.URL, Store: store, Pool: func(*http.Request) (string, string) { return "the limit", key }, Getenv: env()}
	for _, f := range with {
		f(&c)
	}
	g, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 300, ForceAttemptHTTP2: true}
	if trusts, ok := server.Client().Transport.(*http.Transport); ok && server.TLS != nil {
		transport.TLSClientConfig = trusts.TLSClientConfig.Clone()
		transport.TLSClientConfig.NextProtos = nil
	}
	client := &http.Client{Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() { client.CloseIdleConnections(); g.Close() })
	return &stand{t, store, server, c, g, client}
}

// call is a call to the model, by a session.
func (s *stand) call(base, session, body string) *http.Request {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, base+"/v1/messages?beta=true", strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("X-Claude-Code-Session-Id", session)
	return r
}

// do sends a request and reads the whole answer.
func (s *stand) do(r *http.Request) (status int, body string, err error) {
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// turns counts who holds a turn or waits for one.
func (s *stand) turns() (held, waiting int) {
	s.Helper()
	v, err := s.store.View()
	if err != nil {
		s.Fatal(err)
	}
	defer v.Close()
	for _, a := range v.State.Accounts {
		for class := range a.Classes {
			held += len(a.Turns(class))
		}
		waiting += len(a.Waiting())
	}
	return held, waiting
}

// until waits for a condition.
func (s *stand) until(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited in vain until %s", what)
		}
	}
}

// settles waits until so many hold a turn and so many wait.
func (s *stand) settles(held, waiting int) {
	s.Helper()
	var h, w int
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if h, w = s.turns(); h == held && w == waiting {
			return
		}
	}
	s.Fatalf("%d hold a turn and %d wait; want %d and %d", h, w, held, waiting)
}

// One after the other, in the order of asking; other classes of models do not wait, nor does what is no call.
func TestOneRequestOneTurn(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	free := make(chan struct{})
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		order = append(order, r.Header.Get("X-Claude-Code-Session-Id"))
		mu.Unlock()
		if r.Header.Get("X-Claude-Code-Session-Id") == "first" {
			<-free
		}
	}, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
	var wg sync.WaitGroup
	names := []string{"first", "second", "second", "third"} // the second asks twice at once
	for i, name := range names {
		wg.Go(func() {
			if status, _, err := s.do(s.call(s.gateway.URL(), name, `{"model":"claude-opus-4-6"}`)); status != 200 {
				t.Errorf("%s: %d, %v", name, status, err)
			}
		})
		s.settles(1, i)
	}
	if status, _, err := s.do(s.call(s.gateway.URL(), "other", `{"max_tokens":1,"model":"claude-haiku-4-5"}`)); status != 200 {
		t.Errorf("another class of models: %d, %v", status, err)
	}
	r := s.call(s.gateway.URL(), "count", `{"model":"claude-opus-4-6"}`)
	r.URL.Path += "/count_tokens"
	if status, _, err := s.do(r); status != 200 {
		t.Errorf("count_tokens: %d, %v", status, err)
	}
	close(free)
	wg.Wait()
	if want := []string{"first", "other", "count", "second", "second", "third"}; !slices.Equal(order, want) {
		t.Errorf("the calls come as %v, want %v", order, want)
	}
	s.settles(0, 0)
}

// Who leaves the line is not sent.
func TestClientsMayLeaveTheLine(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	var mu sync.Mutex
	n := 0
	s := newStand(t, func(http.ResponseWriter, *http.Request) { mu.Lock(); n++; mu.Unlock(); <-free }, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
	done := make(chan struct{})
	go func() { defer close(done); s.do(s.call(s.gateway.URL(), "first", `{}`)) }()
	s.settles(1, 0)
	client := *s.client
	client.Timeout = 100 * time.Millisecond
	if resp, err := client.Do(s.call(s.gateway.URL(), "second", `{}`)); err == nil {
		t.Errorf("the second is answered %s", resp.Status)
	}
	s.settles(1, 0)
	close(free)
	<-done
	s.settles(0, 0)
	if n != 1 {
		t.Errorf("%d calls reach the server, want 1", n)
	}
}
