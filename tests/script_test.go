package tests

import (
	"errors"
	"flag"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the program says into the scripts that compare it (cmp)")

// Each script is a session of a person at a shell, in a home of their own; a line of one is a command and what it says.
// Besides the commands of package testscript there is "exits CODE COMMAND…".
func TestScript(t *testing.T) {
	t.Parallel()
	noted()
	testscript.Run(t, testscript.Params{
		Dir:           "tests/testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Vars = []string{"HOME=" + env.WorkDir, "WORK=" + env.WorkDir, "TZ=UTC", "SHELL=/bin/bash",
				"PATH=" + filepath.Join(env.WorkDir, "bin") + ":" + filepath.Dir(afteryou) + ":/usr/bin:/bin"}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and wants it to end with a code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("%q ends with %d, want %d", args[1:], code, want)
	}
}
