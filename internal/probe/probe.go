// Package probe asks the API how its limits stand: by one request, the smallest there is, from whoever the environment
// names to where it says, as Claude Code itself would send it.
//
// It asks once, within a bounded time, follows no redirect and keeps nothing. What it returns, errors too, holds no
// credential. It calls itself by its own name, and does not say that it is Claude Code. It does not know who shares a
// limit, nor what to do about one. Batches are asked for by its Request and Client.
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
	"strings"
	"time"
	"unicode"

	"afteryou/internal/ratelimit"
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
	if errors.Is(err, context.DeadlineExceeded) {
		return a, fmt.Errorf("asking the API: no answer within %v", Timeout)
	}
	return a, fmt.Errorf("asking the API: %s", Failure(err, getenv))
}

func ask(ctx context.Context, getenv func(string) string, model, agent string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	body, err := json.Marshal(map[string]any{
		"model": model, "max_tokens": 1, "messages": []any{map[string]string{"role": "user", "content": "."}},
	})
	if err != nil {
		return Answer{}, err
	}
	r, err := Request(ctx, getenv, http.MethodPost, "/v1/messages", bytes.NewReader(body), agent)
	if err != nil {
		return Answer{}, err
	}
	client, err := Client(getenv)
	if err != nil {
		return Answer{}, err
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return Answer{}, err
	}
	now := time.Now()
	a := Answer{Model: model, At: now, Rates: ratelimit.Rates(resp.Header.Get), Windows: ratelimit.Windows(resp.Header)}
	said := Message(body, getenv)
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

// Message returns the message in the body of an error, on one line and without secrets; "" where it is not one of the API's.
func Message(body []byte, getenv func(string) string) string {
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
