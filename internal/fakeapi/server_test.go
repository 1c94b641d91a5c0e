package fakeapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func start(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

const prompt = `{"role":"user","content":[{"type":"text","text":"<system-reminder>\nbe kind\n</system-reminder>"},{"type":"text","text":"hello"}]}`

func request(messages string, stream bool) string {
	return fmt.Sprintf(`{"model":"claude-test","max_tokens":100,"stream":%v,"tools":[{"name":"Bash"}],"messages":[%s]}`, stream, messages)
}

func post(t *testing.T, s *Server, session, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/v1/messages?beta=true", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Claude-Code-Session-Id", session)
	if session == "auto" {
		req.Header.Set("Anthropic-Beta", "interleaved-thinking-2025-05-14,dangerous-tool-use-2026-09-03")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(data)
}

// kinds lists the events of a stream.
func kinds(stream string) string {
	var list []string
	for lines := bufio.NewScanner(strings.NewReader(stream)); lines.Scan(); {
		if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			list = append(list, kind)
		}
	}
	return strings.Join(list, " ")
}

func TestStreamHasTheEventsOfTheAPI(t *testing.T) {
	s := start(t, Config{Answer: Agentic(2)})
	res, body := post(t, s, "s1", request(prompt, true))
	if got := res.Header.Get("content-type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Errorf("content-type = %q", got)
	}
	const want = "message_start ping content_block_start content_block_delta content_block_stop message_delta message_stop"
	if got := kinds(body); got != want {
		t.Errorf("events = %q, want %q", got, want)
	}
	for _, part := range []string{`"name":"Bash"`, `echo step 1`, `"stop_reason":"tool_use"`} {
		if !strings.Contains(body, part) {
			t.Errorf("stream lacks %s:\n%s", part, body)
		}
	}
}

func TestAgenticCountsToolResultsSinceThePrompt(t *testing.T) {
	s := start(t, Config{Answer: Agentic(3)})
	result := `{"role":"assistant","content":[]},{"role":"user","content":[{"type":"tool_result","content":"x"},{"type":"text","text":"<system-reminder>late</system-reminder>"}]},{"role":"system","content":"note"}`
	for _, c := range []struct{ messages, want string }{
		{prompt, "echo step 1"},
		{prompt + "," + result, "echo step 2"},
		{prompt + "," + result + "," + result, "done"},
		{prompt + "," + result + "," + result + `,{"role":"user","content":"again"}`, "echo step 1"},
	} {
		if _, body := post(t, s, "s1", request(c.messages, false)); !strings.Contains(body, c.want) {
			t.Errorf("answer = %s, want %q in it", body, c.want)
		}
	}
	last := s.Log()[3]
	if last.LastText != "again" || last.Prompts != 2 || last.Results != 2 || last.Since != 0 || last.Session != "s1" {
		t.Errorf("last call = %+v", last)
	}
}

func TestBucketRejectsAsTheAPIDoes(t *testing.T) {
	s := start(t, Config{Limits: Limits{Requests: Limit{PerMinute: 1, Burst: 2}, Input: Limit{PerMinute: 100000}, Output: Limit{PerMinute: 8000}}})
	for i := range 2 {
		res, _ := post(t, s, "s1", request(prompt, true))
		if got, want := res.Header.Get("anthropic-ratelimit-requests-remaining"), fmt.Sprint(1-i); res.StatusCode != 200 || got != want {
			t.Fatalf("call %d: status %d, remaining %s, want 200, %s", i, res.StatusCode, got, want)
		}
	}
	res, body := post(t, s, "s1", request(prompt, true))
	if res.StatusCode != 429 || (res.Header.Get("retry-after") != "60" && res.Header.Get("retry-after") != "59") {
		t.Errorf("status %d, retry-after %s, want 429, 60", res.StatusCode, res.Header.Get("retry-after"))
	}
	var f failureBody
	if err := json.Unmarshal([]byte(body), &f); err != nil || f.Error.Type != "rate_limit_error" || f.RequestID != res.Header.Get("request-id") {
		t.Errorf("body = %s (%v)", body, err)
	}
	for _, name := range []string{"requests", "tokens", "input-tokens", "output-tokens"} {
		for _, field := range []string{"limit", "remaining"} {
			if res.Header.Get("anthropic-ratelimit-"+name+"-"+field) == "" {
				t.Errorf("no %s-%s header", name, field)
			}
		}
		if _, err := time.Parse(time.RFC3339, res.Header.Get("anthropic-ratelimit-"+name+"-reset")); err != nil {
			t.Errorf("reset of %s: %v", name, err)
		}
	}
	if r := s.Rejections(); len(r) != 1 || r[0].Scripted || r[0].Cost != (Usage{}) || r[0].RetryAfter < 59*time.Second {
		t.Errorf("Rejections = %+v", r)
	}
	s.refill()
	if res, _ := post(t, s, "s1", request(prompt, true)); res.StatusCode != 200 {
		t.Errorf("with full buckets: status %d", res.StatusCode)
	}
}

