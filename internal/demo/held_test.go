package demo

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestWhoHeldTheCalls(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "afteryou", "state.json")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	h := look([]string{dir})
	h.read(path)
	for _, state := range []string{
		`{"sessions":{"a":{},"b":{},"c":{"gateway":true},"else":{}}}`, // the module of a has not told yet
		`{"sessions":{"a":{"gate":"module"},"b":{}}}`,
		`{"sessions":`, // is none
		`{"sessions":{"a":{}}}`,
	} {
		if err := os.WriteFile(path, []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		h.read(path)
	}
	h.stop(nil) // twice is once
	if got, want := h.stop([]string{"a", "b", "c", "d"}), (map[Gate]int{Module: 1, Hooks: 1, Through: 1}); !maps.Equal(got, want) {
		t.Errorf("held by %v, want %v", got, want)
	}
}
