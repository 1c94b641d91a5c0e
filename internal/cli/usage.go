package cli

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"afteryou/internal/claude"
	"afteryou/internal/usage"
)

// maxRows is how many hours and sessions are shown to a person.
const maxRows = 12

func usageCommand() command {
	since := 24 * time.Hour
	var asJSON bool
	return command{
		name: "usage", args: "[--since DURATION] [--json]", summary: "requests and tokens by minute, hour and session, and what of them counts",
		about:   "It reads the transcripts of all projects. Requests that Claude Code does not write down (titles, compactions) are not in it, nor are rejected ones.",
		example: "afteryou usage --since 1h",
		options: []option{number(&since, "since", time.Second, "how far back it looks"), jsonToggle(&asJSON)},
		run:     func(c call) (int, error) { return printUsage(c, since, asJSON) },
	}
}

func printUsage(c call, since time.Duration, asJSON bool) (int, error) {
	dir := claude.ConfigDir(os.Getenv)
	now := time.Now()
	calls, err := usage.Read(dir, now.Add(-since))
	code := 0
	if err != nil {
		code = exitFailure
		if calls == nil {
			return code, err
		}
		c.say(err) // what could be read is worth printing all the same
	}
	r := usage.Of(calls, now.Add(-since).UTC().Truncate(time.Second), now.UTC().Truncate(time.Second))
	if asJSON {
		return code, c.json(r)
	}
	if err := writeUsage(c.text(), r, tilde(dir), now); err != nil {
		return exitFailure, err
	}
	return code, nil
}

func writeUsage(out io.Writer, r usage.Report, config string, now time.Time) error {
	if r.Total.Requests == 0 {
		_, err := fmt.Fprintf(out, "no requests in %s since %s\n", config, clock(r.Since, now))
		return err
	}
	type row struct {
		what string
		sum  *usage.Sum // nil: a heading
	}
	rows := []row{{"", nil}, {"last minute", &r.LastMinute}}
	if r.Busiest != nil {
		rows = append(rows, row{"busiest minute, " + clock(r.Busiest.Start, now), &r.Busiest.Sum})
	}
	rows = append(rows, row{"last hour", &r.LastHour}, row{"since " + clock(r.Since, now), &r.Total}, row{"HOUR", nil})
	for _, h := range r.Hours[max(0, len(r.Hours)-maxRows):] {
		rows = append(rows, row{clock(h.Start, now), &h.Sum})
	}
	rows = append(rows, row{"SESSION", nil})
	for _, s := range r.Sessions[:min(len(r.Sessions), maxRows)] {
		who := shortID(s.ID) + " " + tail(tilde(s.Dir), 30)
		if s.Unattended {
			who += " (-p)"
		}
		rows = append(rows, row{who, &s.Sum})
	}
	left := 0
	for _, one := range rows {
		left = max(left, utf8.RuneCountInString(one.what))
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, one := range rows {
		if s := one.sum; s != nil {
			fmt.Fprintf(t, "%-*s\t%d\t%d\t%d\t%d\t%d\t\n", left, one.what, s.Requests, s.Input, s.CacheWrite, s.Output, s.CacheRead)
			continue
		}
		if i > 0 {
			fmt.Fprintf(t, "%*s\t\t\t\t\t\t\n", left, "")
		}
		fmt.Fprintf(t, "%-*s\tREQUESTS\tINPUT\tCACHE WRITE\tOUTPUT\tCACHE READ\t\n", left, one.what)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n := len(r.Sessions) - maxRows; n > 0 {
		fmt.Fprintf(out, "… and %s more\n", count(n, "session"))
	}
	fmt.Fprintf(out, "\nAgainst the limits count requests, input with cache write, and output; cache reads are free.\n")
	if r.Unattended > usage.Batches {
		fmt.Fprintf(out, "hint: -p asked %d times in one minute; for work that can wait, the Message Batches API has limits of its own, and higher ones\n", r.Unattended)
	}
	return nil
}
