package fakeapi

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFirstTokensVaryAndCanBeRepeated(t *testing.T) {
	m := Late()
	earliest, latest := time.Hour, time.Duration(0)
	for seq := range 200 {
		first := m.first(seq)
		if again := m.first(seq); again != first {
			t.Fatalf("call %d is answered after %v and %v", seq, first, again)
		}
		earliest, latest = min(earliest, first), max(latest, first)
		if r := m.refusal(seq); r < 10*time.Millisecond || r > 300*time.Millisecond {
			t.Errorf("call %d is rejected after %v, want 10ms to 300ms", seq, r)
		}
	}
	if earliest < 600*time.Millisecond || earliest > 650*time.Millisecond || latest > time.Second || latest < 950*time.Millisecond {
		t.Errorf("200 calls are answered after %v to %v, want 600ms to 1s", earliest, latest)
	}
	other := m
	other.Seed = 1
	if m.first(1) == other.first(1) {
		t.Error("another seed gives the same")
	}
	if first, refused := (Manner{}).first(7), (Manner{}).refusal(7); first != 0 || refused != 0 {
		t.Errorf("the zero Manner answers after %v and rejects after %v, want at once", first, refused)
	}
}

func TestHeadersComeWithTheFirstEvent(t *testing.T) {
	s := start(t, Config{Manner: Manner{FirstToken: 150 * time.Millisecond}})
	sent := time.Now()
	res, err := http.Post(s.URL()+"/v1/messages", "", strings.NewReader(request(prompt, true)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if took := time.Since(sent); took < 150*time.Millisecond {
		t.Errorf("the headers came after %v, want at least 150ms", took)
	}
}

func TestARejectionDoesNotWaitForAToken(t *testing.T) {
	s := start(t, Config{
		Limits: Limits{Requests: Limit{PerMinute: 1, Burst: 1}},
		Manner: Manner{FirstToken: time.Hour},
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		req, _ := http.NewRequestWithContext(ctx, "POST", s.URL()+"/v1/messages", strings.NewReader(request(prompt, true)))
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
	}()
	for len(s.Log()) == 0 { // the first call took the only token, and waits
		time.Sleep(time.Millisecond)
	}
	if res, _ := post(t, s, "", request(prompt, true)); res.StatusCode != 429 {
		t.Errorf("the second call got %d, want 429", res.StatusCode)
	}
}

func TestTokensAreStreamed(t *testing.T) {
	// 40 tokens at 200 a second: 200 ms after the first
	m := Manner{FirstToken: 50 * time.Millisecond, Speed: 200}
	text := strings.Repeat("word", 40)
	for name, a := range map[string]Answer{
		"text":   {Text: text, Usage: Usage{Output: 40}},
		"a tool": {Tools: []Tool{{"Write", map[string]any{"text": text}}}, Usage: Usage{Output: 40}},
	} {
		s := start(t, Config{Manner: m, Answer: func(Request) Answer { return a }})
		_, body := post(t, s, "", request(prompt, true))
		if got := strings.Count(body, "event: content_block_delta"); got < 40 {
			t.Errorf("%s came in %d pieces, want a piece a token", name, got)
		}
		if r := s.Log()[0]; r.Ended.Sub(r.Arrived) < 250*time.Millisecond {
			t.Errorf("%s took %v, want at least 250ms", name, r.Ended.Sub(r.Arrived))
		}
		if r, _ := post(t, s, "", request(prompt, false)); r.StatusCode != 200 {
			t.Errorf("%s, not streamed: %d", name, r.StatusCode)
		}
		if r := s.Log()[1]; r.Ended.Sub(r.Arrived) < 250*time.Millisecond {
			t.Errorf("%s, not streamed, took %v, want at least 250ms", name, r.Ended.Sub(r.Arrived))
		}
	}
}

func TestRemainingIsCountedAtAdmissionOrAtTheAnswer(t *testing.T) {
	for atAdmission, want := range map[bool]string{true: "4", false: "3"} {
		// 1. a is let through and waits for its answer
		// 2. b is let through and answered
		// 3. a is answered
		second := make(chan struct{})
		s := start(t, Config{
			Limits: Limits{Requests: Limit{PerMinute: 1, Burst: 5}},
			Manner: Manner{AtAdmission: atAdmission},
			Answer: func(r Request) Answer {
				if r.Session == "a" {
					<-second
				}
				return Answer{}
			},
		})
		remaining := make(chan string)
		go func() {
			res, _ := post(t, s, "a", request(prompt, true))
			remaining <- res.Header.Get("anthropic-ratelimit-requests-remaining")
		}()
		for len(s.Log()) == 0 {
			time.Sleep(time.Millisecond)
		}
		post(t, s, "b", request(prompt, true))
		close(second)
		if got := <-remaining; got != want {
			t.Errorf("counted at admission %v: %s remain, want %s", atAdmission, got, want)
		}
	}
}

func TestATerseServer(t *testing.T) {
	limits := Limits{Requests: Limit{PerMinute: 1, Burst: 1}, Input: Limit{PerMinute: 30000}}
	for _, c := range []struct {
		name                         string
		manner                       Manner
		limit, remaining, tokens     string // of an answer
		retryAfter, message, missing string // of a rejection
	}{
		{"says all", Manner{}, "1", "0", "30000", "60", "of 1 requests per minute (org: ", ""},
		{"has no headers", Manner{Headers: None}, "", "", "", "60", "of 1 requests per minute (org: ", ""},
		{"lies", Manner{Headers: Lies}, "50", "42", "", "60", "of 1 requests per minute (org: ", ""},
		{"does not say when", Manner{NoRetryAfter: true}, "1", "0", "30000", "", "of 1 requests per minute (org: ", ""},
		{"does not name the limit", Manner{Unnamed: true}, "1", "0", "30000", "60", "would exceed your organization's rate limit. For", "per minute"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, Config{Limits: limits, Manner: c.manner})
			check := func(res *http.Response) {
				t.Helper()
				for name, want := range map[string]string{"requests-limit": c.limit, "requests-remaining": c.remaining, "input-tokens-limit": c.tokens} {
					if got := res.Header.Get("anthropic-ratelimit-" + name); got != want {
						t.Errorf("%d: %s = %q, want %q", res.StatusCode, name, got, want)
					}
				}
			}
			res, _ := post(t, s, "", request(prompt, true))
			check(res)
			res, body := post(t, s, "", request(prompt, true))
			check(res)
			if got := strings.Replace(res.Header.Get("retry-after"), "59", "60", 1); res.StatusCode != 429 || got != c.retryAfter {
				t.Errorf("retry-after = %q, want %q", got, c.retryAfter)
			}
			if !strings.Contains(body, c.message) || c.missing != "" && strings.Contains(body, c.missing) {
				t.Errorf("message = %s, want %q in it, not %q", body, c.message, c.missing)
			}
		})
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[float64]string{50: "50", 1000: "1,000", 30000: "30,000", 1234567: "1,234,567", 0.5: "0.5", 1000.25: "1,000.25"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%v) = %s, want %s", n, got, want)
		}
	}
}

