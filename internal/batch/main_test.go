package batch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary, started with this in its environment, is a process that runs or resumes a batch.
const childEnv = "BATCH_TEST_CHILD"

// quick is the pace of tests: the stand-in has at once what the API has at last.
var quick = Pace{Poll: 2 * time.Millisecond, PollMost: 20 * time.Millisecond, Settle: 200 * time.Millisecond}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// child runs a batch: "run ROOT INPUT OUTPUT" or "resume ROOT ID OUTPUT". With "STEP/N" in its environment it is killed at the
// n-th step of that name, and writes the names of all steps where it is told to.
func child(args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 9
	}
	name, nth, _ := strings.Cut(os.Getenv("BATCH_TEST_KILL"), "/")
	left, _ := strconv.Atoi(nth)
	steps, err := os.OpenFile(os.Getenv("BATCH_TEST_STEPS"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fail(err)
	}
	step := func(at string) {
		fmt.Fprintln(steps, at)
		if at == name || name == "any" {
			if left--; left == 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	api, err := NewAPI(os.Getenv, "test")
	if err != nil {
		return fail(err)
	}
	run, err := begun(args, step)
	if err != nil {
		return fail(err)
	}
	run.Pace = quick
	run.Say = func(text string) { fmt.Fprintln(os.Stderr, text) }
	run.Show = run.Say
	out, err := os.Create(args[3])
	if err != nil {
		return fail(err)
	}
	sum, err := run.Do(context.Background(), api, out)
	if err = errors.Join(err, out.Close()); err != nil {
		return fail(err)
	}
	if err := run.Finish(); err != nil {
		return fail(err)
	}
	if sum.Succeeded != sum.Requests {
		return 1
	}
	return 0
}

// begun is the run that the arguments name.
func begun(args []string, step func(string)) (*Run, error) {
	who := Account{"somebody", "secret"}
	if args[0] == "resume" {
		return open(args[1], args[2], who, step)
	}
	in, err := os.Open(args[2])
	if err != nil {
		return nil, err
	}
	defer in.Close()
	d, err := check(in, args[2], args[1], Defaults{Model: "m", MaxTokens: 5}, step)
	if err != nil {
		return nil, err
	}
	return d.Begin(who)
}
