package tests

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Work of -p beyond what the smallest key may do is pointed to the API that is made for it; that of a person is not.
func TestUsageHintsAtBatches(t *testing.T) {
	t.Parallel()
	for entrypoint, want := range map[string]bool{"sdk-cli": true, "cli": false} {
		p := newPerson(t)
		var rows strings.Builder
		now := time.Now().UTC()
		for i := range 60 {
			fmt.Fprintf(&rows, `{"type":"assistant","entrypoint":"%s","sessionId":"s","cwd":"/w","timestamp":"%s","message":{"id":"m%d","model":"claude-x","usage":{"input_tokens":1}}}`+"\n",
				entrypoint, now.Add(time.Duration(i-60)*500*time.Millisecond).Format(time.RFC3339Nano), i)
		}
		p.write(".claude/projects/work/s.jsonl", rows.String(), 0o600)
		o := p.run("usage")
		if o.code != 0 || o.errs != "" || !strings.Contains(o.out, "last minute") || strings.Contains(o.out, "hint: -p asked 60 times in one minute") != want {
			t.Errorf("%s: exit %d, says %q and\n%s", entrypoint, o.code, o.errs, o.out)
		}
	}
	p := newPerson(t)
	if o := p.run("usage"); o.code != 0 || !strings.HasPrefix(o.out, "no requests in ~/.claude since ") {
		t.Errorf("nothing there: exit %d, says %q and %q", o.code, o.errs, o.out)
	}
	if o := p.run("usage", "--since", "0s"); o.code != exitUsage {
		t.Errorf("--since 0s: exit %d", o.code)
	}
}
