package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"

	"afteryou/internal/demo"
)

// runDemo compares sessions without and with afteryou.
func runDemo(args []string, out, errs *os.File) (int, error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	var c demo.Config
	flags.IntVar(&c.Sessions, "sessions", 6, "how many sessions run at once")
	flags.IntVar(&c.Calls, "calls", 6, "how many calls to the model each makes")
	flags.IntVar(&c.Subagents, "subagents", 0, "how many subagents each session starts, which make the calls in its place")
	flags.Float64Var(&c.RPM, "rpm", 0, "the limit, in calls a minute")
	flags.Float64Var(&c.ITPM, "itpm", 0, "the limit, in input tokens a minute")
	flags.Float64Var(&c.Burst, "burst", 2, "how many calls the limit lets through at once")
	flags.Float64Var(&c.Latency, "latency", 0.3, "how long an answer takes, in seconds")
	flags.BoolVar(&c.Cut, "cut", false, "cut the limit to a third half-way, and restore it")
	flags.BoolVar(&c.Gateway, "gateway", false, "take turns at the gateway, not by hooks alone")
	asJSON := flags.Bool("json", false, "print the comparison as JSON")
	if code, ok := parse(flags, args, errs); !ok {
		return code, nil
	}
	if c.Sessions < 1 || c.Calls < 1 || c.Subagents < 0 || !(c.RPM >= 0) || !(c.ITPM >= 0) || !(c.Burst >= 1) || !(c.Latency >= 0) {
		return exitUsage, fmt.Errorf("sessions, calls and burst start at 1, the other numbers at 0")
	}
	if c.RPM == 0 && c.ITPM == 0 {
		c.RPM = 60
	}
	var err error
	if c.Self, err = os.Executable(); err != nil {
		return exitFailure, fmt.Errorf("finding our own executable: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	view := &demo.View{Out: out, Live: isatty.IsTerminal(out.Fd())}
	if *asJSON {
		view = &demo.View{Out: io.Discard}
	}
	result, err := demo.Compare(ctx, c, view)
	if err != nil {
		return exitFailure, err
	}
	if *asJSON {
		return 0, json.NewEncoder(out).Encode(result)
	}
	return 0, result.Table(out)
}
