package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// design is docs/design.md.
func design(t *testing.T) page { return parsePage("docs/design.md", read(t, "docs/design.md")) }

// section is the prose under a heading of the second level.
func (p page) section(heading string) string {
	_, text, _ := strings.Cut(p.prose, "\n## "+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// blockOf is the fenced block whose first line begins with text.
func (p page) blockOf(text string) (lines []string) {
	for _, b := range p.blocks {
		if len(b.lines) > 0 && strings.HasPrefix(b.lines[0], text) {
			return b.lines
		}
	}
	return nil
}

// quoted are the words between back-quotes.
func quoted(text string) (words []string) {
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

// imports are lines of a package, as docs/design.md names it, and of what it imports that is not in the standard library.
func imports(t *testing.T) (lines []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{if .GoFiles}}{{.ImportPath}} {{join .Imports " "}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
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
		lines = append(lines, strings.Join(list, " "))
	}
	return lines
}

// What docs/design.md says of who imports whom is so.
func TestDesignTellsWhoImportsWhom(t *testing.T) {
	t.Parallel()
	is := imports(t)
	var told []string
	for _, line := range design(t).blockOf("main  ") {
		told = append(told, strings.Join(strings.Fields(line), " "))
	}
	for _, line := range is {
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

// The rules that docs/design.md gives for that are kept.
func TestImportsKeepTheRules(t *testing.T) {
	t.Parallel()
	is, rules := imports(t), 0
	for _, m := range regexp.MustCompile(`(?m)^- (.+?) (imports? of ours|(?:is|are) imported only by) ([^:;.]*(?:\.[a-z][^:;.]*)*)`).FindAllStringSubmatch(design(t).section("The house"), -1) {
		rules++
		subjects, allowed := quoted(m[1]), quoted(m[3])
		for _, line := range is {
			list := strings.Fields(line)
			for _, imported := range list[1:] {
				ours := strings.HasPrefix(m[2], "import")
				if ours && slices.Contains(subjects, list[0]) && !strings.Contains(imported, ".") && !slices.Contains(allowed, imported) ||
					!ours && slices.Contains(subjects, imported) && !slices.Contains(allowed, list[0]) {
					t.Errorf("%s imports %s, but %s", list[0], imported, m[0])
				}
			}
		}
	}
	if rules < 8 {
		t.Errorf("docs/design.md has %d rules of who imports whom; more were found", rules)
	}
}

// The house stands as docs/design.md draws it: each directory in the drawing is there, and each package and each directory at
// the root is in it.
func TestTheHouseIsDrawn(t *testing.T) {
	t.Parallel()
	drawn := make(map[string]bool)
	dir := ""
	lines := design(t).blockOf("main.go ")
	for _, line := range lines {
		name, inside := strings.CutPrefix(line, "  ")
		if strings.HasPrefix(name, "#") {
			continue
		}
		name = strings.Fields(name)[0]
		if !inside {
			dir = name
		} else {
			name = dir + name
		}
		drawn[strings.TrimSuffix(name, "/")] = true
		if _, err := os.Stat(name); err != nil {
			t.Errorf("docs/design.md draws %s: %v", name, err)
		}
	}
	if len(lines) > 56 {
		t.Errorf("the drawing has %d lines; it is to stand on one screen", len(lines))
	}
	for _, file := range tracked(t) {
		root, _, deeper := strings.Cut(file, "/")
		is := []string{root}
		if filepath.Ext(file) == ".go" && !strings.Contains(file, "/testdata/") {
			is = append(is, filepath.Dir(file))
		}
		for _, name := range is {
			if deeper && !strings.HasPrefix(name, ".") && !drawn[name] {
				drawn[name] = true // say it once
				t.Errorf("docs/design.md does not draw %s", name)
			}
		}
	}
}

// station is a function that docs/design.md names with its file: `turn/line.go: Account.Ask`.
var station = regexp.MustCompile("`([a-z/]+\\.go): ([A-Za-z.]+)`")

// The functions that docs/design.md names are there, and so are the files.
func TestTheStationsAreThere(t *testing.T) {
	t.Parallel()
	page := design(t)
	stations := station.FindAllStringSubmatch(page.prose, -1)
	if len(stations) < 30 {
		t.Errorf("docs/design.md names %d functions; those of a call alone are more", len(stations))
	}
	for _, m := range stations {
		if !slices.Contains(functions(t, goFile(m[1])), m[2]) {
			t.Errorf("docs/design.md names %s, but there is no %s in that file", m[0], m[2])
		}
	}
	for _, word := range quoted(page.prose) {
		if name, _, _ := strings.Cut(word, ":"); path.Ext(name) == ".go" && strings.Contains(name, "/") && goFile(name) == "" {
			t.Errorf("docs/design.md names %s, which is not there", name)
		}
	}
}

// goFile is the path of a file that docs/design.md names; empty: there is none.
func goFile(name string) string {
	for _, path := range []string{name, "internal/" + name} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// functions are those of a Go file.
func functions(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return nil
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			names = append(names, nameOf(f))
		}
	}
	return names
}

// Whoever follows a rejection from the gate to the pace meets few functions in few files, and none of the files twice.
func TestARejectionIsShort(t *testing.T) {
	t.Parallel()
	ways := regexp.MustCompile(`(?m)(?:^\d+\. .*\n(?:   .*\n)*)+`).FindAllString(design(t).section("One rejection"), -1)
	if len(ways) != 2 {
		t.Fatalf("docs/design.md has %d ways of a rejection, want that through the gateway and that through the hook", len(ways))
	}
	for _, way := range ways {
		var files []string
		stations := regexp.MustCompile(`(?m)^\d+\. `+station.String()).FindAllStringSubmatch(way, -1)
		for _, m := range stations {
			if last := len(files) - 1; last < 0 || files[last] != m[1] {
				files = append(files, m[1])
			}
		}
		once := slices.Compact(slices.Sorted(slices.Values(files)))
		points := regexp.MustCompile(`(?m)^\d+\. `).FindAllString(way, -1)
		if len(stations) != len(points) || len(stations) > 8 || len(files) > 4 || len(once) != len(files) {
			t.Errorf("a rejection has %d stations in %q, want 8 in 4 files at most, none of them twice, and a station in each point:\n%s", len(stations), files, way)
		}
	}
}

// All that may hold a call stands in the table, in the words in which people are told.
func TestEachHoldIsTold(t *testing.T) {
	t.Parallel()
	told := design(t).section("What holds a call")
	reasons := regexp.MustCompile(`\bReason += "(.*)"`).FindAllStringSubmatch(read(t, "internal/turn/hold.go"), -1)
	if rows := strings.Count(told, "\n| "); len(reasons) < 5 || rows != len(reasons)+2 {
		t.Errorf("docs/design.md has %d rows for %d reasons", rows-2, len(reasons))
	}
	for _, m := range reasons {
		if !strings.Contains(told, "\n| "+m[1]+" | ") {
			t.Errorf("docs/design.md does not tell of %q", m[1])
		}
	}
}

// shortPath is a package's import path as docs/design.md names it.
func shortPath(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, "afteryou/"), "internal/")
}
