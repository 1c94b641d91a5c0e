package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// ask sends the bytes of a request and returns the status and the whole answer, without its date.
func ask(t *testing.T, host, request string) (status, answer string) {
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
	raw, err := httputil.DumpResponse(resp, true)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status, string(raw)
}

// Whatever a stranger does, the answer is the same 404, to the byte, and nothing reaches the upstream.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	s := newStand(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	own := s.gateway.host
	secret := s.gateway.secret
	if host, _, err := net.SplitHostPort(own); host != "127.0.0.1" || err != nil || len(secret) < 26 {
		t.Errorf("it listens on %s, %v, with a secret of %d letters", own, err, len(secret))
	}
	if other, err := Start(s.config); err != nil || other.secret == secret {
		t.Errorf("another gateway: %v, with the secret of the first", err)
	} else {
		other.Close()
	}
	path := "/" + secret + "/v1/messages"
	post := func(target, host, header string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 2\r\n\r\n{}", target, host, header)
	}
	_, want := ask(t, own, post("/", own, ""))
	for name, request := range map[string]string{
		"no secret":                        post("/v1/messages", own, ""),
		"a wrong secret":                   post("/"+strings.Repeat("A", len(secret))+"/v1/messages", own, ""),
		"the beginning of it":              post("/"+secret[:5]+"/v1/messages", own, ""),
		"more than it":                     post("/"+secret+"x/v1/messages", own, ""),
		"not in the first place":           post("/x/"+secret+"/v1/messages", own, ""),
		"another host":                     post(path, "evil.example", ""),
		"localhost":                        post(path, "localhost"+own[strings.IndexByte(own, ':'):], ""),
		"another port":                     post(path, "127.0.0.1:1", ""),
		"another upstream":                 post("http://evil.example"+path, "evil.example", ""),
		"another upstream, our host":       post("http://evil.example"+path, own, ""),
		"an upstream to connect to":        "CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
		"a web page":                       post(path, own, "Origin: https://evil.example\r\n"),
		"a page of nowhere":                post(path, own, "Origin: null\r\n"),
		"a page of our own address":        post(path, own, "Origin: http://"+own+"\r\n"),
		"a picture in a web page":          "GET " + path + " HTTP/1.1\r\nHost: " + own + "\r\nSec-Fetch-Site: cross-site\r\n\r\n",
		"what a web page asks before":      "OPTIONS " + path + " HTTP/1.1\r\nHost: " + own + "\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
		"what everybody may ask elsewhere": "OPTIONS * HTTP/1.1\r\nHost: " + own + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if status, got := ask(t, own, request); status != "404 Not Found" || got != want || reached.Load() {
				t.Errorf("%q is answered\n%s\nwant\n%s\nupstream reached: %v", request, got, want, reached.Load())
			}
		})
	}
	if status, _ := ask(t, own, post(path, own, "")); status != "200 OK" || !reached.Load() {
		t.Errorf("who knows the secret is answered %s", status)
	}
}

// Whatever goes wrong, no file and no error says a key, the gateway's path or what was asked.
func TestKeysAreNowhere(t *testing.T) {
	t.Parallel()
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
	_, err := Start(Config{Upstream: "nothing://" + key + "@host", Store: s.store, Pool: s.config.Pool, Getenv: s.config.Getenv})
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
