package tests

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// The module tells the kinds of the captured requests apart, and whose they are, of which model, and how long Claude Code bears to wait.
func TestRealModuleTellsKindsApart(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/claude-2.1.332/requests/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("captures %v, %v", files, err)
	}
	out := played(t, "kinds.mjs", files...)
	var kinds map[string]string
	if err := json.Unmarshal([]byte(out), &kinds); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	want := map[string]string{"main": "||claude-opus-5-5|600", "subagent": "|a1|claude-opus-5-5|600", "title": "title||", "compact": "compact||",
		"suggest": "suggest||", "aside": "aside||",
		"check": "check||claude-sonnet-5|60", "tool-fetch": "fetch||", "tool-search": "search||", "hook": "hook||", "quota": "quota||", "count": "passes"}
	for file, got := range kinds {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		kind, _, _ := strings.Cut(name, "-")
		expected, ok := want[name]
		if !ok {
			expected = want[kind]
		}
		if expected == "" || !strings.HasPrefix(got, expected) {
			t.Errorf("%s: the partner is told %q, want %q", name, got, expected)
		}
	}
}
