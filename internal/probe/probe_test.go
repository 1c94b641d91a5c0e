package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/ratelimit"
)

const key = "sk-ant-test-0000"

func envOf(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if value, ok := strings.CutPrefix(p, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

func start(t *testing.T, c fakeapi.Config) *fakeapi.Server {
	t.Helper()
	api, err := fakeapi.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return api
}

func TestAskIsOneSmallRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		want map[string]string
	}{
		{"a key", []string{"ANTHROPIC_API_KEY=" + key}, map[string]string{"X-Api-Key": key, "Authorization": "", "Anthropic-Beta": ""}},
		{"a token", []string{"ANTHROPIC_AUTH_TOKEN=tok"}, map[string]string{"X-Api-Key": "", "Authorization": "Bearer tok", "Anthropic-Beta": ""}},
		{"both, as Claude Code sends both", []string{"ANTHROPIC_API_KEY=" + key, "ANTHROPIC_AUTH_TOKEN=tok"}, map[string]string{"X-Api-Key": key, "Authorization": "Bearer tok"}},
		{"a login's token", []string{"CLAUDE_CODE_OAUTH_TOKEN=sk-ant-oat01-dummy"}, map[string]string{"X-Api-Key": "", "Authorization": "Bearer sk-ant-oat01-dummy", "Anthropic-Beta": oauthBeta}},
		{"a key and a login's token", []string{"ANTHROPIC_API_KEY=" + key, "CLAUDE_CODE_OAUTH_TOKEN=tok"}, map[string]string{"X-Api-Key": key, "Authorization": ""}},
		{"headers of the user's own", []string{"ANTHROPIC_API_KEY=" + key, "ANTHROPIC_CUSTOM_HEADERS=X-One: a: b\nX-Two:c"}, map[string]string{"X-One": "a: b", "X-Two": "c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body string
			api := start(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer { body = string(r.Body); return fakeapi.Answer{} }})
			// A slash at the end of the base URL is none in the path.
			if _, err := Ask(t.Context(), envOf(append(tt.env, "ANTHROPIC_BASE_URL="+api.URL()+"/")...), "some-model", "afteryou/test"); err != nil {
				t.Fatal(err)
			}
			log := api.Log()
			if len(log) != 1 || len(api.Others()) != 0 {
				t.Fatalf("%d calls and %d other requests, want one call", len(log), len(api.Others()))
			}
			if r := log[0]; r.Model != "some-model" || r.MaxTokens != 1 || r.Messages != 1 || r.Tools != 0 || r.Stream || len(body) > 120 {
				t.Errorf("the request is %s", body)
			}
			for name, want := range tt.want {
				if got := log[0].Header.Get(name); got != want {
					t.Errorf("header %s is %q, want %q", name, got, want)
				}
			}
			if got := log[0].Header.Get("User-Agent"); got != "afteryou/test" {
				t.Errorf("it calls itself %q", got)
			}
		})
	}
}

func TestAskReadsTheHeaders(t *testing.T) {
	resets := time.Now().Add(2 * time.Hour).Truncate(time.Second)
	api := start(t, fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 50, Burst: 50}, Input: fakeapi.Limit{PerMinute: 30000, Burst: 30000}, Output: fakeapi.Limit{PerMinute: 8000, Burst: 8000}},
		Header: fakeapi.Unified{Status: "allowed_warning", Claim: "five_hour", Resets: resets, Used: 0.34}.Header(),
	})
	env := envOf("ANTHROPIC_API_KEY="+key, "ANTHROPIC_BASE_URL="+api.URL())
	a, err := Ask(t.Context(), env, "m", "a")
	if err != nil {
		t.Fatal(err)
	}
	if a.Limit.Kind != ratelimit.None || !a.Until().IsZero() {
		t.Errorf("limited: %+v", a.Limit)
	}
	want := []ratelimit.Rate{{Name: "requests", Limit: 50, Remaining: 49}, {Name: "input-tokens", Limit: 30000}, {Name: "output-tokens", Limit: 8000}, {Name: "tokens", Limit: 38000}}
	if len(a.Rates) != len(want) {
		t.Fatalf("limits %+v, want %d", a.Rates, len(want))
	}
	for i, w := range want {
		r := a.Rates[i]
		if r.Name != w.Name || r.Limit != w.Limit || r.Remaining <= 0 || r.Remaining > w.Limit || r.ResetsAt.Before(a.At.Add(-time.Second)) || w.Remaining > 0 && r.Remaining != w.Remaining {
			t.Errorf("limit %+v, want %+v", r, w)
		}
	}
	if len(a.Windows) != 1 || a.Windows[0] != (ratelimit.Window{Name: "5h", Status: "allowed_warning", Used: 0.34, ResetsAt: a.Windows[0].ResetsAt}) || !a.Windows[0].ResetsAt.Equal(resets) {
		t.Errorf("windows %+v", a.Windows)
	}

	for _, tt := range []struct {
		name   string
		answer fakeapi.Answer
		kind   ratelimit.Kind
		waits  bool
		until  time.Time
	}{
		{"a rate limit", fakeapi.RateLimited(75 * time.Second), ratelimit.Requests, true, time.Now().Add(75 * time.Second)},
		{"a rate limit without a time", fakeapi.RateLimited(0), ratelimit.Requests, true, time.Time{}},
		{"a usage limit", fakeapi.UsageLimited(resets, time.Now()), ratelimit.UsageWindow, true, resets},
		{"a spend limit", fakeapi.SpendLimited(), ratelimit.Spend, false, time.Time{}},
		{"overload", fakeapi.Overloaded(), ratelimit.Overload, true, time.Time{}},
	} {
		api.SetAnswer(func(fakeapi.Request) fakeapi.Answer { return tt.answer })
		a, err := Ask(t.Context(), env, "m", "a")
		off := a.Until().Sub(tt.until)
		if err != nil || a.Limit.Kind != tt.kind || a.Limit.Wait != tt.waits || off < -time.Second || off > time.Minute || a.Until().IsZero() != tt.until.IsZero() {
			t.Errorf("%s: %v until %v, waiting helps: %v, %v", tt.name, a.Limit.Kind, a.Until(), a.Limit.Wait, err)
		}
	}
}

