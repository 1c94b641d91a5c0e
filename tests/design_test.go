package tests

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What docs/design.md says of who imports whom, and of who owns which dependency, is so.
func TestDesignTellsWhoImportsWhom(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/design.md")
	var told []string
	for _, b := range parsePage("", text).blocks {
		if len(b.lines) > 0 && strings.HasPrefix(b.lines[0], "main ") {
			for _, line := range b.lines {
				told = append(told, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	out, err := exec.Command("go", "list", "-f", `{{if .GoFiles}}{{.ImportPath}} {{join .Imports " "}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var is []string
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path == "" {
			continue // tests alone
		}
		list := []string{strings.Replace(shortPath(path), "afteryou", "main", 1)}
		for _, one := range strings.Fields(imports) {
			if strings.HasPrefix(one, "afteryou/") || strings.Contains(one, ".") {
				list = append(list, shortPath(one))
			}
		}
		slices.SortFunc(list[1:], func(a, b string) int { // ours first
			if x, y := strings.Contains(a, "."), strings.Contains(b, "."); x != y {
				if y {
					return -1
				}
				return 1
			}
			return strings.Compare(a, b)
		})
		is = append(is, strings.Join(list, " "))
	}
	for _, line := range is {
		name, _, _ := strings.Cut(line, " ")
		if !regexp.MustCompile("(?m)^\\|.*`" + name + "`.* \\| ").MatchString(text) {
			t.Errorf("docs/design.md does not say what package %s is", name)
		}
		if !slices.Contains(told, line) {
			t.Errorf("docs/design.md lacks the line %q", line)
		}
	}
	for _, line := range told {
		if !slices.Contains(is, line) {
			t.Errorf("docs/design.md says %q, which is not so", line)
		}
	}
}

// shortPath is a package's import path as docs/design.md names it.
func shortPath(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, "afteryou/"), "internal/")
}
