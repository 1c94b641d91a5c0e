package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each flag that the code declares is in the table, and each setting is a flag of run.
func TestTheTableHasEachFlagOfTheCode(t *testing.T) {
	known := make(map[string]bool)
	for _, c := range allCommands() {
		for _, o := range c.options {
			known[o.name] = true
		}
	}
	for _, file := range []string{"status.go", "install.go", "doctor.go", "config.go", "demo.go", "log.go", "limits.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`flags\.\w+\((?:&[\w.]+, )?"([\w-]+)"`).FindAllStringSubmatch(string(source), -1) {
			if !known[m[1]] {
				t.Errorf("%s takes --%s, and help does not say so", file, m[1])
			}
		}
	}
	for _, name := range names {
		if name := strings.ReplaceAll(name, "_", "-"); !known[name] {
			t.Errorf("help lacks the setting %s", name)
		}
	}
}
