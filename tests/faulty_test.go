package tests

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// faults are the functions that can be made to panic in the binary that faulty builds, by package.
var faults = map[string][]string{
	"cli":       {"loadSettings"},
	"claude":    {"Account", "FindTranscript", "Hooks", "MergeSettings", "NameRun", "PoolKey", "ReadStopped", "SessionOf", "Sort"},
	"gate":      {"Gate.grant", "Gate.sleep", "Gate.update", "lifts", "resources"},
	"gateway":   {"modelOf", "usage.end", "usage.feed"},
	"hook":      {"read", "sleeper.standInLine", "waiter.after", "waiter.visit"},
	"keeper":    {"Keeper.typist", "limited", "typist.key", "typist.shows"},
	"launch":    {"Launch.gateway", "Launch.prepare"},
	"limit":     {"Class"},
	"line":      {"Line.Stand", "Line.Wait", "Line.due", "Line.plan"},
	"lockfile":  {"Identify", "Store.listen", "Store.replace", "decode"},
	"observe":   {"Callers", "Read"},
	"ratelimit": {"Header", "Spends"},
	"screen":    {"Stream.Feed"},
	"turn":      {"Account.Accepted", "Account.Admit", "Account.Ask", "Account.Ended", "Account.Headers", "Account.Sweep", "Session.Resume", "Session.Stopped"},
	"wrapper":   {"Session.copyInput", "Session.copyOutput", "Session.readReports", "Session.resize", "Session.startInput", "sideCopy.run"},
}

// faultEnv names the function that panics: at its first call, or with ! behind it at every call. With "throws" behind it
// the Go runtime does.
const faultEnv = "PANICS_IN"

// faulty is the binary under test with a panic at the beginning of each of the faults.
var faulty = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(afteryou), "faulty")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for pkg, functions := range faults {
		if err := spoil(pkg, functions, dir, replace); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "afteryou")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building with faults: %w\n%s", err, out)
	}
	return program, nil
})

// spoil puts files of a package with faults in its functions into dir, and says in replace what they stand for.
func spoil(pkg string, functions []string, dir string, replace map[string]string) error {
	var at string
	for _, above := range []string{"internal", "internal/outside", "."} {
		if _, err := os.Stat(filepath.Join(above, pkg)); err == nil {
			if at, err = filepath.Abs(filepath.Join(above, pkg)); err != nil {
				return err
			}
			break
		}
	}
	files, err := filepath.Glob(filepath.Join(at, "*.go"))
	if err != nil {
		return err
	}
	put := func(path, text string) error {
		to := filepath.Join(dir, pkg+"-"+filepath.Base(path))
		replace[path] = to
		return os.WriteFile(to, []byte(text), 0o600)
	}
	left := slices.Clone(functions)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, found, err := withFaults(pkg, path, left)
		if err != nil {
			return err
		}
		left = slices.DeleteFunc(left, func(name string) bool { return slices.Contains(found, name) })
		if len(found) > 0 {
			if err := put(path, text); err != nil {
				return err
			}
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("package %s has no %q", pkg, left)
	}
	return put(filepath.Join(at, "fault.go"), "package "+pkg+faultSource)
}

// withFaults is the text of a file in which those of the functions that it has begin with a fault.
func withFaults(pkg, path string, functions []string) (text string, found []string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, data, parser.SkipObjectResolution)
	if err != nil {
		return "", nil, err
	}
	from := 0
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		if name := nameOf(f); slices.Contains(functions, name) {
			found = append(found, name)
			brace := fset.Position(f.Body.Lbrace).Offset + 1
			text += string(data[from:brace]) + fmt.Sprintf("fault(%q);", pkg+"."+name)
			from = brace
		}
	}
	return text + string(data[from:]), found, nil
}

// faultSource is what stands in each package beside them.
const faultSource = `
import ("os"; "runtime/debug"; "strings"; "sync/atomic")
var faulted atomic.Bool
func deeper(n int) int { return deeper(n+1) + 1 }
func fault(name string) {
	if os.Getenv("` + faultEnv + `") == name+" throws" { debug.SetMaxStack(1 << 20); deeper(0) }
	in, always := strings.CutSuffix(os.Getenv("` + faultEnv + `"), "!")
	if in == name && (!faulted.Swap(true) || always) { panic("injected into " + name) }
}
`

// faultyPerson is a person whose afteryou panics at a site, or nowhere yet.
func faultyPerson(t *testing.T, site string, env ...string) *person {
	t.Helper()
	program, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	p := newPerson(t, env...)
	p.program = program
	p.panics(site)
	return p
}

// panics makes the person's afteryou panic at a site from now on.
func (p *person) panics(site string) { p.env = append(p.env, faultEnv+"="+site) }

// logged is the person's log.
func (p *person) logged() string {
	data, _ := os.ReadFile(p.path(".local/state/afteryou/log"))
	return string(data)
}

// told counts the lines of the log that tell of a panic, and fails where they are not one line each that says where.
func (p *person) told(site string) (n int) {
	p.t.Helper()
	for line := range strings.Lines(p.logged()) {
		if strings.Contains(line, "panic") {
			if !strings.Contains(line, "panic: injected into "+strings.TrimSuffix(site, "!")+"; in ") {
				p.t.Errorf("%s: the log says %q", site, line)
			}
			n++
		}
	}
	return n
}
