package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every goroutine of hook, gateway, launcher and partner is started by guard.Go, or stands here with whoever answers for its panics:
// one that nobody recovers ends the process with 2. A goroutine of a library counts where it runs code of ours.
func TestEveryGoroutineHasAnOwnerForItsPanics(t *testing.T) {
	t.Parallel()
	owners := map[string]string{
		"guard.Go: go":                         "guard.Run",
		"gateway.Start: http.Server":           "net/http, but for ConnContext, which puts a value into a context",
		"gateway.Start: g.http.Serve":          "net/http recovers what handles a request, and the connection breaks",
		"partner.Serve: http.Server":           "net/http recovers what handles a request, and what is asked in it is run by guard.Run",
		"partner.Serve: server.Serve":          "net/http recovers what handles a request; the module then asks another partner",
		"notify.Send: exec.Command":            "its input is a file, and its output nothing",
		"notify.Run: exec.CommandContext":      "as before; what ends it sends a signal",
		"claude.ask: exec.CommandContext":      "its output goes into a buffer of package bytes",
		"gateway.Start: httputil.ReverseProxy": "all of ours runs in the server's goroutine of the request",
		"upstream.Transport: http.Transport":   "what chooses the proxy runs where the request is sent; refused compares a number",
	}
	out, err := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{if .Main}}{{$.Dir}} {{join $.GoFiles " "}}{{end}}{{end}}`, "./hook", "./internal/gateway", "./internal/launch", "./internal/partner").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		dir, files, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue // a blank line of what is not ours
		}
		packages++
		for _, name := range strings.Fields(files) {
			for _, found := range goroutines(t, filepath.Join(dir, name)) {
				if strings.HasSuffix(found, ": guard.Go") {
					continue
				}
				if owners[found] == "" {
					t.Errorf("%s: %s has no owner for its panics; start it by guard.Go, or name the owner here", name, found)
				}
				owners[found] = "seen"
			}
		}
	}
	for found, owner := range owners {
		if owner != "seen" {
			t.Errorf("%s is nowhere any more", found)
		}
	}
	if packages < 9 {
		t.Errorf("only %d packages were looked at", packages)
	}
}

// goroutines lists what in a file starts goroutines, as "package.function: how".
func goroutines(t *testing.T, path string) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	starters := []string{"Go", "AfterFunc", "Serve", "ServeTLS", "ListenAndServe", "Command", "CommandContext"}
	literals := []string{"http.Server", "http.Transport", "http.Client", "httputil.ReverseProxy", "exec.Cmd"}
	for _, decl := range file.Decls {
		where := file.Name.Name
		if f, ok := decl.(*ast.FuncDecl); ok {
			where += "." + nameOf(f)
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				found = append(found, where+": go")
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(starters, s.Sel.Name) {
					found = append(found, where+": "+types.ExprString(n.Fun))
				}
			case *ast.CompositeLit:
				if n.Type != nil && slices.Contains(literals, types.ExprString(n.Type)) {
					found = append(found, where+": "+types.ExprString(n.Type))
				}
			}
			return true
		})
	}
	return found
}