func (s *Server) refill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.buckets {
		*b = full(s.limits, time.Now())
	}
}

func TestOutputTokensAreTakenAtTheEnd(t *testing.T) {
	s := start(t, Config{
		Limits: Limits{Output: Limit{PerMinute: 60}},
		Answer: func(Request) Answer { return Answer{Text: "long", Usage: Usage{Input: 5, Output: 90}} },
	})
	post(t, s, "s1", request(prompt, true))
	res, _ := post(t, s, "s1", request(prompt, true))
	if got := res.Header.Get("retry-after"); res.StatusCode != 429 || (got != "31" && got != "30") {
		t.Errorf("status %d, retry-after %s, want 429, 31", res.StatusCode, got)
	}
}

func TestScriptedRejectionCostsNothing(t *testing.T) {
	s := start(t, Config{
		Limits: Limits{Requests: Limit{PerMinute: 0.001, Burst: 1}},
		Answer: Script(Agentic(1), RateLimited(75*time.Second), SpendLimited(), Overloaded()),
	})
	res, _ := post(t, s, "s1", request(prompt, true))
	if res.StatusCode != 429 || res.Header.Get("retry-after") != "75" {
		t.Errorf("first: %d %q", res.StatusCode, res.Header.Get("retry-after"))
	}
	res, body := post(t, s, "s1", request(prompt, true))
	if res.StatusCode != 429 || res.Header.Get("retry-after") != "" || !strings.Contains(body, "enforced_spend_limit_reached") {
		t.Errorf("second: %d %s", res.StatusCode, body)
	}
	if res, body := post(t, s, "s1", request(prompt, true)); res.StatusCode != 529 || !strings.Contains(body, "overloaded_error") {
		t.Errorf("third: %d %s", res.StatusCode, body)
	}
}

func TestUsageLimitHeaders(t *testing.T) {
	now := time.Unix(1795460000, 0)
	h := UsageLimited(now.Add(20*time.Second), now).Header
	for name, want := range map[string]string{
		"retry-after":                                      "20",
		"anthropic-ratelimit-unified-status":               "rejected",
		"anthropic-ratelimit-unified-reset":                "1795460020",
		"anthropic-ratelimit-unified-5h-reset":             "1795460020",
		"anthropic-ratelimit-unified-representative-claim": "five_hour",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestAnswersBreakOff(t *testing.T) {
	s := start(t, Config{})
	t.Run("reset mid-stream", func(t *testing.T) {
		s.SetAnswer(func(Request) Answer { return Answer{Cut: Reset} })
		res, err := http.Post(s.URL()+"/v1/messages", "application/json", strings.NewReader(request(prompt, true)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if data, err := io.ReadAll(res.Body); err == nil || !strings.Contains(string(data), "message_start") {
			t.Errorf("read %q, %v; want message_start and an error", data, err)
		}
	})
	t.Run("an error event", func(t *testing.T) {
		s.SetAnswer(func(Request) Answer { return Answer{Cut: ErrorEvent} })
		if _, body := post(t, s, "", request(prompt, true)); kinds(body) != "message_start ping error" {
			t.Errorf("events = %q", kinds(body))
		}
	})
	for name, cut := range map[string]Cut{"hang mid-stream": Hang, "silence": Silent} {
		t.Run(name, func(t *testing.T) {
			decided := make(chan struct{}, 1)
			s.SetAnswer(func(Request) Answer { decided <- struct{}{}; return Answer{Cut: cut} })
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				req, _ := http.NewRequestWithContext(ctx, "POST", s.URL()+"/v1/messages", strings.NewReader(request(prompt, true)))
				res, err := http.DefaultClient.Do(req)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				done <- err
			}()
			<-decided
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("client saw %v", err)
			}
		})
	}
	if got := len(s.Answers()); got != 0 {
		t.Errorf("%d Answers, want none whole", got)
	}
}

func TestCloseEndsCallsThatHang(t *testing.T) {
	decided := make(chan struct{})
	s := start(t, Config{Answer: func(Request) Answer { close(decided); return Answer{Cut: Silent} }})
	done := make(chan error)
	go func() {
		res, err := http.Post(s.URL()+"/v1/messages", "", strings.NewReader(request(prompt, true)))
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		done <- err
	}()
	<-decided
	s.Close()
	<-done
}

func TestLogProvesOverlap(t *testing.T) {
	// 1. a begins and waits until b has been let through: they overlap for certain
	// 2. c begins when both are over
	var both sync.WaitGroup
	both.Add(2)
	s := start(t, Config{Answer: func(r Request) Answer {
		if r.Session != "c" {
			both.Done()
			both.Wait()
		}
		return Answer{}
	}})
	var clients sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		clients.Go(func() { post(t, s, name, request(prompt, true)) })
	}
	clients.Wait()
	post(t, s, "c", request(prompt, true))
	log := s.Log()
	if len(log) != 3 || log[2].Session != "c" {
		t.Fatalf("log = %+v", log)
	}
	over := Overlapping(log)
	if len(over) != 1 || over[0].Seq != 2 {
		t.Errorf("Overlapping = %+v, want the second call", over)
	}
}

func TestOnRequestIsToldTwice(t *testing.T) {
	var mu sync.Mutex
	var told []bool
	s := start(t, Config{OnRequest: func(r Request) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r.Ended.IsZero())
	}})
	post(t, s, "a", request(prompt, true))
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 2 || !told[0] || told[1] {
		t.Errorf("told %v, want [true false]", told)
	}
}

