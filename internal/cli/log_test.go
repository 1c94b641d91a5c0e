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
		args []string
		want int
	}{{nil, 3}, {[]string{"--lines", "2"}, 2}, {[]string{"--lines", "0"}, 3}} {
		var out, errs bytes.Buffer
		code, err := runLog(tt.args, &out, &errs)
		if got := bytes.Count(out.Bytes(), []byte("\n")); code != 0 || err != nil || got != tt.want || !bytes.HasSuffix(out.Bytes(), []byte(" three\n")) {
			t.Errorf("log %q: %d, %v, %q, %q; want %d lines", tt.args, code, err, &out, &errs, tt.want)
		}
	}
}
