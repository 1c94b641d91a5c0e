package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
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

	"afteryou/lockfile"
	"afteryou/turn"
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
	gateway *Gateway
	client  *http.Client
}

func newStand(t *testing.T, upstream http.HandlerFunc, with ...func(*Config)) *stand {
	t.Helper()
	store, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(upstream)
	t.Cleanup(server.Close)
	c := Config{Upstream: server.URL, Store: store, Pool: func() (string, string) { return "the limit", key },
		Getenv: func(string) string { return "" }}
	for _, f := range with {
		f(&c)
	}
	g, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 300}, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() { client.CloseIdleConnections(); g.Close() })
	return &stand{t, store, server, g, client}
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
	for _, p := range v.State.Pools {
		held += len(p.Grants)
		waiting += len(p.Queue)
	}
	return held, waiting
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

// seen is all that one side can see of the other's message.
type seen struct {
	first    string // the request or status line
	header   http.Header
	length   int64
	encoding []string
	body     [sha256.Size]byte
	size     int64
	trailer  http.Header
	err      string
}

func (s seen) String() string {
	return fmt.Sprintf("%s %v length %d %v, %d bytes %x, trailer %v, %s", s.first, s.header, s.length, s.encoding, s.size, s.body[:4], s.trailer, s.err)
}

func look(first string, h http.Header, length int64, encoding []string, body io.Reader, trailer *http.Header) seen {
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	s := seen{first: first, header: h.Clone(), length: length, encoding: encoding, size: n, trailer: trailer.Clone()}
	sum.Sum(s.body[:0])
	if err != nil {
		s.err = "broken off"
	}
	return s
}

func big(n int) string { return strings.Repeat("0123456789abcde\n", n/16) }

const sse = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\n" +
	"event: ping\ndata: {\"type\":\"ping\"}\n\n"

