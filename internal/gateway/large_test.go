package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// words are about so many tokens of text.
func words(tokens int) string { return strings.Repeat("word another ", tokens*perToken/13+1) }

// limited answers as a server that lets through so many input tokens a minute, and has them all.
func limited(limit, most int, calls *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		data, _ := io.ReadAll(r.Body)
		w.Header().Set("Anthropic-Ratelimit-Input-Tokens-Limit", fmt.Sprint(limit))
		w.Header().Set("Anthropic-Ratelimit-Input-Tokens-Remaining", fmt.Sprint(limit))
		w.Header().Set("Request-Id", "req_1")
		if len(data) > most*perToken {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
			fmt.Fprintf(w, `{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of %d input tokens per minute."}}`, limit)
		}
	}
}

// What can never fit is told so at once, in a form that is not tried again, with the numbers; the others are as before. What may
// fit waits.
func TestAPromptThatNeverFits(t *testing.T) {
	t.Parallel()
	body := func(text string) string {
		return `{"model":"claude-opus-5-5","messages":[{"role":"user","content":"` + text + `"}]}`
	}
	for name, c := range map[string]struct {
		body  string
		known bool // the limit, by an answer before
		never bool
	}{
		"twice the limit, which is known":    {body: body(words(20000)), known: true, never: true},
		"twice the limit":                    {body: body(words(20000)), never: true},
		"as much, of which most is cached":   {body: `{"messages":[{"role":"user","content":[{"type":"text","text":"` + words(20000) + `","cache_control":{"type":"ephemeral"}}]},{"role":"assistant","content":"ok"},{"role":"user","content":"go on"}]}`},
		"as much, of which it is to be":      {body: `{"cache_control":{"type":"ephemeral"},"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"ok"},{"role":"user","content":"` + words(20000) + `"},{"role":"system","content":"x"}]}`, never: true},
		"a picture":                          {body: `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"` + strings.Repeat("abc", 40000) + `"}}]}]}`},
		"more than the limit, not certainly": {body: body(words(12000)), never: true}, // the server says that nothing else took of it
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			s := newStand(t, limited(10000, 10500, &calls), func(g *Config) { g.Rules, g.Hold = turn.Rules{}, 5*time.Second })
			if c.known {
				if status, _, err := s.do(s.call(s.gateway.URL(), "other", body("hello"))); status != 200 {
					t.Fatalf("%d, %v", status, err)
				}
				calls.Store(0)
			}
			r := s.call(s.gateway.URL(), "a", c.body)
			r.Header.Del("X-Claude-Code-Session-Id")
			resp, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var e struct {
				Type      string
				RequestID string `json:"request_id"`
				Error     struct{ Type, Message string }
			}
			if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
				t.Fatal(err)
			}
			if !c.never {
				if resp.StatusCode != 429 || calls.Load() < 2 {
					t.Errorf("%s after %d calls, want that it was tried again", resp.Status, calls.Load())
				}
				return
			}
			if resp.StatusCode != 413 || e.Type != "error" || e.Error.Type != "request_too_large" || e.RequestID != "req_1" || !strings.Contains(e.Error.Message, "limit is 10000 a minute") {
				t.Errorf("%s %+v", resp.Status, e)
			}
			if resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-Should-Retry") != "false" || resp.Header.Get("Anthropic-Ratelimit-Input-Tokens-Limit") == "" {
				t.Errorf("the headers are %v", resp.Header)
			}
			if calls.Load() != 1 {
				t.Errorf("%d calls, want one", calls.Load())
			}
			s.settles(0, 0)
			if status, _, err := s.do(s.call(s.gateway.URL(), "other", body("hello"))); status != 200 {
				t.Errorf("another: %d, %v", status, err)
			}
			s.freeOf("opus-5.5")
		})
	}
}

// freeOf wants that no cool-down holds the calls of a class.
func (s *stand) freeOf(class string) {
	s.Helper()
	v, err := s.store.View()
	if err != nil {
		s.Fatal(err)
	}
	defer v.Close()
	if until := v.State.Account(v.State.AccountID(key)).CoolsUntil(time.Now(), class); !until.IsZero() {
		s.Errorf("the others wait until %v", until)
	}
}

// One that never fits waits for nobody's turn, and has nobody wait.
func TestWhatNeverFitsStandsInNobodysWay(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	free := make(chan struct{})
	answer := limited(10000, 10500, &calls)
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if answer(w, r); r.Header.Get("X-Claude-Code-Session-Id") == "first" {
			http.NewResponseController(w).Flush()
			<-free
		}
	}, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
	small := `{"model":"claude-opus-5-5"}`
	if status, _, err := s.do(s.call(s.gateway.URL(), "before", small)); status != 200 {
		t.Fatalf("%d, %v", status, err)
	}
	done := make(chan int)
	go func() { status, _, _ := s.do(s.call(s.gateway.URL(), "first", small)); done <- status }()
	s.settles(1, 0)
	if status, _, err := s.do(s.call(s.gateway.URL(), "large", `{"model":"claude-opus-5-5","x":"`+words(20000)+`"}`)); status != 429 {
		t.Errorf("%d, %v; want 429 while the turn is taken", status, err)
	}
	s.settles(1, 0)
	close(free)
	if status := receive(t, done); status != 200 {
		t.Errorf("%d", status)
	}
}
