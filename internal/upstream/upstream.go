// Package upstream is the way from this machine to the API: through the proxy and with the certificates that the
// environment names for Claude Code.
package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Transport returns the way in which Claude Code itself would reach the upstream: through the proxy of the environment,
// with the certificates it names, by HTTP/2 where the upstream speaks it. It sets no time limits: Claude Code has its own.
func Transport(getenv func(string) string) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: getenv("NODE_TLS_REJECT_UNAUTHORIZED") == "0"}
	// The system's certificates are those of SSL_CERT_FILE and SSL_CERT_DIR, on Linux by crypto/x509 itself.
	for _, name := range []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"} {
		path := getenv(name)
		if path == "" {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading certificates (%s): %w", name, err)
		}
		if config.RootCAs == nil {
			if config.RootCAs, err = x509.SystemCertPool(); err != nil {
				return nil, fmt.Errorf("reading the system's certificates: %w", err)
			}
		}
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("reading certificates (%s): none in %s", name, path)
		}
	}
	if cert, key := getenv("CLAUDE_CODE_CLIENT_CERT"), getenv("CLAUDE_CODE_CLIENT_KEY"); cert != "" && key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate (CLAUDE_CODE_CLIENT_CERT): %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	proxy, err := proxies(getenv)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  proxy,
		OnProxyConnectResponse: refused,
		TLSClientConfig:        config,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        90 * time.Second,
	}, nil
}
