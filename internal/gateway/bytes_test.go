package gateway

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
	return fmt.Sprintf("%s %v length %d %v, %d bytes %x, trailer %v, %s", s.first, s.header, s.length, s.encoding, s.size, s.body, s.trailer, s.err)
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

// exchange is a request and how it is answered.
type exchange struct {
	method, path string // empty: a call
	body         io.Reader
	header       http.Header
	trailer      http.Header
	answer       http.HandlerFunc
}

func nothing(http.ResponseWriter, *http.Request) {}

// flush sends each part by itself.
func flush(w http.ResponseWriter, parts ...string) {
	for _, p := range parts {
		io.WriteString(w, p)
		http.NewResponseController(w).Flush()
	}
}

func oddRequests() map[string]exchange {
	return map[string]exchange{
		"10 MB each way":                {body: strings.NewReader(`{"model":"claude-sonnet-4-5","x":"` + big(10<<20) + `"}`), answer: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, big(10<<20)) }},
		"10 MB each way, not a call":    {path: "/v1/files", body: strings.NewReader(big(10 << 20)), answer: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, big(10<<20)) }},
		"a body of unknown length":      {body: io.MultiReader(strings.NewReader(`{"model":`), strings.NewReader(`"m"}`)), answer: func(w http.ResponseWriter, r *http.Request) { flush(w, "a", "b") }},
		"a body larger than the memory": {body: strings.NewReader(big(memory + 1<<20)), answer: nothing},
		"a HEAD request":                {method: http.MethodHead, path: "/", answer: func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "17") }},
		"odd paths and queries":         {method: http.MethodGet, path: "/v1/a%2Fb/%20//c?x=1;y=2&&z=%zz&beta", answer: nothing},
		"headers of proxies":            {header: http.Header{"X-Forwarded-For": {"10.0.0.1"}, "Forwarded": {"for=10.0.0.1"}, "Anthropic-Beta": {"a,b", "c"}, "Accept-Encoding": {"gzip, deflate, br, zstd"}}, answer: nothing},
		"no user agent":                 {header: http.Header{"User-Agent": nil}, answer: nothing},
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
	}
}

