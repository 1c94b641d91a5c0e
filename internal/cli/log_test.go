package cli

import (
	"bytes"
	"testing"

	"github.com/adrg/xdg"

	"afteryou/lockfile"
)

func TestLogShowsItsEnd(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	xdg.Reload()
	t.Cleanup(xdg.Reload)
	store, err := lockfile.Open(stateDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one", "two", "three"} {
		store.Log("%s", line)
	}
	for _, tt := range []struct {
		last int
		want int
	}{{40, 3}, {2, 2}, {0, 3}} {
		var out bytes.Buffer
		code, err := printLog(&out, tt.last)
		if got := bytes.Count(out.Bytes(), []byte("\n")); code != 0 || err != nil || got != tt.want || !bytes.HasSuffix(out.Bytes(), []byte(" three\n")) {
			t.Errorf("the last %d lines: %d, %v, %q; want %d lines", tt.last, code, err, &out, tt.want)
		}
	}
}
