package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

func statusCommand() command {
	var live, asJSON bool
	return command{
		name: "status", args: "[--watch|--json]", summary: "who has the turn, who waits, and for what",
		example: "afteryou status --watch",
		options: []option{toggle(&live, "watch", "show it live, with a line of what each session did lately; q quits"), jsonToggle(&asJSON)},
		run: func(c call) (int, error) {
			if live && asJSON {
				return exitUsage, errors.New("--watch and --json exclude each other")
			}
			store, err := lockfile.Open(stateDir())
			if err != nil {
				return exitFailure, err
			}
			if live {
				return watch(store, c.in, c.out)
			}
			r, err := see(store)
			switch {
			case err != nil:
				return exitFailure, err
			case asJSON:
				return 0, c.json(r)
			}
			return 0, r.write(c.out, time.Now())
		},
	}
}

func (r report) write(out io.Writer, now time.Time) error {
	if len(r.Pools) == 0 {
		fmt.Fprintln(out, "no session takes turns now")
	}
	for i, p := range r.Pools {
		if i > 0 {
			fmt.Fprintln(out)
		}
		p.writeLimits(out, now)
		if i == 0 || !p.sameAccount(r.Pools[i-1]) {
			for _, w := range p.Windows {
				fmt.Fprintf(out, "window     %s\n", w)
			}
		}
		p.writeSessions(out, r.mixed)
		if err := p.writeCallers(out, now); err != nil {
			return err
		}
	}
	if len(r.Remembered) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REMEMBERED\tCALLS A MINUTE\tFROM")
	for _, m := range r.Remembered {
		fmt.Fprintf(t, "%s (%s)\t%.3g\t%v\n", printable(m.Name), printable(m.ID), m.Rate, m.From)
	}
	return t.Flush()
}

func (p poolReport) writeLimits(out io.Writer, now time.Time) {
	fmt.Fprintf(out, "limit      %s (%s)\n", printable(p.Name), printable(p.ID))
	if p.Rate > 0 {
		fmt.Fprintf(out, "pace       %.3g calls a minute, %v\n", p.Rate, p.From)
	} else {
		fmt.Fprintln(out, "pace       no limit met yet")
	}
	switch {
	case p.CoolDown != nil:
		note := ""
		if p.CoolDown.Why != "" {
			note = ": " + printable(p.CoolDown.Why)
		}
		if p.CoolDown.Guess {
			note += " (a guess: nothing says until when)"
		}
		fmt.Fprintf(out, "cool-down  until %s, in %s%s\n", clock(p.CoolDown.Until, now), span(p.CoolDown.Seconds), note)
	case p.GaveUp:
		fmt.Fprintln(out, "cool-down  given up: the limit came back each time and never said how long it lasts")
	default:
		fmt.Fprintln(out, "cool-down  none")
	}
	if p.Usage != nil {
		fmt.Fprintf(out, "usage      limit reached, resets %s, in %s\n", clock(p.Usage.Until, now), span(p.Usage.Seconds))
	}
	if f := p.Fleet; f != nil {
		fmt.Fprintf(out, "machines   %s\n", f)
	}
	if b := p.Budget; b != nil {
		fmt.Fprintf(out, "budget     %s in the last minute\n", b)
	}
}

// writeSessions counts the sessions, and where they are not held all alike tells by what.
func (p poolReport) writeSessions(out io.Writer, mixed bool) {
	fmt.Fprintf(out, "sessions   %d", p.Sessions)
	if mixed && p.Sessions > 0 {
		var gates []string
		for _, gate := range slices.Sorted(maps.Keys(p.Gates)) {
			gates = append(gates, fmt.Sprintf("%d by %s", p.Gates[gate], gate))
		}
		fmt.Fprintf(out, ": %s", strings.Join(gates, ", "))
	}
	fmt.Fprintln(out)
}

func (p poolReport) writeCallers(out io.Writer, now time.Time) error {
	if len(p.Turns)+len(p.Waiting)+len(p.Retrying)+len(p.Stopped) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PLACE\tSESSION\tPID\tDIRECTORY\tSINCE\t")
	line := func(place string, c callerReport, note string) {
		id := shortID(c.Session)
		if c.Agent != "" {
			id += "/" + shortID(c.Agent)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", place, id, c.PID, tilde(c.Dir), clock(c.Since, now), note)
	}
	for _, c := range p.Turns {
		line("turn", c, span(c.Seconds)+" ago")
	}
	for _, c := range p.Retrying {
		line("rejected", c, "tries again in "+span(c.Seconds))
	}
	for _, c := range p.Stopped {
		line("stopped", c, printable(c.Why)+", goes on in "+span(c.Seconds))
	}
	for _, c := range p.Waiting {
		note := "waits for " + span(c.Seconds)
		if c.Place == 1 && c.Why != "" {
			note += ", held by " + c.Why
			if c.Why != string(turn.OneAtATime) { // they are sooner over than their leases, as a rule
				note += " until " + clock(c.Until, now)
			}
		}
		line(fmt.Sprint(c.Place), c, note)
	}
	return t.Flush()
}

func (f fleetReport) String() string {
	text := fmt.Sprintf("%d on this limit", f.Machines)
	switch {
	case f.Alone:
		return fmt.Sprintf("the server can't be asked; calls go at this one's share, %.0f %%", 100*f.Share)
	case f.Line > 0:
		text += fmt.Sprintf(", %d wait", f.Line)
	}
	return text + ", heard " + span(f.Seconds) + " ago"
}

func (b budgetReport) String() string {
	var parts []string
	for _, one := range []struct {
		took, of float64
		what     string
	}{{b.Calls, b.CallsOf, "calls"}, {b.Input, b.InputOf, "input tokens"}, {b.Output, b.OutputOf, "output tokens"}} {
		if one.of > 0 {
			parts = append(parts, fmt.Sprintf("%.0f of %.0f %s", one.took, one.of, one.what))
		}
	}
	return strings.Join(parts, ", ")
}