// Servers that tell nothing: the error says what they said, on one line, and never what it was asked with.
func TestAskSaysWhatIsWrong(t *testing.T) {
	const proxy = "http://me:proxysecret@127.0.0.1:1"
	secrets := []string{"ANTHROPIC_API_KEY=" + key, "ANTHROPIC_AUTH_TOKEN=authsecret", "ANTHROPIC_CUSTOM_HEADERS=X-Tenant: tenantsecret"}
	never := []string{key, "authsecret", "tenantsecret", "proxysecret", "urlsecret"}
	api := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, body) }
	}
	said := func(message string) string {
		return `{"type":"error","error":{"type":"x","message":"` + message + `"}}`
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		status int
		want   string
	}{
		{"a wrong key", api(401, said("invalid x-api-key "+key)), 401, "the API answers 401 Unauthorized: invalid x-api-key $ANTHROPIC_API_KEY"},
		{"no such model", api(404, said("model: m")), 404, "the API answers 404 Not Found: model: m"},
		{"a message of many lines", api(400, said(`a\nb\u001b[31m`)), 400, "the API answers 400 Bad Request: a b [31m"},
		{"a long message", api(500, said(strings.Repeat("x", 10_000))), 500, "the API answers 500 Internal Server Error: " + strings.Repeat("x", maxMessage) + "…"},
		{"a secret where a long message ends", api(500, said(strings.Repeat("x", maxMessage-5)+key)), 500, "the API answers 500 Internal Server Error: " + strings.Repeat("x", maxMessage-5) + "$ANTH…"},
		{"a page of another server", api(502, "<html>"+key), 502, "the API answers 502 Bad Gateway"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/"+key, http.StatusTemporaryRedirect)
		}, 307, "the API answers 307 Temporary Redirect"},
		{"headers of the caller repeated", func(w http.ResponseWriter, r *http.Request) {
			api(403, said(r.Header.Get("Authorization")+r.Header.Get("X-Tenant")))(w, r)
		}, 403,
			"the API answers 403 Forbidden: Bearer $ANTHROPIC_AUTH_TOKEN$ANTHROPIC_CUSTOM_HEADERS"},
		{"a connection that breaks off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "asking the API: EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.answer)
			defer server.Close()
			base := strings.Replace(server.URL, "http://", "http://u:urlsecret@", 1)
			_, err := Ask(t.Context(), envOf(append(secrets, "ANTHROPIC_BASE_URL="+base)...), "m", "a")
			if err == nil || err.Error() != tt.want {
				t.Fatalf("Ask says %v, want %s", err, tt.want)
			}
			var refused *RefusedError
			if errors.As(err, &refused) != (tt.status != 0) || tt.status != 0 && refused.Status != tt.status {
				t.Errorf("Ask says %#v, want status %d", err, tt.status)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody is there now
	for name, base := range map[string]string{
		"nobody there": "http://u:urlsecret@" + l.Addr().String(), "no URL": "http://u:urlsecret@%%%", "no host": "urlsecret", "another scheme": "ftp://urlsecret",
	} {
		_, err := Ask(t.Context(), envOf(append(secrets, "ANTHROPIC_BASE_URL="+base, "HTTPS_PROXY="+proxy)...), "m", "a")
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		for _, s := range never {
			if strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error gives a secret away: %v", name, err)
			}
		}
		if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "asking the API: ") {
			t.Errorf("%s: the error is %q", name, err)
		}
	}
}

func TestAskNeedsSomethingToAskWith(t *testing.T) {
	if _, err := Ask(t.Context(), envOf("ANTHROPIC_BASE_URL=http://127.0.0.1:1"), "m", "a"); !errors.Is(err, ErrNoCredential) {
		t.Errorf("without a key: %v", err)
	}
	_, err := Ask(t.Context(), envOf("ANTHROPIC_API_KEY="+key, "CLAUDE_CODE_USE_BEDROCK=1"), "m", "a")
	if err == nil || !strings.Contains(err.Error(), "CLAUDE_CODE_USE_BEDROCK") {
		t.Errorf("with Bedrock: %v", err)
	}
}

func TestAskIsBounded(t *testing.T) {
	api := start(t, fakeapi.Config{Answer: func(fakeapi.Request) fakeapi.Answer { return fakeapi.Answer{Cut: fakeapi.Silent} }})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Ask(ctx, envOf("ANTHROPIC_API_KEY="+key, "ANTHROPIC_BASE_URL="+api.URL()), "m", "a")
	if err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("a silent server: %v", err)
	}
}
