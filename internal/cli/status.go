package cli

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// report is what status tells: one entry per limit that is shared. It is what --json prints.
type report struct {
	Pools []poolReport `json:"pools"`
}

type poolReport struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Sessions int            `json:"sessions"`
	CoolDown *coolDown      `json:"cool_down,omitempty"`
	Usage    *coolDown      `json:"usage_limit,omitempty"`
	GaveUp   bool           `json:"gave_up,omitempty"`  // limits without a time came too often in a row
	Rate     float64        `json:"calls_per_minute"`   // 0: no limit met yet
	Budget   *budgetReport  `json:"budget,omitempty"`   // of the last session that had one
	Turns    []callerReport `json:"turns"`              // who has one, oldest first
	Waiting  []callerReport `json:"waiting"`            // in line, the next first
	Retrying []callerReport `json:"rejected,omitempty"` // Claude Code tries again by itself
	Stopped  []callerReport `json:"stopped,omitempty"`  // the turn is dead; it is made to go on
}

// budgetReport is what the calls of the last minute took, and what they may take; 0 is no budget.
type budgetReport struct {
	Calls    float64 `json:"calls"`
	CallsOf  float64 `json:"rpm"`
	Input    float64 `json:"input_tokens"`
	InputOf  float64 `json:"itpm"`
	Output   float64 `json:"output_tokens"`
	OutputOf float64 `json:"otpm"`
}

type coolDown struct {
	Until   time.Time `json:"until"`
	Seconds float64   `json:"seconds"`
	Why     string    `json:"why,omitempty"`
	Guess   bool      `json:"guess,omitempty"` // the API did not say until when
}

type callerReport struct {
	Place   int       `json:"place,omitempty"`
	Session string    `json:"session"`
	Agent   string    `json:"agent,omitempty"`
	Dir     string    `json:"dir,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since"`
	Seconds float64   `json:"seconds"`       // since then; for what was rejected or stopped, until it goes on
	Why     string    `json:"why,omitempty"` // the limit that stopped it
}

// runStatus prints who has the turn and who waits.
func runStatus(args []string, in, out, errs *os.File) (int, error) {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	live := flags.Bool("watch", false, "show it live")
	if code, ok := parse(flags, args, errs); !ok {
		return code, nil
	}
	store, err := lockfile.Open(stateDir())
	if err != nil {
		return exitFailure, err
	}
	if *live {
		if *asJSON {
			return exitUsage, errors.New("--watch and --json exclude each other")
		}
		return watch(store, in, out)
	}
	r, err := see(store, wishes())
	if err != nil {
		return exitFailure, err
	}
	if *asJSON {
		e := json.NewEncoder(printing{out})
		e.SetIndent("", "  ")
		return 0, e.Encode(r)
	}
	return 0, r.write(out, time.Now())
}

// see is what the state tells now.
func see(store *lockfile.Store, rules turn.Rules) (report, error) {
	v, err := store.View()
	if err != nil {
		return report{}, err
	}
	v.Close()
	return reportOf(v.State, time.Now(), rules), nil
}

// wishes are the rules that set the order of the line. What is wrong with the settings is said where they are used.
func wishes() turn.Rules {
	s, _ := loadSettings(configPath(), os.Getenv)
	return s.rules()
}

