package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// 1. A partner dies of which six requests ask at once: one other takes over for all, and is told of the session. 2. Three requests
// are stopped at once: the partner hears of each.
func TestRealModuleOutlivesItsPartner(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs node")
	}
	module, err := os.ReadFile(filepath.Join("plugin", "hooks", "afteryou.js"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "afteryou.mjs") // as which every node reads it
	write(t, path, string(module))
	out, err := exec.CommandContext(t.Context(), "node", "tests/testdata/module/partner.mjs", path).CombinedOutput()
	want := `{"partners":2,"alone":0,"asked":11,"gone":3,"informed":[1,1]}`
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Errorf("the partners were told %s, %v, want %s", got, err, want)
	}
}