func TestAMannerInWords(t *testing.T) {
	m := Late()
	if err := m.Set("lying-headers,no-retry-after,unnamed-limit,at-admission"); err != nil {
		t.Fatal(err)
	}
	m.Speed = 50
	if got, want := m, (Manner{FirstToken: 800 * time.Millisecond, Jitter: .25, Speed: 50, Headers: Lies, NoRetryAfter: true, Unnamed: true, AtAdmission: true}); got != want {
		t.Errorf("Set gives %+v, want %+v", got, want)
	}
	const want = "answers after 0.8 s ± 25 %, then 50 tokens a second, counts what remains at admission, with headers that lie, " +
		"without retry-after, without naming the limit"
	if got := m.String(); got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	if got := (Manner{}).String(); got != "answers at once" {
		t.Errorf("String of the zero Manner = %q", got)
	}
	if err := m.Set("no-headers,nonsense"); err == nil || !strings.Contains(err.Error(), `not "nonsense"`) {
		t.Errorf("Set of nonsense: %v", err)
	}
}

// With limits per model, a call of one takes nothing of another's, and a change of the limits is a change of all.
func TestModelsMayBeLimitedApart(t *testing.T) {
	for perModel, want := range map[bool]int{false: 429, true: 200} {
		s := start(t, Config{Limits: Limits{Requests: Limit{PerMinute: 1, Burst: 1}}, Manner: Manner{PerModel: perModel}})
		of := func(model string) int {
			res, _ := post(t, s, "", `{"model":"`+model+`","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`)
			return res.StatusCode
		}
		if a, b, again := of("a"), of("b"), of("a"); a != 200 || b != want || again != 429 {
			t.Errorf("per model %v: a, b and a again got %d, %d and %d, want 200, %d, 429", perModel, a, b, again, want)
		}
		s.SetLimits(Limits{})
		if a, b := of("a"), of("b"); a != 200 || b != 200 {
			t.Errorf("per model %v, without a limit: %d and %d, want 200", perModel, a, b)
		}
	}
}