// Requests and answers are the same through the gateway as without it, to both sides.
func TestBytesAreTheSame(t *testing.T) {
	fail := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Request-Id", "req_1")
			w.Header().Set("X-Should-Retry", "false") // or 529 would be held back
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	flush := func(w http.ResponseWriter, parts ...string) {
		for _, p := range parts {
			io.WriteString(w, p)
			http.NewResponseController(w).Flush()
		}
	}
	for name, c := range map[string]struct {
		method, path string // of the request; empty: a call
		body         io.Reader
		header       http.Header
		trailer      http.Header
		answer       http.HandlerFunc
	}{
		"a stream with pings": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			flush(w, sse, "event: ping\ndata: {\"type\":\"ping\"}\n\n", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
		}},
		"10 MB each way":                {body: strings.NewReader(`{"model":"claude-sonnet-4-5","x":"` + big(10<<20) + `"}`), answer: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, big(10<<20)) }},
		"10 MB each way, not a call":    {path: "/v1/files", body: strings.NewReader(big(10 << 20)), answer: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, big(10<<20)) }},
		"a body of unknown length":      {body: io.MultiReader(strings.NewReader(`{"model":`), strings.NewReader(`"m"}`)), answer: func(w http.ResponseWriter, r *http.Request) { flush(w, "a", "b") }},
		"a body larger than the memory": {body: strings.NewReader(big(memory + 1<<20)), answer: func(w http.ResponseWriter, r *http.Request) {}},
		"an empty answer":               {answer: func(w http.ResponseWriter, r *http.Request) {}},
		"no content":                    {answer: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		"an answer without a type": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		}},
		"an answer without a date": {answer: func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil; io.WriteString(w, "x") }},
		"a HEAD request":           {method: http.MethodHead, path: "/", answer: func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "17") }},
		"a redirect": {method: http.MethodGet, path: "/x", answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/y", http.StatusTemporaryRedirect)
		}},
		"odd paths and queries": {method: http.MethodGet, path: "/v1/a%2Fb/%20//c?x=1;y=2&&z=%zz&beta", answer: func(w http.ResponseWriter, r *http.Request) {}},
		"headers of proxies":    {header: http.Header{"X-Forwarded-For": {"10.0.0.1"}, "Forwarded": {"for=10.0.0.1"}, "Anthropic-Beta": {"a,b", "c"}, "Accept-Encoding": {"gzip, deflate, br, zstd"}}, answer: func(w http.ResponseWriter, r *http.Request) {}},
		"no user agent":         {header: http.Header{"User-Agent": nil}, answer: func(w http.ResponseWriter, r *http.Request) {}},
		"an answer with the same header": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
			w.Header()["Via"] = []string{"x", "y"}
		}},
		"gzip": {header: http.Header{"Accept-Encoding": {"gzip"}}, answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "text/event-stream")
			z := gzip.NewWriter(w)
			io.WriteString(z, sse)
			z.Flush()
			http.NewResponseController(w).Flush()
			io.WriteString(z, sse)
			z.Close()
		}},
		"400": {answer: fail(400, `{"type":"error","error":{"type":"invalid_request_error","message":"x"}}`)},
		"401": {answer: fail(401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`)},
		"413": {answer: fail(413, `{"type":"error","error":{"type":"request_too_large","message":"x"}}`)},
		"429": {answer: fail(429, `{"type":"error","error":{"type":"rate_limit_error","message":"x"}}`)},
		"500": {answer: fail(500, `{"type":"error","error":{"type":"api_error","message":"x"}}`)},
		"529": {answer: fail(529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)},
		"an answer before the request's end": {body: strings.NewReader(big(1 << 20)), answer: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			io.WriteString(w, "too large")
		}},
		"trailers": {body: io.MultiReader(strings.NewReader(`{"model":"m"}`)), trailer: http.Header{"X-Sum": {"1"}}, answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-End")
			flush(w, "body")
			w.Header().Set("X-End", "2")
			w.Header().Set(http.TrailerPrefix+"X-Unannounced", "3")
		}},
		"an upstream that breaks off": {answer: func(w http.ResponseWriter, r *http.Request) {
			flush(w, sse)
			panic(http.ErrAbortHandler)
		}},
		"an upstream that breaks off a known length": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			flush(w, "abc")
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var there seen // what the upstream saw
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(name, "before the request's end") {
					there = look(r.Method+" "+r.RequestURI, r.Header, r.ContentLength, r.TransferEncoding, r.Body, &r.Trailer)
				}
				c.answer(w, r)
			})
			var body []byte
			if c.body != nil {
				body, _ = io.ReadAll(c.body)
			}
			_, known := c.body.(*strings.Reader)
			exchange := func(base string) (here, up seen) {
				there = seen{}
				method, path := cmpOr(c.method, http.MethodPost), cmpOr(c.path, "/v1/messages?beta=true")
				r, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
				if err != nil {
					// Such a path comes from no Go program; put it in unparsed.
					raw, query, _ := strings.Cut(path, "?")
					r, err = http.NewRequestWithContext(t.Context(), method, base+raw, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.URL.RawQuery = query
				}
				if body != nil {
					r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
					if !known {
						r.ContentLength = -1
					}
				}
				maps.Copy(r.Header, c.header)
				r.Trailer = c.trailer.Clone()
				resp, err := s.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				h := look(resp.Status, resp.Header, resp.ContentLength, resp.TransferEncoding, resp.Body, &resp.Trailer)
				return h, there
			}
			hereDirect, thereDirect := exchange(s.server.URL)
			here, there := exchange(s.gateway.URL())
			if date := hereDirect.header.Get("Date"); date != "" && here.header.Get("Date") != "" {
				here.header.Set("Date", date) // a second may have passed
			}
			if here.String() != hereDirect.String() {
				t.Errorf("the client gets\n%v\nwant\n%v", here, hereDirect)
			}
			if there.String() != thereDirect.String() {
				t.Errorf("the upstream gets\n%v\nwant\n%v", there, thereDirect)
			}
			s.settles(0, 0)
			if left, _ := filepath.Glob(filepath.Join(s.store.Dir(), "body-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// What comes is passed on as it comes: the second event is sent only when the client has read the first.
func TestEveryEventIsPassedOnAtOnce(t *testing.T) {
	next := make(chan bool)
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		http.NewResponseController(w).Flush() // headers alone
		for range next {
			io.WriteString(w, "data: {}\n\n")
			http.NewResponseController(w).Flush()
		}
	})
	resp, err := s.client.Do(s.call(s.gateway.URL(), "a", `{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for range 5 {
		next <- true
		for range 2 {
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(next)
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("then comes %q, %v", rest, err)
	}
	s.settles(0, 0)
}

// 1. So many streams begin. 2. Each is kept open until all have begun. 3. All end whole, and nothing is left of them.
func TestParallelStreams(t *testing.T) {
	const n = 200
	var began sync.WaitGroup
	began.Add(n)
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, sse)
		http.NewResponseController(w).Flush()
		began.Done()
		began.Wait()
		for range 20 {
			io.WriteString(w, big(4096))
			http.NewResponseController(w).Flush()
		}
	})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, body, err := s.do(s.call(s.gateway.URL(), fmt.Sprint("session-", i%12), `{"model":"claude-sonnet-4-5"}`))
			if want := len(sse) + 20*4096; err != nil || len(body) != want {
				t.Errorf("stream %d: %d bytes, %v; want %d", i, len(body), err, want)
			}
		})
	}
	wg.Wait()
	s.settles(0, 0)
	s.gateway.line.mu.Lock()
	if l := s.gateway.line; len(l.live)+len(l.waiting)+len(l.todo) != 0 {
		t.Errorf("left in the line: %d live, %d waiting, %d to tell", len(l.live), len(l.waiting), len(l.todo))
	}
	s.gateway.line.mu.Unlock()
}

