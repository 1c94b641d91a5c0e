package realclaude_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
	. "afteryou/internal/realclaude"
)

// unchecked has Claude Code check tools by itself, with a request for each that is not plainly safe.
const unchecked = "CLAUDE_CODE_AUTO_MODE_SERVER=0"

// A tool runs once its check says that it is safe, and is refused where no check can be had.
func TestRealChecksAreRequestsOfTheirOwn(t *testing.T) {
	for name, limited := range map[string]bool{"safe": false, "limited": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agentic := fakeapi.AgenticCommand(2, func(int) string { return "sh -c 'echo ran > proof'" })
			api := serve(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
				if r.Kind == fakeapi.Check && limited {
					return fakeapi.RateLimited(0)
				}
				return agentic(r)
			}})
			s, _ := fresh(t, api, unchecked)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := Print(ctx, s, "hello", "--permission-mode", "auto")
			if err != nil || r.Code != 0 || strings.TrimSpace(r.Stdout) != "done" {
				t.Errorf("Print = %+v, %v", r, err)
			}
			refused, checks := 0, 0
			for _, r := range api.Log() {
				refused = max(refused, r.Refused)
				if r.Kind == fakeapi.Check {
					checks++
				}
			}
			_, err = os.Stat(filepath.Join(s.Dir, "proof"))
			if ran := err == nil; checks == 0 || ran == limited || limited != (refused == 1) {
				t.Errorf("%d checks, %d tools refused, the tool ran: %v", checks, refused, ran)
			}
		})
	}
}
