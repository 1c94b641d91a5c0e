// Package gateway is a loopback proxy between a program and the API that it asks: every call to the model takes a turn, what
// the answers' headers say of limits is shared, and a call that was rejected, or lost before it was answered, is held back and
// sent again when its turn comes.
//
// It runs in the launcher, for what the launcher started: on a free port of 127.0.0.1, under a path that must be known,
// and to one fixed upstream. Requests and answers pass as they are, errors too, byte for byte and as they come; what is
// no call to the model just passes. It writes no credential down, and where our own state is broken it is a plain
// proxy: calls go without turns.
//
// It does not choose the upstream, follow redirects, cache, or look at what is said; of a request it reads the model,
// of an answer how many tokens it took.
package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"afteryou/internal/gate"
	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/internal/upstream"
	"afteryou/lockfile"
)

// Config says what a gateway stands in front of.
type Config struct {
	Upstream string // base URL
	// To returns the base URL that requests to a path go to, where that is not Upstream's; nil or "": it is.
	To    func(path string) string
	Store *lockfile.Store
	Rules turn.Rules
	Print bool // nobody sits before the session (-p)
	// Pool names the limit that a call counts to: a name to show, and the secret that its id is made from. It is asked by
	// several goroutines at once.
	Pool func(*http.Request) (name, secret string)
	// Hold bounds how long a call is kept without a byte of an answer, waiting for its turn, beside the patience of who
	// asks; 0: that alone does.
	Hold   time.Duration
	Groups limit.Groups // of models that share a limit, as far as the organization told
	Fleet  line.Fleets  // makes what meets other machines on the limits
	// Getenv names certificates and proxies.
	Getenv func(string) string
	// Called, if there is one, is told of each call to the model. It must return soon.
	Called func()
}

// A Gateway is a running proxy. Whoever starts it closes it.
type Gateway struct {
	url      string
	host     string
	secret   string
	upstream *url.URL
	to       func(path string) string
	http     *http.Server
	base     *http.Transport
	bodies   *bodies
	accounts *accounts
	proxy    http.Handler
}

// Start listens on a free port of 127.0.0.1.
func Start(c Config) (*Gateway, error) {
	to, err := url.Parse(c.Upstream)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, errors.New("starting the gateway: the base URL is not one of http or https") // it may hold a secret
	}
	base, err := upstream.Transport(c.Getenv)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the gateway: %w", err)
	}
	g := &Gateway{host: l.Addr().String(), secret: rand.Text(), upstream: to, to: c.To, base: base,
		bodies: &bodies{dir: c.Store.Dir()},
		accounts: &accounts{config: gate.Config{Name: "gateway", Store: c.Store, Rules: c.Rules, Print: c.Print, Fleet: c.Fleet}, pool: c.Pool,
			all: make(map[[sha256.Size]byte]*gate.Gate)}}
	g.url = "http://" + g.host + "/" + g.secret
	silent := log.New(io.Discard, "", 0) // Claude Code owns the terminal, and errors hold URLs
	g.proxy = &httputil.ReverseProxy{
		Rewrite:       g.rewrite,
		Transport:     &turns{base: base, accounts: g.accounts, bodies: g.bodies, hold: c.Hold, groups: c.Groups, called: c.Called},
		FlushInterval: -1,
		ErrorLog:      silent,
		ErrorHandler:  func(_ http.ResponseWriter, r *http.Request, err error) { g.broken(r, err) },
	}
	g.http = &http.Server{
		Handler: g, ErrorLog: silent,
		DisableGeneralOptionsHandler: true,        // which answers everybody
		ReadHeaderTimeout:            time.Minute, // of strangers; a request's body and its answer may take as long as they like
		ConnContext:                  func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	guard.Go(func() { g.http.Serve(l) }, g.accounts.log) // until Close; it reports only that it was closed
	return g, nil
}

// URL is the base URL for Claude Code. It is a secret: who knows it may use the gateway.
func (g *Gateway) URL() string { return g.url }

// Close breaks off what runs and gives back every turn.
func (g *Gateway) Close() {
	g.http.Close()
	g.accounts.close()
	g.base.CloseIdleConnections()
}

type connKey struct{}

// ServeHTTP lets in who knows the path and calls us by our own name: a web page that another name leads here does not.
// Who comes from a web page all the same is told by the headers that browsers add. All others get the same 404.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secret, _, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	known := subtle.ConstantTimeCompare([]byte(secret), []byte(g.secret)) == 1
	page := r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
	if !known || r.Host != g.host || page {
		w.Header().Set("Connection", "close") // a stranger holds none of our descriptors longer than need be
		http.NotFound(w, r)
		return
	}
	g.proxy.ServeHTTP(plain{w}, r)
}

// rewrite turns our URL into the upstream's and leaves the rest as it came.
func (g *Gateway) rewrite(r *httputil.ProxyRequest) {
	rest := strings.TrimPrefix(r.In.URL.EscapedPath(), "/"+g.secret)
	u := *g.upstream
	if g.to != nil {
		if to, err := url.Parse(g.to(rest)); err == nil && to.Host != "" {
			u = *to
		}
	}
	u.RawPath = strings.TrimSuffix(u.EscapedPath(), "/") + rest
	u.Path, _ = url.PathUnescape(u.RawPath) // both parts were escaped properly when they were parsed
	u.RawQuery = r.In.URL.RawQuery
	if g.upstream.RawQuery != "" {
		u.RawQuery = strings.Trim(g.upstream.RawQuery+"&"+u.RawQuery, "&")
	}
	u.ForceQuery = r.In.URL.ForceQuery
	r.Out.URL, r.Out.Host = &u, ""
	r.Out.Trailer = r.In.Trailer // filled when the body was read
	for name, values := range r.In.Header {
		if strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" {
			r.Out.Header[name] = values
		}
	}
}

// broken ends a connection that the upstream gave no answer on as the upstream did: without one. Claude Code then sees
// a lost connection, as it would have directly, and not an error of ours. Why stands in our log: a refused connection or
// a certificate that nobody vouches for looks the same from there.
func (g *Gateway) broken(r *http.Request, err error) {
	if r.Context().Err() == nil {
		g.accounts.of(r).Log("no answer of " + g.upstream.Host + ": " + reason(err))
	}
	reset(r.Context(), err)
	panic(http.ErrAbortHandler)
}

// reason is what may be said of an error: those of HTTP itself quote what came.
func reason(err error) string {
	var net *net.OpError
	var cert *tls.CertificateVerificationError
	var proxy *upstream.RefusedError
	switch {
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.As(err, &net):
		return fmt.Sprintf("%s %v: %v", net.Op, net.Addr, net.Err)
	case errors.As(err, &cert):
		return cert.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	}
	return "the connection broke, or what came is not HTTP"
}

// plain keeps the server from adding headers that the upstream did not send.
type plain struct{ http.ResponseWriter }

func (p plain) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p plain) WriteHeader(status int) {
	if status >= 200 {
		for _, name := range []string{"Date", "Content-Type"} {
			if _, ok := p.Header()[name]; !ok {
				p.Header()[name] = nil
			}
		}
	}
	p.ResponseWriter.WriteHeader(status)
}
