package tests

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"afteryou/internal/cli"
)

// patience bounds the wait for what must happen some time, on any machine.
const patience = 3 * time.Minute

// afteryou is the binary under test, built by TestMain.
var afteryou string

// noted tells go test where we are, for it does not see what TestMain does: so it knows which files of the repository the
// results that it keeps are of.
var noted = sync.OnceFunc(func() { os.Chdir(".") })

func TestMain(m *testing.M) {
	if err := os.Chdir(".."); err != nil { // to what the tests read and build
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) == 0 { // never: but go test keeps results until what tests are made of changes, and so that is the program too
		cli.Main(nil, nil, nil, nil)
	}
	flag.Set("test.parallel", "6") // unless said otherwise: tests wait more than they compute
	dir, err := os.MkdirTemp("", "afteryou-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	afteryou = filepath.Join(dir, "afteryou")
	build := exec.Command("go", "build", "-o", afteryou, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	code := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building afteryou: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}
