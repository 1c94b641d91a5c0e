package tests

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// 1. A partner dies before it says where it is: that does not mean that there is none. 2. One dies of which six requests ask at once:
// one other takes over for all, and is told of the session. 3. That one dies while nobody asks: another is there before somebody
// does. 4. Three requests are stopped at once: the partner hears of each. 5. Claude Code ends its partner, then itself:
// there is no other.
func TestRealModuleOutlivesItsPartner(t *testing.T) {
	t.Parallel()
	got := played(t, "partner.mjs")
	want := `{"partners":4,"alone":0,"marks":"1,2,3","asked":11,"gone":3,"informed":[0,1,1,1]}`
	if got != want {
		t.Errorf("the partners were told %s, want %s", got, want)
	}
}

// played is what a script prints that plays a Claude Code to the module.
func played(t *testing.T, script string, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs node")
	}
	path := filepath.Join(t.TempDir(), "afteryou.mjs") // as which every node reads it
	write(t, path, read(t, modulePath))
	args = append([]string{filepath.Join("tests/testdata/module", script), path}, args...)
	out, err := exec.CommandContext(t.Context(), "node", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// The turn of a step's request is asked for before that comes, once it is known what the loop's requests take. One that is not used
// is given back, and nobody is asked twice for the same.
func TestRealModuleAsksAhead(t *testing.T) {
	t.Parallel()
	got := make(map[string]string)
	if out := played(t, "ahead.mjs"); json.Unmarshal([]byte(out), &got) != nil {
		t.Fatalf("%q", out)
	}
	for step, want := range map[string]string{ // number, model and size of each
		"the first of a loop":         "ask 1 m short, sent, answer 1 m short, used",
		"the second":                  "early 2 m short, sent, answer 2 m long, used",
		"one that waits":              "early 3 m long, ask 3 m short, sent, answer 3 m short, used",
		"sent again by Claude Code":   "early 4 m short, sent, answer 4 m short, ask 5 m short, sent, answer 5 m short, used",
		"of another model":            "early 6 m short, ask 7 other short, sent, answer 7 other short, used, gone 6",
		"of the model again":          "ask 8 m short, sent, answer 8 m short, used",
		"known by now":                "early 9 m short, sent, answer 9 m short, used",
		"beside a subagent's":         "early 10 m short, ask 11 m short, sent, answer 11 m short, sent, answer 10 m short, used",
		"without a request":           "early 12 m short, used, gone 12",
		"whose request comes late":    "early 13 m short, gone 13, ask 14 m short, sent, answer 14 m short, used",
		"stopped before its request":  "early 15 m short, used, gone 15",
		"after one without an answer": "ask 16 m short, sent, answer 16 m short, used",
	} {
		if got[step] != want {
			t.Errorf("%s: the partner is told\n%s, want\n%s", step, got[step], want)
		}
		delete(got, step)
	}
	if len(got) > 0 {
		t.Errorf("besides, %v", got)
	}
}
