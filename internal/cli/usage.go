package cli

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"afteryou/internal/usage"
)

// mostRows is how many hours and sessions are shown to a person.
const mostRows = 12

// runUsage prints what the requests of all sessions took.
func runUsage(args []string, out, errs io.Writer) (int, error) {
	flags := flag.NewFlagSet("usage", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	since := flags.Duration("since", 24*time.Hour, "how far back it looks")
	if code, ok := parse(flags, args, errs); !ok {
		return code, nil
	}
	if *since <= 0 {
		return exitUsage, errors.New("--since takes a duration such as 24h")
	}
	config := os.Getenv("CLAUDE_CONFIG_DIR")
	if config == "" {
		dir, err := os.UserHomeDir()
		if err != nil {
			return exitFailure, fmt.Errorf("looking for transcripts: %w", err)
		}
		config = filepath.Join(dir, ".claude")
	}
	now := time.Now()
	calls, err := usage.Read(config, now.Add(-*since))
	if err != nil && calls == nil {
		return exitFailure, err
	}
	code := 0
	if err != nil {
		code = exitFailure // what could be read is worth printing all the same
		say(errs, err)
	}
	r := usage.Of(calls, now.Add(-*since).UTC().Truncate(time.Second), now.UTC().Truncate(time.Second))
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return code, e.Encode(r)
	}
	if err := writeUsage(out, r, home(config), now); err != nil {
		return exitFailure, err
	}
	return code, nil
}

// writeUsage prints the report for a person.
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
	for i := max(0, len(r.Hours)-mostRows); i < len(r.Hours); i++ {
		rows = append(rows, row{clock(r.Hours[i].Start, now), &r.Hours[i].Sum})
	}
	rows = append(rows, row{"SESSION", nil})
	for i := range r.Sessions[:min(len(r.Sessions), mostRows)] {
		s := &r.Sessions[i]
		who := short(s.ID) + " " + tail(home(s.Dir), 30)
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
	if n := len(r.Sessions) - mostRows; n > 0 {
		fmt.Fprintf(out, "… and %s more\n", count(n, "session"))
	}
	fmt.Fprintf(out, "\nAgainst the limits count requests, input with cache write, and output; cache reads are free.\n")
	if r.Unattended > usage.Batches {
		fmt.Fprintf(out, "hint: -p asked %d times in one minute; for work that can wait, the Message Batches API has limits of its own, and higher ones\n", r.Unattended)
	}
	return nil
}
