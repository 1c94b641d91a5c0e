package wrapper

import (
	"slices"
	"strings"
	"testing"
)

// Who reads along and panics is told of once and reads no more; every byte is shown and typed as before.
func TestAPanicOfAReaderCostsTheReaderAlone(t *testing.T) {
	s := newScreen(t)
	before := odd(t, s)
	s.start(as("panic", as("rawecho")...))
	go s.read()
	s.expect("ready")
	for _, keys := range []string{"first", "second", "third"} {
		s.typeKeys(keys)
		s.expect(keys)
	}
	s.typeKeys("Q")
	if code := s.exit(); code != 0 {
		t.Errorf("exit code: got %d, want the program's 0", code)
	}
	if after := settings(t, s); after != before {
		t.Errorf("settings: got %+v, want %+v", after, before)
	}
	said := []string{s.said(), s.said()}
	slices.Sort(said)
	for i, over := range []string{"first", "ready"} {
		if want := "panic: fell over \"" + over[:1]; !strings.HasPrefix(said[i], want) || !strings.Contains(said[i], "wrapper.(*sideCopy).run") {
			t.Errorf("told %q, want %q… and where", said[i], want)
		}
	}
	s.gone()
}