func TestStrangersAreRefused(t *testing.T) {
	var reached atomic.Bool
	s := newStand(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	own := s.gateway.host
	secret := s.gateway.secret
	for name, c := range map[string]struct{ target, host string }{
		"no secret":                  {"/v1/messages", own},
		"a wrong secret":             {"/" + strings.Repeat("A", len(secret)) + "/v1/messages", own},
		"the beginning of it":        {"/" + secret[:5] + "/v1/messages", own},
		"more than it":               {"/" + secret + "x/v1/messages", own},
		"not in the first place":     {"/x/" + secret + "/v1/messages", own},
		"another host":               {"/" + secret + "/v1/messages", "evil.example"},
		"localhost":                  {"/" + secret + "/v1/messages", "localhost" + own[strings.IndexByte(own, ':'):]},
		"another upstream":           {"http://evil.example/" + secret + "/v1/messages", "evil.example"},
		"another upstream, our host": {"http://evil.example/" + secret + "/v1/messages", own},
		"an upstream to connect to":  {"http://evil.example:80/", "evil.example:80"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", own)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\n\r\n{}", c.target, c.host)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusNotFound || reached.Load() {
				t.Errorf("POST %s of %s: %s, upstream reached: %v; want 404", c.target, c.host, resp.Status, reached.Load())
			}
		})
	}
}

// Whatever goes wrong, no file and no error says a key, the gateway's path or what was asked.
func TestKeysAreNowhere(t *testing.T) {
	const said = "what-was-asked"
	var status atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if status.Load() == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Should-Retry", "false")
		w.WriteHeader(int(status.Load()))
	})
	body := `{"model":"` + said + `` + strings.Repeat("x", 70) + `","x":"` + said + `"}`
	for _, n := range []int64{429, 200, 0, 500} {
		status.Store(n)
		s.do(s.call(s.gateway.URL(), "a", body)) // how it ends does not matter here
	}
	s.settles(0, 0)
	if err := os.WriteFile(filepath.Join(s.store.Dir(), "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do(s.call(s.gateway.URL(), "a", body))
	s.settles(0, 0)
	_, err := Start(Config{Upstream: "nothing://" + key + "@host", Store: s.store, Pool: s.gateway.line.Config.Pool, Getenv: s.gateway.line.Getenv})
	if err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("a wrong base URL: %v", err)
	}
	files := 0
	filepath.WalkDir(filepath.Dir(s.store.Dir()), func(path string, _ os.DirEntry, _ error) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil // a directory
		}
		files++
		for _, secret := range []string{key, s.gateway.secret, `"x"`} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s says %q", path, secret)
			}
		}
		return nil
	})
	if files < 3 {
		t.Errorf("%d files; the state, the one set aside and the log were to be looked at", files)
	}
}

// A client that goes, an upstream that never answers: the turn is free.
func TestTurnsOfBrokenCallsAreFree(t *testing.T) {
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
		errs := make(map[string]string)
		for _, base := range []string{s.server.URL, s.gateway.URL()} {
			client := *s.client
			if name == "silent" || name == "stuck" {
				client.Timeout = 200 * time.Millisecond
			}
			resp, err := client.Do(s.call(base, name, `{}`))
			<-arrived
			what := "no answer"
			if err == nil {
				var data []byte
				data, err = io.ReadAll(resp.Body)
				resp.Body.Close()
				what = fmt.Sprintf("%d bytes, then", len(data))
			}
			for _, kind := range []string{"connection reset", "EOF", "Timeout", "deadline"} {
				if err != nil && strings.Contains(err.Error(), kind) {
					what += " " + kind
				}
			}
			errs[base] = what
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if direct, through := errs[s.server.URL], errs[s.gateway.URL()]; direct != through {
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

// One after the other, in the order of asking; other classes of models do not wait, nor does what is no call.
func TestOneRequestOneTurn(t *testing.T) {
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

// An upstream with a certificate of the user's own authority is reached as Claude Code would reach it, by HTTP/2.
func TestHTTP2AndCertificatesOfTheUser(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", ""} {
		s := newStand(t, nil, func(c *Config) {
			c.Upstream = server.URL
			c.Getenv = func(n string) string {
				if n == name {
					return authority
				}
				return ""
			}
		})
		status, body, err := s.do(s.call(s.gateway.URL(), "a", `{}`))
		if name == "" {
			if err == nil {
				t.Errorf("an unknown authority: %d %q", status, body)
			}
			continue
		}
		if status != 200 || body != "HTTP/2.0" || err != nil {
			t.Errorf("%s: %d %q, %v; want HTTP/2.0", name, status, body, err)
		}
	}
}
