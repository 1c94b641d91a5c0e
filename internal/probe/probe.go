// Package probe asks the API how its limits stand: by one request, the smallest there is, from whoever the environment
// names to where it says, as Claude Code itself would send it.
//
// It asks once, within a bounded time, follows no redirect and keeps nothing. What it returns, errors too, holds no
// credential. It calls itself by its own name, and does not say that it is Claude Code. It does not know who shares a
// limit, nor what to do about one.
package probe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"afteryou/internal/claude"
	"afteryou/internal/ratelimit"
	"afteryou/internal/upstream"
)

const (
	// Timeout bounds how long an answer may take: one token comes within a second or two.
	Timeout = 20 * time.Second
	// maxBody bounds what is read of an answer, in bytes.
	maxBody = 256 << 10
	// maxMessage bounds what is shown of the server's message, in letters.
	maxMessage = 300
	// model is the haiku of Claude Code 2.1.330, its cheapest.
	model = "claude-haiku-5-5"
	// oauthBeta must stand beside the token of a login (2.1.330 sends it with others).
	oauthBeta = "oauth-2025-04-20"
)

// ErrNoCredential says that the environment holds nothing to ask with.
var ErrNoCredential = errors.New("there is no API key or token to ask with")

// Answer is the state of the limits as the API told it.
type Answer struct {
	Model   string
	At      time.Time
	Rates   []ratelimit.Rate
	Windows []ratelimit.Window
	// Limit rejected the request; of Kind ratelimit.None where it was not rejected.
	Limit ratelimit.Limit
}

// Until returns when the limit ends that the request was rejected for; zero where nothing says so.
func (a Answer) Until() time.Time {
	switch l := a.Limit; {
	case !l.Wait:
		return time.Time{}
	case !l.ResetsAt.IsZero():
		return l.Reset()
	case l.RetryIn > 0:
		return a.At.Add(l.RetryIn)
	}
	return time.Time{}
}

// A RefusedError is an answer that tells nothing of limits: a wrong key or model, a server in trouble.
type RefusedError struct {
	Status  int
	Message string // the server's
}

func (e *RefusedError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("the API answers %d %s: %s", e.Status, http.StatusText(e.Status), e.Message), ": ")
}

// Model returns the model to ask for where the caller names none: the cheapest, or what the user put in its place.
func Model(getenv func(string) string) string {
	return cmp.Or(getenv("ANTHROPIC_DEFAULT_HAIKU_MODEL"), model)
}

// Ask sends the request, which a rejection costs nothing and an answer a few tokens. agent is the name that it goes by.
func Ask(ctx context.Context, getenv func(string) string, model, agent string) (Answer, error) {
	a, err := ask(ctx, getenv, model, agent)
	if err == nil || errors.Is(err, ErrNoCredential) || errors.As(err, new(*RefusedError)) {
		return a, err
	}
	return a, fmt.Errorf("asking the API: %w", shown(err, getenv))
}

// shown is an error without what it may tell of URLs: the base URL's and the proxy's may carry credentials.
func shown(err error, getenv func(string) string) error {
	if errors.As(err, new(*RefusedError)) {
		return err
	}
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", Timeout)
	}
	return errors.New(hide(err.Error(), getenv))
}

// send sends a request and reads its answer, within Timeout. The body it returns is closed.
func send(ctx context.Context, getenv func(string) string, r *http.Request) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	transport, err := upstream.Transport(getenv)
	if err != nil {
		return nil, nil, err
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r.WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp, body, err
}

func ask(ctx context.Context, getenv func(string) string, model, agent string) (Answer, error) {
	if name := claude.Elsewhere(getenv); name != "" {
		return Answer{}, fmt.Errorf("%s leads elsewhere than to the Messages API, where nothing is known of limits", name)
	}
	if getenv("ANTHROPIC_API_KEY") == "" && getenv("ANTHROPIC_AUTH_TOKEN") == "" && getenv("CLAUDE_CODE_OAUTH_TOKEN") == "" {
		return Answer{}, ErrNoCredential
	}
	r, err := request(getenv, model, agent)
	if err != nil {
		return Answer{}, err
	}
	resp, body, err := send(ctx, getenv, r)
	if err != nil {
		return Answer{}, err
	}
	now := time.Now()
	a := Answer{Model: model, At: now, Rates: ratelimit.Rates(resp.Header.Get), Windows: ratelimit.Windows(resp.Header)}
	said := message(body, getenv)
	if limit, ok := ratelimit.Header(resp.Header.Get, resp.StatusCode, now); ok {
		if resp.StatusCode == http.StatusTooManyRequests && ratelimit.Spends(body, now) {
			limit.Kind, limit.Wait = ratelimit.Spend, false
		}
		a.Limit, a.Limit.Message = limit, said
		return a, nil
	}
	if resp.StatusCode != http.StatusOK {
		return Answer{}, &RefusedError{resp.StatusCode, said}
	}
	return a, nil
}

// request makes the smallest request there is.
func request(getenv func(string) string, model, agent string) (*http.Request, error) {
	body, err := json.Marshal(map[string]any{
		"model": model, "max_tokens": 1, "messages": []any{map[string]string{"role": "user", "content": "."}},
	})
	if err != nil {
		return nil, err
	}
	base := cmp.Or(strings.TrimRight(getenv("ANTHROPIC_BASE_URL"), "/"), claude.APIURL)
	r, err := http.NewRequest(http.MethodPost, base+"/v1/messages", bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the base URL is none")
	}
	set := r.Header.Set
	set("Content-Type", "application/json")
	set("Anthropic-Version", "2023-06-01")
	set("User-Agent", agent)
	// As 2.1.330: a key and a token both, where both are there, and the token of a login only without them.
	key, token := getenv("ANTHROPIC_API_KEY"), getenv("ANTHROPIC_AUTH_TOKEN")
	if key != "" {
		set("X-Api-Key", key)
	}
	if token != "" {
		set("Authorization", "Bearer "+token)
	}
	if key == "" && token == "" {
		set("Authorization", "Bearer "+getenv("CLAUDE_CODE_OAUTH_TOKEN"))
		set("Anthropic-Beta", oauthBeta)
	}
	for line := range strings.Lines(getenv("ANTHROPIC_CUSTOM_HEADERS")) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return r, nil
}

// message returns the message in the body of an error, on one line; "" where it is not one of the API's.
func message(body []byte, getenv func(string) string) string {
	var e struct{ Error struct{ Message string } }
	if json.Unmarshal(body, &e) != nil || e.Error.Message == "" {
		return ""
	}
	words := strings.FieldsFunc(hide(e.Error.Message, getenv), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	said := []rune(strings.Join(words, " "))
	if len(said) > maxMessage {
		said = append(said[:maxMessage], '…')
	}
	return string(said)
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