// reportOf tells what the state says, without those that are gone. It works on its own copy of the state. Places are in the
// order in which turns are given by the rules.
func reportOf(s *turn.State, now time.Time, rules turn.Rules) report {
	s.Forget(now, lockfile.Alive)
	r := report{Pools: []poolReport{}}
	for _, id := range slices.Sorted(maps.Keys(s.Pools)) {
		p := s.Pool(id)
		if p.Name == "" {
			continue // no calls of its own, only of its classes
		}
		one := poolReport{ID: id, Name: p.Name, GaveUp: p.CoolDown.GaveUp(), Rate: p.Pace.Rate * 60, Turns: []callerReport{}, Waiting: []callerReport{}}
		if until, ok := p.Cooling(now); ok {
			one.CoolDown = &coolDown{until, until.Sub(now).Seconds(), p.CoolDown.Why, p.CoolDown.Blind && until.Equal(p.CoolDown.Until)}
		}
		if p.Usage.Until.After(now) {
			one.Usage = &coolDown{Until: p.Usage.Until, Seconds: p.Usage.Until.Sub(now).Seconds(), Why: p.Usage.Why}
		}
		if took, of, ok := p.Spending(now); ok {
			one.Budget = &budgetReport{took.Calls, of.Calls, took.Input, of.Input, took.Output, of.Output}
		}
		for _, session := range s.Sessions {
			if session.Pool == id || session.Gateway && strings.HasPrefix(id, turn.ClassPool(session.Pool, "")) {
				one.Sessions++
			}
		}
		caller := func(k turn.Key, process turn.Process, since time.Time) callerReport {
			c := callerReport{Session: k.Session, Agent: k.Agent, PID: process.PID, Since: since, Seconds: now.Sub(since).Seconds()}
			if session := s.Sessions[k.Session]; session != nil {
				c.Dir = session.Dir
			}
			return c
		}
		for _, g := range p.Grants {
			if slices.ContainsFunc(p.Retries, func(r turn.Retry) bool { return r.Key == g.Key }) {
				continue // it is shown as what it does
			}
			one.Turns = append(one.Turns, caller(g.Key, g.Process, g.At))
		}
		for i, t := range p.Line(rules) {
			c := caller(t.Key, t.Process, t.Since)
			c.Place = i + 1
			one.Waiting = append(one.Waiting, c)
		}
		for _, t := range p.Retries {
			c := caller(t.Key, t.Process, t.Rejected)
			c.Seconds = t.Rejected.Add(t.In).Sub(now).Seconds()
			one.Retrying = append(one.Retrying, c)
		}
		busy := slices.Concat(one.Turns, one.Waiting, one.Retrying)
		for _, id := range slices.Sorted(maps.Keys(s.Sessions)) {
			session := s.Sessions[id]
			shown := slices.ContainsFunc(busy, func(c callerReport) bool { return c.Session == id })
			if stop := session.Stop; session.Pool == one.ID && stop.Why != "" && stop.Until.After(now) && !shown {
				c := caller(turn.Key{Session: id}, session.Process, stop.Since)
				c.Seconds, c.Why = stop.Until.Sub(now).Seconds(), stop.Why
				one.Stopped = append(one.Stopped, c)
			}
		}
		r.Pools = append(r.Pools, one)
	}
	return r
}

// write prints the report as a table for a person.
func (r report) write(out io.Writer, now time.Time) error {
	if len(r.Pools) == 0 {
		_, err := fmt.Fprintln(out, "no session takes turns now")
		return err
	}
	for i, p := range r.Pools {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "limit      %s (%s)\n", printable(p.Name), printable(p.ID))
		switch {
		case p.Rate > 0:
			fmt.Fprintf(out, "pace       %.3g calls a minute, learned\n", p.Rate)
		default:
			fmt.Fprintln(out, "pace       no limit met yet")
		}
		switch {
		case p.CoolDown != nil:
			guess := ""
			if p.CoolDown.Guess {
				guess = " (a guess: nothing says until when)"
			}
			fmt.Fprintf(out, "cool-down  until %s, in %s%s%s\n", clock(p.CoolDown.Until, now), span(p.CoolDown.Seconds), because(p.CoolDown.Why), guess)
		case p.GaveUp:
			fmt.Fprintln(out, "cool-down  given up: the limit came back each time and never said how long it lasts")
		default:
			fmt.Fprintln(out, "cool-down  none")
		}
		if p.Usage != nil {
			fmt.Fprintf(out, "usage      limit reached, resets %s, in %s\n", clock(p.Usage.Until, now), span(p.Usage.Seconds))
		}
		if b := p.Budget; b != nil {
			fmt.Fprintf(out, "budget     %s in the last minute\n", b)
		}
		fmt.Fprintf(out, "sessions   %d\n", p.Sessions)
		if len(p.Turns)+len(p.Waiting)+len(p.Retrying)+len(p.Stopped) == 0 {
			continue
		}
		fmt.Fprintln(out)
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "PLACE\tSESSION\tPID\tDIRECTORY\tSINCE\t")
		line := func(place string, c callerReport, note string) {
			id := short(c.Session)
			if c.Agent != "" {
				id += "/" + short(c.Agent)
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", place, id, c.PID, home(c.Dir), clock(c.Since, now), note)
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
			line(fmt.Sprint(c.Place), c, "waits for "+span(c.Seconds))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
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

// clock is a time as a person reads it: the day only where it is not today.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("Jan 2 15:04")
}

// span is a number of seconds as a person reads it.
func span(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + printable(why)
}

// home is a path for a person to read, shortened as a shell does where it is in their home.
func home(dir string) string {
	h, err := os.UserHomeDir()
	if rest, ok := strings.CutPrefix(dir, h+"/"); ok && err == nil {
		dir = "~/" + rest
	}
	return printable(dir)
}

// short is an id of Claude Code's for a person to read.
func short(id string) string { return printable(id[:min(8, len(id))]) }
