package fakeapi

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// frames takes the payloads out of AWS's event stream and checks its lengths and checksums.
func frames(t *testing.T, data []byte) (events []string) {
	t.Helper()
	for len(data) > 0 {
		total, headers := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
		if crc32.ChecksumIEEE(data[:8]) != binary.BigEndian.Uint32(data[8:]) ||
			crc32.ChecksumIEEE(data[:total-4]) != binary.BigEndian.Uint32(data[total-4:]) {
			t.Fatalf("a checksum of %q is wrong", data[:total])
		}
		var chunk struct{ Bytes []byte }
		if err := json.Unmarshal(data[12+headers:total-4], &chunk); err != nil {
			t.Fatal(err)
		}
		var event struct{ Type string }
		if err := json.Unmarshal(chunk.Bytes, &event); err != nil {
			t.Fatal(err)
		}
		events, data = append(events, event.Type), data[total:]
	}
	return events
}

// callCloud makes a call. No cloud's answer has a header that tells of limits.
func callCloud(t *testing.T, url, body string) (*http.Response, []byte) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name := range res.Header {
		if name == "Retry-After" || strings.HasPrefix(name, "Anthropic-") {
			t.Errorf("%d: a header %s", res.StatusCode, name)
		}
	}
	return res, data
}

func TestClouds(t *testing.T) {
	// the body of both has no model, Bedrock's does not say whether to stream either
	const body = `{"anthropic_version":"x","max_tokens":100,"messages":[` + prompt + `]}`
	const events = "message_start ping content_block_start content_block_delta content_block_stop message_delta message_stop"
	for _, c := range []struct {
		name, path       string
		stream           bool
		named, unnamed   string
		tokens           string
		errorType, model string
	}{
		{"Vertex AI", "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-x@1:streamRawPredict", true,
			"online_prediction_requests_per_base_model", "Resource exhausted.", "online_prediction_input_tokens_per_minute_per_base_model", "", "claude-x@1"},
		{"Vertex AI, not streamed", "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-x@1:rawPredict", false,
			"online_prediction_requests_per_base_model", "Resource exhausted.", "online_prediction_input_tokens_per_minute_per_base_model", "", "claude-x@1"},
		{"Bedrock", "/model/us.anthropic.claude-x%3A0/invoke-with-response-stream", true,
			"Too many requests, please wait", "Too many requests", "Too many tokens, please wait", "ThrottlingException", "us.anthropic.claude-x:0"},
		{"Bedrock, not streamed", "/model/us.anthropic.claude-x%3A0/invoke", false,
			"Too many requests, please wait", "Too many requests", "Too many tokens, please wait", "ThrottlingException", "us.anthropic.claude-x:0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, Config{Limits: Limits{Requests: Limit{PerMinute: 1, Burst: 1}}})
			res, data := callCloud(t, s.URL()+c.path, body)
			got := ""
			switch {
			case !c.stream:
				got = events
				if !bytes.Contains(data, []byte(`"type":"message"`)) {
					t.Errorf("answer = %s", data)
				}
			case c.errorType != "":
				got = strings.Join(frames(t, data), " ")
			default:
				got = kinds(string(data))
			}
			if res.StatusCode != 200 || got != events {
				t.Errorf("%d, events = %q", res.StatusCode, got)
			}
			if r := s.Log()[0]; r.Model != c.model || r.Stream != c.stream {
				t.Errorf("model %q, stream %v, want %q, %v", r.Model, r.Stream, c.model, c.stream)
			}
			rejected := func(s *Server, want string) {
				t.Helper()
				res, data := callCloud(t, s.URL()+c.path, body)
				if res.StatusCode != 429 || !bytes.Contains(data, []byte(want)) || res.Header.Get("x-amzn-errortype") != c.errorType {
					t.Errorf("%d %s, %q; want %q", res.StatusCode, data, res.Header.Get("x-amzn-errortype"), want)
				}
				if c.errorType == "" && !bytes.Contains(data, []byte(`"status":"RESOURCE_EXHAUSTED"`)) {
					t.Errorf("body = %s", data)
				}
			}
			rejected(s, c.named)
			s.refill()
			s.SetAnswer(func(Request) Answer { return RateLimited(time.Minute) })
			rejected(s, c.unnamed)
			tokens := start(t, Config{Limits: Limits{Input: Limit{PerMinute: 1}}})
			callCloud(t, tokens.URL()+c.path, body)
			rejected(tokens, c.tokens)
		})
	}
}

// Bedrock takes all the input and max_tokens when a call comes, and gives back at its end what was not used.
func TestQuota(t *testing.T) {
	answering, goOn := make(chan bool), make(chan bool)
	first := true
	s := start(t, Config{Limits: Limits{Quota: Limit{PerMinute: 200000}}, Cost: func(Request) Usage { return Usage{CacheCreation: 1000, CacheRead: 99000} },
		Answer: func(Request) Answer {
			if first {
				first = false
				answering <- true
				<-goOn
			}
			return Answer{Usage: Usage{CacheCreation: 1000, CacheRead: 99000, Output: 100}}
		}})
	const body = `{"anthropic_version":"x","max_tokens":32000,"messages":[` + prompt + `]}`
	call := func() int {
		res, err := http.Post(s.URL()+"/model/m/invoke", "application/json", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	done := make(chan int)
	go func() { done <- call() }()
	<-answering
	if status := call(); status != http.StatusTooManyRequests {
		t.Errorf("while 132000 of 200000 are reserved a call of as many is answered %d, want 429", status)
	}
	goOn <- true
	if status := <-done; status != http.StatusOK {
		t.Errorf("the first is answered %d, want 200", status)
	}
	if status := call(); status != http.StatusOK {
		t.Errorf("once the first is over, which took 1500, the next is answered %d, want 200", status)
	}
}
