package realclaude_test

import (
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	. "afteryou/internal/realclaude"
)

// Claude Code works on the clouds as it does on the first party: a 429, which says neither when to come again nor how the
// limits stand, is retried; a tool runs; the answer arrives.
func TestRealClouds(t *testing.T) {
	for name, c := range map[string]struct{ path, says string }{
		"vertex":  {"/v1/projects/p/locations/us-east5/publishers/anthropic/models/", "Resource exhausted"},
		"bedrock": {"/model/", "Too many requests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, fakeapi.Config{Answer: fakeapi.Script(
				fakeapi.AgenticCommand(2, func(int) string { return "echo ran > proof" }), fakeapi.RateLimited(time.Minute))})
			s, home := fresh(t, api, Cloud(name, api.URL())...)
			printsAfterItsTool(t, s)
			log := api.Log()
			if len(log) != 3 || log[0].Status != 429 || log[0].RetryAfter != 0 || !strings.HasPrefix(log[2].Path, c.path) || log[2].Model == "" || !log[2].Stream {
				t.Fatalf("log = %+v, want a rejection and two streamed answers under %s", log, c.path)
			}
			path, err := Transcript(home, "")
			if err != nil {
				t.Fatal(err)
			}
			rows := chosen(t, path, []string{"api_error"})
			if len(rows) != 1 || !strings.Contains(string(rows[0]), c.says) {
				t.Errorf("the transcript tells of %s, want one rejection: %s", rows, c.says)
			}
		})
	}
}
