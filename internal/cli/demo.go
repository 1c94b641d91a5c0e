package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/mattn/go-isatty"

	"afteryou/internal/demo"
)

func demoCommand() command {
	d := demo.Config{Scenario: demo.Usual()}
	var asJSON bool
	server := text(new(string), "server", "WORDS", "also no-headers or lying-headers, no-retry-after, unnamed-limit, at-admission, per-model")
	server.words = []string{"no-headers", "lying-headers", "no-retry-after", "unnamed-limit", "at-admission", "per-model"}
	server.takes = "words with commas between them, of no-headers, lying-headers, no-retry-after, unnamed-limit, at-admission and per-model"
	server.set = func(words string) bool { return d.Server.Set(words) == nil }
	cloud := text(&d.Cloud, "cloud", "NAME", "the API that is spoken instead: vertex or bedrock")
	cloud.words, cloud.takes = []string{"vertex", "bedrock"}, "vertex or bedrock"
	cloud.set = func(name string) bool { d.Cloud = name; return slices.Contains(cloud.words, name) }
	gate := text(new(string), "gate", "NAME", "what holds the calls: module, steps, hooks or gateway; run decides if not given")
	gate.words, gate.takes = demo.Gates, "module, steps, hooks or gateway"
	gate.set = func(name string) bool { d.Gate = demo.Gate(name); return slices.Contains(demo.Gates, name) }
	return command{
		name: "demo", args: "[--sessions N] [--calls N] [--rpm N] …", summary: "real sessions on one small limit, without and with afteryou",
		about: "The server is a stand-in on this machine; no account is needed. The ideal is what the limit alone makes the work take, " +
			"so the time is from the first call that reaches the server to the end of the last answer (makespan_s in JSON); " +
			"beside it stands the time from the start of the first process to the end of the last (wall_s). " +
			"The first call of a conversation takes twice the input tokens of a later one. " +
			"What the server does beside is said by --server, in words with commas between them: it has no headers of its limits, or " +
			"headers that lie; a 429 does not say when to come again, or which limit it is; what remains is counted at admission, " +
			"not when the answer begins; each model has limits of its own, also the one that checks tools in auto mode. " +
			"With --contexts conversations have 100,000 to 200,000 tokens, a call adds 5000, and a burst is counted in 200,000; on Bedrock " +
			"a call then takes all of its input and its max_tokens until it is answered, and --itpm is the quota. " +
			"The gate steps is that under an organization's settings, which a mount namespace shows to the sessions alone; " +
			"that needs root or a user namespace.",
		example: "afteryou demo --sessions 4 --rpm 30",
		options: []option{
			number(&d.Sessions, "sessions", 1, "how many sessions run at once"),
			number(&d.Calls, "calls", 1, "how many calls to the model each makes"),
			number(&d.Subagents, "subagents", 0, "how many subagents each session starts, to make the calls"),
			number(&d.Clients, "clients", 0, "how many of the sessions are programs on the SDK for TypeScript, through exec"),
			number(&d.Machines, "machines", 1, "on how many machines the sessions are: each has a state of its own"),
			text(&d.Share, "share", "URL", "the Redis or Valkey by which these share the limit; it is not shared if not given"),
			number(&d.RPM, "rpm", 0, "the limit, in calls a minute; 60 unless there is one of tokens"),
			number(&d.ITPM, "itpm", 0, "the limit, in input tokens a minute; a call takes 1000"),
			toggle(&d.Contexts, "contexts", "conversations of real sizes, half of which begin with an expired cache; with --itpm"),
			number(&d.Burst, "burst", 1, "how many calls the limit lets through at once"),
			number(&d.Server.FirstToken, "ttft", 0, "when an answer begins, a quarter more or less"),
			number(&d.Server.Speed, "speed", 0, "how many tokens a second come from then on; all at once if not given"),
			server, cloud,
			toggle(&d.Cut, "cut", "cut the limit to a third half-way, and restore it"),
			toggle(&d.Checks, "auto", "run in auto mode, where each tool is checked first by a call of its own"),
			gate,
			text(&d.Claude, "claude", "VERSION", "the version of Claude Code"),
			toggle(&d.Again, "again", "run those with afteryou a second time, when the limit is known; JSON is a list then"),
			toggle(&d.NoNative, "no-native", "leave out the run without afteryou"),
			jsonToggle(&asJSON),
		},
		run: func(c call) (int, error) { return compare(c, d, asJSON) },
	}
}

func compare(c call, d demo.Config, asJSON bool) (int, error) {
	if d.RPM == 0 && d.ITPM == 0 {
		d.RPM = 60
	}
	err := d.Check()
	if err != nil {
		return exitUsage, err
	}
	if d.Self, err = os.Executable(); err != nil {
		return exitFailure, fmt.Errorf("finding our own executable: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	view := &demo.View{Out: c.out, Live: isatty.IsTerminal(c.out.Fd())}
	if asJSON {
		view = &demo.View{Out: io.Discard}
	}
	results, err := demo.Compare(ctx, d, view)
	switch {
	case err != nil:
		return exitFailure, err
	case asJSON && d.Again:
		return 0, c.json(results)
	case asJSON:
		return 0, c.json(results[0])
	}
	return 0, demo.Table(c.out, results)
}
