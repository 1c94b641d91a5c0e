package cli

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
	c := demo.Config{Scenario: demo.Usual()}
	flags.IntVar(&c.Sessions, "sessions", c.Sessions, "how many sessions run at once")
	flags.IntVar(&c.Calls, "calls", c.Calls, "how many calls to the model each makes")
	flags.IntVar(&c.Subagents, "subagents", 0, "how many subagents each session starts, which make the calls in its place")
	flags.Float64Var(&c.RPM, "rpm", 0, "the limit, in calls a minute")
	flags.Float64Var(&c.ITPM, "itpm", 0, "the limit, in input tokens a minute")
	flags.Float64Var(&c.Burst, "burst", c.Burst, "how many calls the limit lets through at once")
	flags.DurationVar(&c.Server.FirstToken, "ttft", c.Server.FirstToken, "when an answer begins, a quarter more or less")
	flags.Float64Var(&c.Server.Speed, "speed", 0, "how many tokens a second come from then on; 0: all at once")
	flags.Var(&c.Server, "server", "what else the server does, in words with commas")
	flags.StringVar(&c.Cloud, "cloud", "", "the API that is spoken: vertex or bedrock")
	flags.BoolVar(&c.Cut, "cut", false, "cut the limit to a third half-way, and restore it")
	flags.BoolVar(&c.Gateway, "gateway", false, "take turns at the gateway, not by hooks alone")
	asJSON := flags.Bool("json", false, "print the comparison as JSON")
	if code, ok := parse(flags, args, errs); !ok {
		return code, nil
	}
	if c.RPM == 0 && c.ITPM == 0 {
		c.RPM = 60
	}
	err := c.Check()
	if err != nil {
		return exitUsage, err
	}
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
