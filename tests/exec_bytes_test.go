package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// raw sends the bytes of a request to a host and returns those of the answer, without its date.
func raw(t *testing.T, host, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Header.Del("Date")
	dump, err := httputil.DumpResponse(resp, true)
	if err != nil {
		t.Fatal(err)
	}
	return string(dump)
}

// front runs a program through exec for as long as the test lasts and returns where it finds its API.
func front(t *testing.T, api string) *url.URL {
	t.Helper()
	p := newPerson(t, "ANTHROPIC_BASE_URL="+api)
	cmd := exec.Command(afteryou, "exec", "--", "sh", "-c", `echo "$ANTHROPIC_BASE_URL"; exec cat`)
	cmd.Env, cmd.Dir = p.env, p.home
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil || u.Host == "" {
		t.Fatalf("the program finds its API at %q, %v", line, err)
	}
	return u
}

// Streams, batches, files, counts and beta paths reach the API as the client sent them, and their answers the client, to the byte.
func TestExecChangesNoByte(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "" // the one thing that is another
		dump, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Request-Id", "req_1")
		if strings.Contains(string(dump), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			for part := range strings.SplitAfterSeq("event: message_start\ndata: {}\n\nevent: ping\ndata: {}\n\n", "\n\n") {
				io.WriteString(w, part)
				http.NewResponseController(w).Flush()
			}
		}
		if strings.HasPrefix(r.URL.Path, "/v1/files/none") {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Write(dump)
	}))
	t.Cleanup(api.Close)
	u := front(t, api.URL)
	direct := strings.TrimPrefix(api.URL, "http://")
	for _, line := range []string{
		`POST /v1/messages {"model":"m"}`, `POST /v1/messages?beta=true {"model":"m","stream":true}`, `POST /v1/messages/count_tokens {"model":"m"}`,
		`POST /v1/messages/batches {"requests":[]}`, `GET /v1/messages/batches/b/results `, `POST /v1/messages/batches/b/cancel `, `GET /v1/models?limit=2 `,
		`POST /v1/files?beta=true --x\r\ndata\r\n--x--`, `GET /v1/files/none/content `, `DELETE /v1/files/f%2F1 `, `POST /v1/agents?beta=true {}`,
		`POST /v1/projects/p/locations/us-east5/publishers/anthropic/models/m@1:streamRawPredict {"stream":true}`, `POST /model/m%3A0/invoke {}`,
	} {
		method, rest, _ := strings.Cut(line, " ")
		path, body, _ := strings.Cut(rest, " ")
		length := ""
		if method == http.MethodPost {
			length = fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		request := func(prefix, host string) string {
			return fmt.Sprintf("%s %s%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer t\r\nAnthropic-Beta: a,b\r\nX-Stainless-Timeout: 600\r\n%s\r\n%s", method, prefix, path, host, length, body)
		}
		if got, want := raw(t, u.Host, request(u.Path, u.Host)), raw(t, direct, request("", direct)); got != want {
			t.Errorf("%s: through exec\n%s\ndirectly\n%s", line, got, want)
		}
	}
}

// Who does not know the path, comes from a web page or calls it by another name gets the same 404 as anybody.
func TestExecLetsNoStrangersIn(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s reaches the API", r.URL) }))
	t.Cleanup(api.Close)
	u := front(t, api.URL)
	want := raw(t, u.Host, "GET / HTTP/1.1\r\nHost: "+u.Host+"\r\n\r\n")
	for name, request := range map[string]string{
		"no secret":    "POST /v1/messages HTTP/1.1\r\nHost: " + u.Host + "\r\nContent-Length: 2\r\n\r\n{}",
		"another host": "POST " + u.Path + "/v1/messages HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}",
		"a web page":   "POST " + u.Path + "/v1/messages HTTP/1.1\r\nHost: " + u.Host + "\r\nOrigin: https://evil.example\r\nContent-Length: 2\r\n\r\n{}",
	} {
		if got := raw(t, u.Host, request); got != want || !strings.HasPrefix(got, "HTTP/1.1 404 ") {
			t.Errorf("%s is answered %s, want %s", name, got, want)
		}
	}
}
