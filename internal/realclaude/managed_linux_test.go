package realclaude_test

import (
	"os"
	"os/exec"
	"testing"

	. "afteryou/internal/realclaude"
)

// The session sees the settings, and the rest of /etc; the outside sees nothing of them.
func TestManagedSettingsAreOneSessionsAlone(t *testing.T) {
	const path = "/etc/claude-code/managed-settings.json"
	before, _ := os.ReadFile(path)
	s, err := Managed(Session{Path: "cat", Args: []string{path, "/etc/hostname"}}, t.TempDir(), Guarded)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(s.Path, s.Args...).CombinedOutput()
	if err != nil || string(out) != Guarded+string(host) {
		t.Errorf("%v prints %q, %v", s.Args, out, err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("outside stands %q in %s", after, path)
	}
}
