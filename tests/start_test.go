package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
)

// takesAway is a claude that removes the state directory before the real one reads what it was started with.
const takesAway = `#!/bin/sh
[ "$*" = --version ] || rm -rf "$XDG_STATE_HOME/afteryou"
exec "$REAL_CLAUDE" "$@"
`

// The state directory may go away at any moment, also right after the start: the session starts, with its hooks.
func TestRealSessionStartsWithoutItsStateDirectory(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(1)})
	script := filepath.Join(m.dir, "claude")
	if err := os.WriteFile(script, []byte(takesAway), 0o700); err != nil {
		t.Fatal(err)
	}
	own := `{"includeCoAuthoredBy":false}` // of the person's, who shows it already
	m.print(m.session("one", "AFTERYOU_CLAUDE="+script, "REAL_CLAUDE="+m.claude))
	m.print(m.session("two", "AFTERYOU_CLAUDE="+script, "REAL_CLAUDE="+m.claude), "--settings", own)
	if data, err := os.ReadFile(filepath.Join(m.stateDir(), "state.json")); err != nil || !strings.Contains(string(data), `"accounts"`) {
		t.Errorf("the hooks left the state %s, %v", data, err)
	}
}

// A version that shares among sessions what stands on its command line gets the hooks in a file.
func TestAnOldVersionGetsItsHooksInAFile(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.write("real/claude", strings.Replace(stub, "2.1.330", "2.1.118", 1), 0o700)
	o := p.run("run", "--", "hello")
	if len(o.args) < 2 || o.args[0] != "--settings" {
		t.Fatalf("claude gets %q", o.args)
	}
	if data, err := os.ReadFile(o.args[1]); err != nil || !strings.Contains(string(data), `"SessionStart"`) {
		t.Errorf("the settings are %q, %v", data, err)
	}
}
