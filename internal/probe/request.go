package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"afteryou/internal/claude"
	"afteryou/internal/upstream"
)

// oauthBeta must stand beside the token of a login (2.1.330 sends it with others).
const oauthBeta = "oauth-2025-04-20"

// Client returns what sends requests the way Claude Code would. It follows no redirect, and sets no time limit. Whoever is
// done with it closes its idle connections.
func Client(getenv func(string) string) (*http.Client, error) {
	transport, err := upstream.Transport(getenv)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// Request makes a request to a path of the API with the credential and to the base URL that the environment names. agent
// is the name that it goes by. It fails with ErrNoCredential where there is none.
func Request(ctx context.Context, getenv func(string) string, method, path string, body io.Reader, agent string) (*http.Request, error) {
	if name := claude.Elsewhere(getenv); name != "" {
		return nil, fmt.Errorf("%s leads elsewhere than to the Messages API", name)
	}
	key, token, login := getenv("ANTHROPIC_API_KEY"), getenv("ANTHROPIC_AUTH_TOKEN"), getenv("CLAUDE_CODE_OAUTH_TOKEN")
	if key == "" && token == "" && login == "" {
		return nil, ErrNoCredential
	}
	base := cmp.Or(strings.TrimRight(getenv("ANTHROPIC_BASE_URL"), "/"), claude.APIURL)
	r, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return nil, errors.New("the base URL is none")
	}
	set := r.Header.Set
	if body != nil {
		set("Content-Type", "application/json")
	}
	set("Anthropic-Version", "2023-06-01")
	set("User-Agent", agent)
	// As 2.1.330: a key and a token both, where both are there, and the token of a login only without them.
	if key != "" {
		set("X-Api-Key", key)
	}
	if token != "" {
		set("Authorization", "Bearer "+token)
	}
	if key == "" && token == "" {
		set("Authorization", "Bearer "+login)
		set("Anthropic-Beta", oauthBeta)
	}
	for line := range strings.Lines(getenv("ANTHROPIC_CUSTOM_HEADERS")) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return r, nil
}

// Failure returns what an error of sending a request says, without secrets: URLs, of the base and of the proxy, may carry
// credentials.
func Failure(err error, getenv func(string) string) string {
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	return hide(err.Error(), getenv)
}

// hide takes out of a text what the environment keeps secret: a server may repeat what it was sent, an error the URL of
// a proxy.
func hide(text string, getenv func(string) string) string {
	secret := func(value, name string) {
		if value = strings.TrimSpace(value); len(value) > 3 {
			text = strings.ReplaceAll(text, value, "$"+name)
		}
	}
	for _, name := range []string{"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_BASE_URL", adminKey,
		"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		secret(getenv(name), name)
	}
	for line := range strings.Lines(getenv("ANTHROPIC_CUSTOM_HEADERS")) {
		_, value, _ := strings.Cut(line, ":")
		secret(value, "ANTHROPIC_CUSTOM_HEADERS")
	}
	return text
}
