package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"afteryou/internal/limit"
)

// The server's headers set the pace at the first answer, per class of models, by whatever binds.
func TestHeadersSetThePace(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Anthropic-Ratelimit-Requests-Limit", "60")
		w.Header().Set("Anthropic-Ratelimit-Requests-Remaining", "59")
		w.Header().Set("Anthropic-Ratelimit-Input-Tokens-Limit", "30000")
		w.Header().Set("Anthropic-Ratelimit-Input-Tokens-Remaining", "29000")
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":400,\"cache_creation_input_tokens\":600,\"cache_read_input_tokens\":9999}}}\n\n")
		fmt.Fprintf(w, "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":50}}\n\n")
	})
	if status, _, err := s.do(s.call(s.gateway.URL(), "a", `{"model":"claude-sonnet-4-5"}`)); status != 200 {
		t.Fatal(status, err)
	}
	s.settles(0, 0)
	v, err := s.store.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	l := v.State.Account(v.State.AccountID(key)).Class("sonnet-4")
	for _, c := range v.State.Account(v.State.AccountID(key)).Calls {
		if want := (limit.Costs{Input: 1000, Output: 50, Whole: 10999, Cached: 10599}); c.Took != want {
			t.Errorf("it took %+v, want %+v", c.Took, want)
		}
	}
	if l.First != (limit.Costs{Input: 1000, Output: 50}) || l.Pace.Limit != 1 || l.Tokens.Input.Rate != 500 || l.Tokens.Input.Top != 29000 {
		t.Errorf("costs %+v, limit %v calls/s, tokens %+v; want 1000 and 50, 1, and 500/s, 29000 at most", l.First, l.Pace.Limit, l.Tokens.Input)
	}
}

func TestModelOf(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":"a"}`: "a", `{"x":{"model":"b"},"y":[1,{"model":"c"}],"model":"a"}`: "a", `{"x":{"model":"b"}}`: "",
		`{"model":1}`: "", `[`: "", ``: "", `{"model":"a`: "", `{"model":"a",{{`: "a",
	} {
		if got := modelOf(strings.NewReader(body)); got != want {
			t.Errorf("modelOf(%s) = %q, want %q", body, got, want)
		}
	}
}

func FuzzModel(f *testing.F) {
	f.Add(`{"model":"claude","x":[1]}`)
	f.Fuzz(func(t *testing.T, body string) { modelOf(strings.NewReader(body)) })
}

// However an answer is cut into pieces, it tells the same.
func FuzzUsage(f *testing.F) {
	f.Add(sse+"data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":7}}\r\n\r\n", 5)
	f.Fuzz(func(t *testing.T, answer string, n int) {
		h := http.Header{"Content-Type": {"text/event-stream"}}
		whole, parts := newUsage(h), newUsage(h)
		whole.feed([]byte(answer))
		whole.end()
		for rest := answer; rest != ""; {
			i := min(len(rest), max(1, n))
			parts.feed([]byte(rest[:i]))
			rest = rest[i:]
		}
		parts.end()
		if whole.costs != parts.costs {
			t.Errorf("in one piece %+v, in pieces of %d %+v", whole.costs, n, parts.costs)
		}
	})
}