func TestOtherRequests(t *testing.T) {
	s := start(t, Config{})
	res, err := http.Post(s.URL()+"/v1/messages/count_tokens", "application/json", strings.NewReader(request(prompt, false)))
	if err != nil {
		t.Fatal(err)
	}
	var count struct {
		N int `json:"input_tokens"`
	}
	if err := json.NewDecoder(res.Body).Decode(&count); err != nil || count.N == 0 {
		t.Errorf("count_tokens = %+v, %v", count, err)
	}
	res.Body.Close()
	if res, err = http.Head(s.URL()); err != nil || res.StatusCode != 200 {
		t.Errorf("HEAD / = %v, %v", res, err)
	}
	if res, err = http.Get(s.URL() + "/v1/models"); err != nil || res.StatusCode != 404 {
		t.Errorf("GET /v1/models = %v, %v", res, err)
	}
	if len(s.Log()) != 0 || len(s.Others()) != 3 {
		t.Errorf("log has %d, others %d; want 0, 3", len(s.Log()), len(s.Others()))
	}
}

func TestLatency(t *testing.T) {
	s := start(t, Config{Answer: Slow(120*time.Millisecond, Agentic(1))})
	post(t, s, "a", request(prompt, true))
	if r := s.Log()[0]; r.Ended.Sub(r.Arrived) < 120*time.Millisecond {
		t.Errorf("the call took %v, want at least 120ms", r.Ended.Sub(r.Arrived))
	}
}

func TestTheSafetyOfToolsIsToldWhereItIsAsked(t *testing.T) {
	s := start(t, Config{Answer: Agentic(2)})
	asks := func(stream bool) string {
		return strings.Replace(request(prompt, stream), "{", `{"safeguards":[{"type":"dangerous_tool_use","classifier_context":{}}],`, 1)
	}
	for _, c := range []struct{ body, want string }{
		{asks(true), `"delta":{"safeguard_results":[{"status":{"tool_uses":{"toolu_`},
		{asks(false), `"outcome":"not_flagged","type":"evaluated"`},
	} {
		if _, body := post(t, s, "auto", c.body); !strings.Contains(body, c.want) {
			t.Errorf("answer to %s = %s, want %s in it", c.body, body, c.want)
		}
	}
	for session, body := range map[string]string{"auto": request(prompt, true), "no header": asks(true)} {
		if _, body := post(t, s, session, body); strings.Contains(body, "safeguard_results") {
			t.Errorf("%s: unasked: %s", session, body)
		}
	}
	if log := s.Log(); !log[0].Checked || !log[1].Checked || log[2].Checked || log[3].Checked {
		t.Errorf("log = %+v", log)
	}
}
