package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	number "math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/upstream"
)

// An upstream with a certificate of the user's own authority is reached as Claude Code would reach it, by HTTP/2.
func TestHTTP2AndCertificatesOfTheUser(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := certificate(t, server)
	for setting, want := range map[string]string{
		"NODE_EXTRA_CA_CERTS=" + authority: "HTTP/2.0", "SSL_CERT_FILE=" + authority: "HTTP/2.0",
		"NODE_TLS_REJECT_UNAUTHORIZED=0": "HTTP/2.0", "NODE_TLS_REJECT_UNAUTHORIZED=1": "", "X=": "",
	} {
		s := newStand(t, nil, func(c *Config) { c.Upstream, c.Getenv = server.URL, env(setting) })
		status, body, err := s.do(s.call(s.gateway.URL(), "a", `{}`))
		if body != want || (err == nil) != (want != "") {
			t.Errorf("%s: %d %q, %v; want %q", setting, status, body, err, want)
		}
	}
	for _, setting := range []string{"NODE_EXTRA_CA_CERTS=/nowhere", "NODE_EXTRA_CA_CERTS=/dev/null", "CLAUDE_CODE_CLIENT_KEY=x\nCLAUDE_CODE_CLIENT_CERT=/nowhere"} {
		if _, err := upstream.Transport(env(strings.Split(setting, "\n")...)); err == nil {
			t.Errorf("%q: no error", setting)
		}
	}
}

// keyPair makes a certificate that vouches for itself and its key, and writes them into files.
func keyPair(t *testing.T) (certFile, keyFile string, cert *x509.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: number.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: bytes}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, cert
}

// An upstream that wants to know who asks is shown the certificate that Claude Code would show.
func TestTheClientCertificateOfTheUser(t *testing.T) {
	t.Parallel()
	certFile, keyFile, cert := keyPair(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].SerialNumber.String())
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	server.TLS.ClientCAs.AddCert(cert)
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := "NODE_EXTRA_CA_CERTS=" + certificate(t, server)
	s := newStand(t, nil, func(c *Config) {
		c.Upstream, c.Getenv = server.URL, env(authority, "CLAUDE_CODE_CLIENT_CERT="+certFile, "CLAUDE_CODE_CLIENT_KEY="+keyFile)
	})
	if status, body, err := s.do(s.call(s.gateway.URL(), "a", `{}`)); body != "1" {
		t.Errorf("with the certificate: %d %q, %v; want its number", status, body, err)
	}
	s = newStand(t, nil, func(c *Config) { c.Upstream, c.Getenv = server.URL, env(authority) })
	if status, body, err := s.do(s.call(s.gateway.URL(), "a", `{}`)); err == nil {
		t.Errorf("without it: %d %q", status, body)
	}
}

