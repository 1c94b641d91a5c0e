// Terminals runs a race of package demo with sessions in terminals, in the permission mode that Claude Code takes by itself
// (auto, since 2.1.332), and prints what came of it as `afteryou demo --json` does. What the screens showed of limits, but for
// the line beside the spinner, is in "says"; such sessions write no rejections down, so told_429 tells nothing. The emulator
// of terminals is why this is no flag of the demo.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"afteryou/internal/demo"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "terminals:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	c := demo.Config{Scenario: demo.Usual()}
	flags := flag.NewFlagSet("terminals", flag.ContinueOnError)
	flags.StringVar(&c.Self, "afteryou", "./afteryou", "the afteryou to be shown: `FILE`")
	flags.StringVar(&c.Claude, "claude", "", "the `VERSION` of Claude Code")
	gate := flags.String("gate", "", "what holds the calls: module, steps, hooks or gateway")
	flags.BoolVar(&c.Again, "again", false, "run those with afteryou a second time")
	flags.BoolVar(&c.NoNative, "no-native", false, "leave out the run without afteryou")
	flags.IntVar(&c.Sessions, "sessions", c.Sessions, "how many sessions run at once")
	flags.IntVar(&c.Calls, "calls", c.Calls, "how many calls to the model each makes")
	flags.Float64Var(&c.RPM, "rpm", 60, "the limit, in calls a minute")
	flags.Float64Var(&c.Burst, "burst", c.Burst, "how many calls the limit lets through at once")
	flags.DurationVar(&c.Server.FirstToken, "ttft", c.Server.FirstToken, "when an answer begins")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c.Gate = demo.Gate(*gate)
	if c.Self, err = filepath.Abs(c.Self); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errors.New("usage: terminals [flags]")
	}
	if err := c.Check(); err != nil {
		return err
	}
	c.Drive = (&crowd{size: c.Sessions}).drive
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	results, err := demo.Compare(ctx, c, &demo.View{Out: io.Discard})
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(results)
}
