package tests

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The bounds of the house. A table is a composite literal of several lines; of it one line counts.
const (
	mostEntries  = 30  // at the root
	mostMain     = 80  // lines of main.go
	mostTop      = 2   // Go files at the root
	mostFile     = 400 // lines of a Go file
	mostFunction = 60  // lines of a function, without the lines of its tables
)

func TestTheHouseIsKept(t *testing.T) {
	t.Parallel()
	root, top := make(map[string]bool), 0
	for _, path := range tracked(t) {
		first, _, deeper := strings.Cut(path, "/")
		root[first] = true
		if filepath.Ext(path) != ".go" {
			continue
		}
		if !deeper {
			top++
		}
		for _, one := range tooLarge(t, path) {
			t.Error(one)
		}
	}
	if len(root) > mostEntries || top > mostTop {
		t.Errorf("the root has %d entries and %d Go files, want %d and %d at most", len(root), top, mostEntries, mostTop)
	}
	if n := lines(read(t, "main.go")); n > mostMain {
		t.Errorf("main.go has %d lines, want %d at most", n, mostMain)
	}
}

// tracked are the files that are under version control, or are to be.
func tracked(t *testing.T) (list []string) {
	t.Helper()
	noted()
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("not tested: this is no checkout: %v", err)
	}
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if _, err := os.Lstat(path); err == nil {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func lines(text string) int { return strings.Count(text, "\n") }

// tooLarge lists a Go file, if it is, and its functions that are, as "path: n lines" and "path Function: n lines".
func tooLarge(t *testing.T, path string) (list []string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("\n")); n > mostFile {
		list = append(list, fmt.Sprintf("%s: %d lines", path, n))
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, data, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, body ast.Node) {
		if n := size(fset, body); n > mostFunction {
			list = append(list, fmt.Sprintf("%s %s: %d lines", path, name, n))
		}
	}
	for _, decl := range file.Decls {
		name := "a table"
		if f, ok := decl.(*ast.FuncDecl); ok {
			name = nameOf(f)
			check(name, f)
		}
		ast.Inspect(decl, func(n ast.Node) bool { // a function in a table is one of its own
			if table, ok := n.(*ast.CompositeLit); ok {
				ast.Inspect(table, func(n ast.Node) bool {
					if f, ok := n.(*ast.FuncLit); ok {
						check(name+", in a table", f)
						return false
					}
					return true
				})
				return false
			}
			return true
		})
	}
	return list
}

// nameOf is a function's name, a method's with that of its type before it.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	return strings.TrimPrefix(types.ExprString(f.Recv.List[0].Type), "*") + "." + f.Name.Name
}

// size is the number of lines of a function without those of its tables.
func size(fset *token.FileSet, function ast.Node) int {
	between := func(n ast.Node) int { return fset.Position(n.End()).Line - fset.Position(n.Pos()).Line }
	sum := between(function) + 1
	ast.Inspect(function, func(n ast.Node) bool {
		if table, ok := n.(*ast.CompositeLit); ok {
			sum -= between(table)
			return false
		}
		return true
	})
	return sum
}