// proxy is a proxy to one address, wherever one wants to go, and counts who goes through it.
type proxy struct {
	url  string
	used atomic.Int64
	auth atomic.Value
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{}
	plain := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Host, r.Out.Host = to, r.In.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.used.Add(1)
		p.auth.Store(r.Header.Get("Proxy-Authorization"))
		if r.Method != http.MethodConnect {
			plain.ServeHTTP(w, r)
			return
		}
		fakeapi.Tunnel(w, to)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// The upstream is reached through the proxy that Claude Code would use (seen on 2.1.330), by names that only it knows.
func TestProxiesOfTheUser(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	authority := "NODE_EXTRA_CA_CERTS=" + certificate(t, secure)
	for name, c := range map[string]struct {
		upstream string   // empty: https://example.com, which the server's certificate is for
		env      []string // ONE and TWO are proxies
		want     string   // which of them is used; empty: none
	}{
		"HTTPS_PROXY":                         {env: []string{"HTTPS_PROXY=ONE"}, want: "ONE"},
		"the small letters first":             {env: []string{"HTTPS_PROXY=ONE", "https_proxy=TWO"}, want: "TWO"},
		"HTTP_PROXY is for https as well":     {env: []string{"HTTP_PROXY=ONE"}, want: "ONE"},
		"HTTPS_PROXY is for http as well":     {upstream: "http://llm.example", env: []string{"HTTPS_PROXY=ONE", "HTTP_PROXY=TWO"}, want: "ONE"},
		"ALL_PROXY":                           {env: []string{"ALL_PROXY=ONE"}, want: "ONE"},
		"ALL_PROXY comes last":                {env: []string{"ALL_PROXY=ONE", "http_proxy=TWO"}, want: "TWO"},
		"no scheme":                           {env: []string{"HTTPS_PROXY=one"}, want: "ONE"},
		"NO_PROXY of others":                  {env: []string{"HTTPS_PROXY=ONE", "NO_PROXY=a.example,b.example"}, want: "ONE"},
		"NO_PROXY":                            {env: []string{"HTTPS_PROXY=ONE", "NO_PROXY=example.com"}},
		"NO_PROXY with spaces":                {env: []string{"HTTPS_PROXY=ONE", "NO_PROXY=a.example example.com"}},
		"NO_PROXY and no_proxy both count":    {env: []string{"HTTPS_PROXY=ONE", "NO_PROXY=a.example", "no_proxy=example.com"}},
		"NO_PROXY of a domain":                {upstream: "http://llm.corp.example", env: []string{"HTTPS_PROXY=ONE", "NO_PROXY=.corp.example"}},
		"NO_PROXY of a domain, with asterisk": {upstream: "http://llm.corp.example", env: []string{"HTTPS_PROXY=ONE", "NO_PROXY=*.corp.example"}},
		"NO_PROXY of all":                     {env: []string{"HTTPS_PROXY=ONE", "NO_PROXY=*"}},
	} {
		t.Run(name, func(t *testing.T) {
			to, server := c.upstream, plain.Listener.Addr().String()
			if to == "" {
				to, server = "https://example.com", secure.Listener.Addr().String()
			}
			one, two := newProxy(t, server), newProxy(t, server)
			list := []string{authority}
			for _, e := range c.env {
				e = strings.NewReplacer("=ONE", "="+strings.Replace(one.url, "://", "://user:word@", 1), "=TWO", "="+two.url).Replace(e)
				list = append(list, strings.Replace(e, "=one", "="+strings.TrimPrefix(one.url, "http://"), 1))
			}
			s := newStand(t, nil, func(g *Config) { g.Upstream, g.Getenv = to, env(list...) })
			if c.want == "" {
				// Such a name is not known without the proxy; that it is not asked is what counts.
				r, err := http.NewRequest(http.MethodGet, to, nil)
				if err != nil {
					t.Fatal(err)
				}
				if by, err := s.gateway.base.Proxy(r); by != nil || err != nil {
					t.Errorf("%s is reached by %v, %v; want no proxy", to, by, err)
				}
				return
			}
			status, body, err := s.do(s.call(s.gateway.URL(), "a", `{}`))
			if want := strings.SplitN(to, "//", 2)[1]; status != 200 || body != want {
				t.Fatalf("%d %q, %v; want %q", status, body, err, want)
			}
			used := fmt.Sprint(one.used.Load() > 0, two.used.Load() > 0)
			if want := fmt.Sprint(c.want == "ONE", c.want == "TWO"); used != want {
				t.Errorf("the proxies are used %s, want %s", used, want)
			}
			if auth, _ := one.auth.Load().(string); c.want == "ONE" && !strings.Contains(strings.Join(c.env, " "), "=one") && auth != "Basic dXNlcjp3b3Jk" {
				t.Errorf("the proxy is told %q of who asks", auth)
			}
		})
	}
}

func TestAProxyThatIsNoURLIsNotQuoted(t *testing.T) {
	t.Parallel()
	const password = "pass-word"
	if _, err := upstream.Transport(env("HTTPS_PROXY=http://user:" + password + "@[::1")); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("a proxy that is no URL: %v", err)
	}
}
