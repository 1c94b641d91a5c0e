package tests

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

// internet is a proxy behind which api.anthropic.com is the fake server, with a certificate of an authority of its own.
// Nothing else can be reached through it.
type internet struct {
	proxy     string // its URL
	authority string // a file

	mu     sync.Mutex
	asked  []string // whom clients wanted to reach
	bodies [][]byte // of calls to the model
	betas  []string
	protos []string
}

func newInternet(t *testing.T, api *fakeapi.Server) *internet {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"}, DNSNames: []string{"api.anthropic.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	n := &internet{authority: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(n.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	behind, err := url.Parse(api.URL())
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0) // of clients that go
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) }, FlushInterval: -1, ErrorLog: quiet}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/messages" {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client is gone
			}
			r.Body = io.NopCloser(bytes.NewReader(data))
			n.mu.Lock()
			n.bodies, n.betas, n.protos = append(n.bodies, data), append(n.betas, r.Header.Get("Anthropic-Beta")), append(n.protos, r.Proto)
			n.mu.Unlock()
		}
		forward.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.asked = append(n.asked, r.Method+" "+r.Host)
		n.mu.Unlock()
		if r.Method != http.MethodConnect || r.Host != "api.anthropic.com:443" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fakeapi.Tunnel(w, server.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)
	n.proxy = proxy.URL
	return n
}

// call is one to the model, as it came.
type call struct {
	Tools []map[string]any
	betas []string
	proto string
}

// names are those of the tools.
func (c call) names() (list []string) {
	for _, tool := range c.Tools {
		name, _ := tool["name"].(string)
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// first is the first of the two calls that are to have come since it was last asked, by way of the proxy alone.
func (n *internet) first(t *testing.T) (c call) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	defer func() { n.asked, n.bodies, n.betas, n.protos = nil, nil, nil, nil }()
	if len(n.bodies) != 2 || len(n.asked) == 0 || slices.ContainsFunc(n.asked, func(a string) bool { return a != "CONNECT api.anthropic.com:443" }) {
		t.Fatalf("%d calls, asked for %v", len(n.bodies), n.asked)
	}
	if err := json.Unmarshal(n.bodies[0], &c); err != nil {
		t.Fatal(err)
	}
	c.betas, c.proto = strings.Split(n.betas[0], ","), n.protos[0]
	return c
}

// switchedOff are the betas that 2.1.330 asks for only where no base URL is set. docs/security.md names them.
var switchedOff = []string{"cache-diagnosis-2026-04-07", "mid-conversation-system-clear-at-2026-08-21", "prompt-caching-scope-2026-01-05", "thinking-binding-controls-2026-08-01"}

// What 2.1.330 asks the API itself, directly and through the gateway, is the same, but for some betas: the same tools
// above all. Both go through the proxy and trust the authority that the environment names; the gateway speaks HTTP/2.
func TestRealGatewayBeforeTheAPI(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
	n := newInternet(t, m.api)
	var calls [2]call
	for i, gateway := range []string{"off", "on"} {
		m.print(m.session(gateway, "ANTHROPIC_BASE_URL=", "HTTPS_PROXY="+n.proxy, "NODE_EXTRA_CA_CERTS="+n.authority, "AFTERYOU_GATEWAY="+gateway))
		calls[i] = n.first(t)
	}
	direct, through := calls[0], calls[1]
	if through.proto != "HTTP/2.0" {
		t.Errorf("through the gateway the API is asked by %s", through.proto)
	}
	if direct, through := direct.names(), through.names(); !slices.Equal(direct, through) || !slices.Contains(direct, "ToolSearch") {
		t.Errorf("tools directly\n%v\nthrough the gateway\n%v", direct, through)
	}
	// Fine-grained streaming of tools is the API's to switch on, which it does not do here.
	if tool := through.Tools[0]; tool["eager_input_streaming"] != true {
		t.Errorf("a tool of a call through the gateway is %v", tool)
	}
	missing := slices.DeleteFunc(direct.betas, func(beta string) bool { return slices.Contains(through.betas, beta) })
	slices.Sort(missing)
	if !slices.Equal(missing, switchedOff) {
		t.Errorf("through the gateway these betas are missing: %v, want %v", missing, switchedOff)
	}
	// The same with proxy and authority in the user's settings. The environment's proxy leads nowhere.
	session := m.session("settings", "ANTHROPIC_BASE_URL=", "AFTERYOU_GATEWAY=on")
	settings, err := json.Marshal(map[string]any{"env": map[string]string{"HTTPS_PROXY": n.proxy, "NODE_EXTRA_CA_CERTS": n.authority}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mkdir(filepath.Join(m.dir, "settings", ".claude")), "settings.json"), settings, 0o600); err != nil {
		t.Fatal(err)
	}
	m.print(session)
	if c := n.first(t); c.proto != "HTTP/2.0" {
		t.Errorf("with settings the call comes by %s", c.proto)
	}
	// It was the gateway, and not a session that found its own way.
	state, classes := m.state(), 0
	for _, a := range state.Accounts {
		for class := range a.Classes {
			if class != "" {
				classes++
			}
		}
	}
	if classes == 0 {
		t.Errorf("no limit of a class of models is known, as a gateway would: %+v", state)
	}
}
