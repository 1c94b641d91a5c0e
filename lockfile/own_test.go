package lockfile

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"afteryou/internal/turn"
)

func TestSettingsOfTheDeadAreSweptAway(t *testing.T) {
	s := open(t)
	cmd := other(t, "idle", "")
	path := func(p turn.Process) string {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(s.dir, settings+base64.RawURLEncoding.EncodeToString(data)+".json")
	}
	alive, dead := path(Identify(cmd.Process.Pid)), path(turn.Process{PID: cmd.Process.Pid, Start: 1})
	elsewhere, long := path(turn.Process{PID: 1, Start: 1, Host: "another/1"}), path(turn.Process{PID: 1, Start: 2, Host: "another/1"})
	for _, file := range []string{elsewhere, long, alive, dead, dead + ".tmp", s.Settings(), filepath.Join(s.dir, settings+"x.json")} {
		ago := time.Now().Add(-2 * young)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, ago, ago)); err != nil {
			t.Fatal(err)
		}
	}
	fresh := path(turn.Process{PID: cmd.Process.Pid, Start: 2}) // of whom we can't see yet, perhaps
	if err := os.WriteFile(fresh, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ago := time.Now().Add(-2 * old)
	if err := os.Chtimes(long, ago, ago); err != nil {
		t.Fatal(err)
	}
	s.Sweep()
	got, _ := filepath.Glob(filepath.Join(s.dir, settings+"*"))
	want := []string{elsewhere, alive, s.Settings(), filepath.Join(s.dir, settings+"x.json"), fresh}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}