func oddAnswers() map[string]exchange {
	all := map[string]exchange{
		"a stream with pings": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			flush(w, sse, "event: ping\ndata: {\"type\":\"ping\"}\n\n", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
		}},
		"an empty answer": {answer: nothing},
		"no content":      {answer: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		"an answer without a type": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		}},
		"an answer without a date": {answer: func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil; io.WriteString(w, "x") }},
		"a redirect": {method: http.MethodGet, path: "/x", answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/y", http.StatusTemporaryRedirect)
		}},
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
		"an upstream that breaks off": {answer: func(w http.ResponseWriter, r *http.Request) {
			flush(w, sse)
			panic(http.ErrAbortHandler)
		}},
		"an upstream that breaks off a known length": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			flush(w, "abc")
			panic(http.ErrAbortHandler)
		}},
		"a rejection that breaks off": {answer: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			flush(w, "abc")
			panic(http.ErrAbortHandler)
		}},
	}
	for status, kind := range map[int]string{400: "invalid_request_error", 401: "authentication_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"} {
		all[strconv.Itoa(status)] = exchange{answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Request-Id", "req_1")
			w.Header().Set("X-Should-Retry", "false") // or 529 would be held back
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"type":"error","error":{"type":%q,"message":"x"}}`, kind)
		}}
	}
	return all
}

// request is the exchange's, to a base URL. One whose body is no strings.Reader does not tell its length.
func (e exchange) request(t *testing.T, base string, body []byte) *http.Request {
	t.Helper()
	method, path := cmp.Or(e.method, http.MethodPost), cmp.Or(e.path, "/v1/messages?beta=true")
	raw, query, _ := strings.Cut(path, "?")
	r, err := http.NewRequestWithContext(t.Context(), method, base+raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.RawQuery = query // unparsed: such a one comes from no Go program
	if body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
		if _, known := e.body.(*strings.Reader); known {
			r.ContentLength = int64(len(body))
		}
	}
	r.Header.Set("User-Agent", "claude-cli/2.1.330") // or Go says which HTTP it speaks
	maps.Copy(r.Header, e.header)
	r.Trailer = e.trailer.Clone()
	return r
}

// Requests and answers are the same through the gateway as without it, to both sides, whether the upstream speaks
// HTTP/1.1 or HTTP/2. Compared is what HTTP means by them: names of headers have no case and no order, and how a body
// is cut into chunks says nothing.
func TestBytesAreTheSame(t *testing.T) {
	t.Parallel()
	all := oddRequests()
	maps.Copy(all, oddAnswers())
	for name, c := range all {
		var body []byte
		if c.body != nil {
			body, _ = io.ReadAll(c.body) // of strings
		}
		same := func(t *testing.T, newStand func(*testing.T, http.HandlerFunc, ...func(*Config)) *stand) {
			var there seen // what the upstream saw
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(name, "before the request's end") {
					there = look(r.Method+" "+r.RequestURI, r.Header, r.ContentLength, r.TransferEncoding, r.Body, &r.Trailer)
				}
				w.Header().Set("Date", "Mon, 23 Nov 2026 08:00:00 GMT") // not ours
				c.answer(w, r)
			})
			exchange := func(base string) (here, up seen) {
				there = seen{}
				resp, err := s.client.Do(c.request(t, base, body))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				h := look(strconv.Itoa(resp.StatusCode), resp.Header, resp.ContentLength, resp.TransferEncoding, resp.Body, &resp.Trailer)
				if s.server.EnableHTTP2 {
					h.encoding = nil // of HTTP/1.1, which the gateway speaks to Claude Code in any case
				}
				return h, there
			}
			hereDirect, thereDirect := exchange(s.server.URL)
			here, there := exchange(s.gateway.URL())
			if here.String() != hereDirect.String() {
				t.Errorf("the client gets\n%v\nwant\n%v", here, hereDirect)
			}
			if there.String() != thereDirect.String() {
				t.Errorf("the upstream gets\n%v\nwant\n%v", there, thereDirect)
			}
			s.settles(0, 0)
			if left := s.bodies(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
		t.Run(name, func(t *testing.T) { same(t, newStand) })
		t.Run(name+", HTTP/2", func(t *testing.T) { same(t, newTLSStand) })
	}
}

// bodies lists the files of requests that were too large for the memory.
func (s *stand) bodies() []string {
	s.Helper()
	list, err := filepath.Glob(filepath.Join(s.store.Dir(), "body-*"))
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// What comes is passed on as it comes: the second event is sent only when the client has read the first.
func TestEveryEventIsPassedOnAtOnce(t *testing.T) {
	t.Parallel()
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

// A client that goes in the middle of an answer is gone for the upstream too, after the same bytes.
func TestAnAnswerNobodyReadsIsBrokenOff(t *testing.T) {
	t.Parallel()
	for name, newStand := range map[string]func(*testing.T, http.HandlerFunc, ...func(*Config)) *stand{"HTTP/1.1": newStand, "HTTP/2": newTLSStand} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan error)
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, sse)
				http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					gone <- nil
				case <-time.After(patience):
					gone <- errors.New("the upstream never learns of it")
				}
			})
			for _, base := range []string{s.server.URL, s.gateway.URL()} {
				resp, err := s.client.Do(s.call(base, "a", `{}`))
				if err != nil {
					t.Fatal(err)
				}
				first := make([]byte, len(sse))
				if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != sse {
					t.Errorf("the client gets %q, %v", first, err)
				}
				resp.Body.Close()
				if err := <-gone; err != nil {
					t.Error(err)
				}
			}
			s.settles(0, 0)
		})
	}
}

// A client that goes in the middle of its request: nothing was sent, and no turn was asked for.
func TestARequestCutShortIsNotSent(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	s := newStand(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	conn, err := net.Dial("tcp", s.gateway.host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /%s/v1/messages HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n{\"model\":", s.gateway.secret, s.gateway.host)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); len(answer) > 0 || err != nil {
		t.Errorf("it is answered %q, %v", answer, err)
	}
	if s.settles(0, 0); reached.Load() {
		t.Error("it reaches the upstream")
	}
}

// 1. So many streams begin. 2. Each is kept open until all have begun. 3. All end whole, and nothing is left of them:
// goroutines, descriptors, files, places in the line, tickets in the state.
func TestParallelStreams(t *testing.T) {
	const n = 200
	var began sync.WaitGroup
	began.Add(n)
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, sse)
		http.NewResponseController(w).Flush()
		if r.Header.Get("X-Claude-Code-Session-Id") == "before" {
			return
		}
		began.Done()
		began.Wait()
		for range 20 {
			io.WriteString(w, big(4096))
			http.NewResponseController(w).Flush()
		}
	})
	// What one call leaves is there to stay: the loop's watch and idle connections.
	if status, _, err := s.do(s.call(s.gateway.URL(), "before", `{}`)); status != 200 {
		t.Fatal(status, err)
	}
	s.settles(0, 0)
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
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
	if !s.gateway.accounts.idle() {
		t.Error("something is left in the line")
	}
	if left := s.bodies(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.until("goroutines and descriptors are as before", func() bool {
		s.client.CloseIdleConnections()
		s.gateway.base.CloseIdleConnections()
		return runtime.NumGoroutine() <= goroutines && descriptors(t) <= files
	})
}

// descriptors counts our open files.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
