package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each claim of docs/security.md ends with the test that proves it, and that test is there.
func TestSecurityNamesItsTests(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/security.md")
	var tests strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		tests.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(page, -1)
	if len(named) < 20 {
		t.Errorf("%d tests are named; most claims name none", len(named))
	}
	for _, name := range named {
		if !strings.Contains(tests.String(), "\nfunc "+name+"(t *testing.T) {") {
			t.Errorf("docs/security.md names %s, which is no test", name)
		}
	}
	// The betas that it says a base URL switches off are those that are seen to be.
	for _, beta := range switchedOff {
		if !strings.Contains(page, beta) {
			t.Errorf("docs/security.md lacks %s", beta)
		}
	}
}
