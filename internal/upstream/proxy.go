package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// proxies chooses the proxy as Claude Code does (2.1.330): the first of these variables that is set is for every URL,
// whatever its scheme, and both spellings of NO_PROXY count, with commas or spaces between the names. Unlike Claude
// Code it reaches loopback without a proxy always.
func proxies(getenv func(string) string) (func(*http.Request) (*url.URL, error), error) {
	proxy := cmp.Or(getenv("https_proxy"), getenv("HTTPS_PROXY"), getenv("http_proxy"), getenv("HTTP_PROXY"), getenv("all_proxy"), getenv("ALL_PROXY"))
	without := strings.FieldsFunc(getenv("no_proxy")+","+getenv("NO_PROXY"), func(r rune) bool { return r == ',' || r == ' ' })
	full := proxy
	if proxy != "" && !strings.Contains(proxy, "://") {
		full = "http://" + proxy
	}
	if _, err := url.Parse(full); err != nil { // httpproxy would go without it, which whoever set it does not want
		return nil, errors.New("the proxy of the environment is no URL") // it may hold a password
	}
	choose := (&httpproxy.Config{HTTPProxy: full, HTTPSProxy: full, NoProxy: strings.Join(without, ",")}).ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }, nil
}

// A RefusedError says that the proxy does not let us through.
type RefusedError struct{ Status int }

func (e *RefusedError) Error() string { return fmt.Sprintf("the proxy answers %d", e.Status) }

// refused looks at how a proxy answers CONNECT.
func refused(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &RefusedError{answer.StatusCode}
	}
	return nil
}
