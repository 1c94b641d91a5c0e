package cli

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"afteryou/internal/claude"
	"afteryou/internal/price"
	"afteryou/internal/usage"
)

// maxRows is how many hours and sessions are shown to a person.
const maxRows = 12

func usageCommand() command {
	since := 24 * time.Hour
	var asJSON, ahead bool
	return command{
		name: "usage", args: "[--since DURATION|--forecast] [--json]", summary: "requests, tokens and dollars by hour, day, model and session",
		about: "It reads the transcripts of all projects. Requests that Claude Code does not write down (titles, compactions) are not in it, nor are rejected ones. " +
			"Dollars are an estimate by the published prices (" + price.Source + ", read " + price.Read + "), or those of [price.\"MODEL\"] in the settings.",
		example: "afteryou usage --since 1h",
		options: []option{number(&since, "since", time.Second, "how far back it looks"),
			toggle(&ahead, "forecast", "which limit or budget is reached first, and when, at the pace of the last 10 minutes"), jsonToggle(&asJSON)},
		run: func(c call) (int, error) {
			if ahead {
				s, err := loadSettings()
				if err != nil {
					c.say(err)
				}
				return forecasts(c, budgets(s), asJSON)
			}
			return printUsage(c, since, asJSON)
		},
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
	settings, wrong := loadSettings()
	if wrong != nil {
		code = exitFailure
		c.say(wrong)
	}
	r := usage.Of(calls, now.Add(-since).UTC().Truncate(time.Second), now.Truncate(time.Second), settings.Prices)
	if asJSON {
		return code, c.json(r)
	}
	if err := writeUsage(c.text(), r, tilde(dir), now); err != nil {
		return exitFailure, err
	}
	return code, nil
}

// usageRow is a row of the table; without a sum it is a heading.
type usageRow struct {
	what string
	sum  *usage.Sum
}

func usageRows(r usage.Report, now time.Time) []usageRow {
	rows := []usageRow{{"", nil}, {"last minute", &r.LastMinute}}
	if r.Busiest != nil {
		rows = append(rows, usageRow{"busiest minute, " + clock(r.Busiest.Start, now), &r.Busiest.Sum})
	}
	rows = append(rows, usageRow{"last hour", &r.LastHour}, usageRow{"since " + clock(r.Since, now), &r.Total}, usageRow{"HOUR", nil})
	for _, h := range r.Hours[max(0, len(r.Hours)-maxRows):] {
		rows = append(rows, usageRow{clock(h.Start, now), &h.Sum})
	}
	if len(r.Days) > 1 {
		rows = append(rows, usageRow{"DAY", nil})
		for _, d := range r.Days[max(0, len(r.Days)-maxRows):] {
			rows = append(rows, usageRow{d.Start.Format("Mon Jan 2"), &d.Sum})
		}
	}
	rows = append(rows, usageRow{"MODEL", nil})
	for _, m := range r.Models[:min(len(r.Models), maxRows)] {
		rows = append(rows, usageRow{tail(printable(m.Name), 40), &m.Sum})
	}
	rows = append(rows, usageRow{"SESSION", nil})
	for _, s := range r.Sessions[:min(len(r.Sessions), maxRows)] {
		who := shortID(s.ID) + " " + tail(tilde(s.Dir), 30)
		if s.Unattended {
			who += " (-p)"
		}
		rows = append(rows, usageRow{who, &s.Sum})
	}
	return rows
}

func writeUsage(out io.Writer, r usage.Report, config string, now time.Time) error {
	if r.Total.Requests == 0 {
		_, err := fmt.Fprintf(out, "no requests in %s since %s\n", config, clock(r.Since, now))
		return err
	}
	rows := usageRows(r, now)
	left := 0
	for _, one := range rows {
		left = max(left, utf8.RuneCountInString(one.what))
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, one := range rows {
		if s := one.sum; s != nil {
			fmt.Fprintf(t, "%-*s\t%d\t%d\t%d\t%d\t%d\t%s\t\n", left, one.what, s.Requests, s.Input, s.CacheWrite, s.Output, s.CacheRead, cost(s))
			continue
		}
		if i > 0 {
			fmt.Fprintf(t, "%*s\t\t\t\t\t\t\t\n", left, "")
		}
		fmt.Fprintf(t, "%-*s\tREQUESTS\tINPUT\tCACHE WRITE\tOUTPUT\tCACHE READ\tCOST\t\n", left, one.what)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n := len(r.Sessions) - maxRows; n > 0 {
		fmt.Fprintf(out, "… and %s more\n", count(n, "session"))
	}
	fmt.Fprintf(out, "\nAgainst the limits count requests, input with cache write, and output; cache reads are free.\n")
	return writeCosts(out, r)
}

// cost is what the requests of a sum cost; of models without a price nobody knows.
func cost(s *usage.Sum) string {
	switch {
	case s.Unpriced == 0:
		return s.USD.String()
	case s.Unpriced == s.Requests:
		return "unknown"
	}
	return s.USD.String() + "+"
}

// writeCosts says how the cost was worked out, what it lacks, and what would have been cheaper.
func writeCosts(out io.Writer, r usage.Report) error {
	text := fmt.Sprintf("The cost is an estimate, by the published prices of %s and your own settings.\n", r.Prices)
	for _, m := range r.Models {
		if m.Unpriced > 0 {
			text += fmt.Sprintf("What %s costs is not known, and not in it. [price.%q] in %s says so.\n", printable(m.Name), m.Name, tilde(configPath()))
		}
	}
	if r.Batched >= 0.01 {
		text += fmt.Sprintf("As Message Batches, what -p and SDKs asked would have cost %v less.\n", r.Batched)
	}
	if r.Unattended > usage.Batches {
		text += fmt.Sprintf("hint: -p asked %d times in one minute; for work that can wait, the Message Batches API has limits of its own, and higher ones\n", r.Unattended)
	}
	_, err := io.WriteString(out, text)
	return err
}
