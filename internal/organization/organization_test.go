package organization

import (
	"os"
	"reflect"
	"testing"
	"time"

	"afteryou/internal/limit"
)

// What was told is kept for a month, and asked for anew after a day; what can't be is not believed.
func TestTold(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	if _, ok := Read(dir, "a", now); ok {
		t.Error("something is kept before it was told")
	}
	told := Told{"https://api", now, limit.Groups{{Models: []string{"claude-opus-5"}, Requests: 50}}}
	if err := told.Write(dir, "a"); err != nil {
		t.Fatal(err)
	}
	for later, want := range map[time.Duration][2]bool{0: {true, true}, 23 * time.Hour: {true, true}, 25 * time.Hour: {true, false}, 31 * 24 * time.Hour: {false, false}} {
		got, ok := Read(dir, "a", now.Add(later))
		if ok != want[0] || ok && (!reflect.DeepEqual(got, told) || got.Fresh(now.Add(later)) != want[1]) {
			t.Errorf("%v later: %+v, %v", later, got, ok)
		}
	}
	if _, ok := Read(dir, "b", now); ok {
		t.Error("it is another account's too")
	}
	for _, text := range []string{"", "{", `{"at":"2026-11-27T12:00:00Z","groups":[{"models":[]}]}`, `{"at":"2026-11-27T12:00:00Z","groups":[{"models":["x"],"requests_per_minute":-1}]}`} {
		if err := os.WriteFile(path(dir, "a"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := Read(dir, "a", now); ok {
			t.Errorf("%q is believed: %+v", text, got)
		}
	}
}
