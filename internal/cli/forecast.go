package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"afteryou/internal/budget"
	"afteryou/internal/limit"
	"afteryou/internal/turn"
	"afteryou/internal/usage"
	"afteryou/lockfile"
)

// lately is the time whose pace a forecast goes on with.
const lately = 10 * time.Minute

// forecast is what usage --forecast --json prints.
type forecast struct {
	Since  time.Time     `json:"since"` // it goes on as from then on
	Limits []usage.Limit `json:"limits"`
}

// forecasts tells which limit is used up first, if all go on as in the last minutes.
func forecasts(c call, w budget.Watch, asJSON bool) (int, error) {
	now := time.Now()
	calls, err := usage.Read(w.Config, now.Add(-lately))
	if err != nil {
		return exitFailure, err
	}
	s := &turn.State{}
	if store, err := lockfile.Open(stateDir()); err == nil {
		if seen, err := snapshot(store); err == nil {
			s = seen
		}
	}
	f := forecast{Since: now.Add(-lately).UTC().Truncate(time.Second), Limits: usage.Forecast(now, append(rates(s, calls, now), left(w, calls, now)...))}
	if asJSON {
		return 0, c.json(f)
	}
	return 0, f.write(c.text(), now)
}

// rates are the limits of the accounts, as the state has them, and what was taken of them lately.
func rates(s *turn.State, calls []usage.Call, now time.Time) (list []usage.Limit) {
	type key struct{ account, class string }
	took := make(map[key]limit.Costs)
	requests := make(map[key]float64)
	for _, c := range calls {
		session := s.Sessions[c.Session]
		if session == nil {
			continue // it ended, or takes no turns: of which account it was nobody knows
		}
		k := key{session.Account, ""}
		if session.Exact() {
			k.class = limit.Class(c.Model)
		}
		sum := took[k]
		took[k] = limit.Costs{Input: sum.Input + float64(c.Usage.Input+c.Usage.CacheWrite), Output: sum.Output + float64(c.Usage.Output)}
		requests[k]++
	}
	minutes := lately.Minutes()
	for _, id := range slices.Sorted(maps.Keys(s.Accounts)) {
		a := s.Accounts[id]
		for _, class := range slices.Sorted(maps.Keys(a.Classes)) {
			name, k, one := a.Name, key{id, class}, *a.Classes[class]
			if class != "" {
				name += ", " + class
			}
			one.Pace.Refill(now)
			one.Tokens.Refill(now)
			if one.Pace.Rate > 0 {
				list = append(list, usage.Limit{Name: name, Of: "requests", Left: max(0, one.Pace.Level+one.Pace.Spare), Gains: 60 * one.Pace.Rate, Takes: requests[k] / minutes})
			}
			for i, b := range one.Tokens.Each() {
				if b.Rate > 0 {
					list = append(list, usage.Limit{Name: name, Of: [...]string{"input tokens", "output tokens", "tokens"}[i], Left: max(0, b.Level), Gains: 60 * b.Rate,
						Takes: took[k].Each()[i] / minutes})
				}
			}
		}
	}
	return list
}

// left is what is left of the budgets of directories, and what was spent of it lately.
func left(w budget.Watch, calls []usage.Call, now time.Time) (list []usage.Limit) {
	for _, s := range w.All(now) {
		l := usage.Limit{Name: "budget of " + s.Dir, Of: "dollars", Left: float64(s.Day.USD - s.Spent.USD), Resets: usage.Day(now.AddDate(0, 0, 1))}
		if s.Day.USD == 0 {
			l.Of, l.Left = "tokens", float64(s.Day.Tokens-s.Spent.Tokens)
		}
		for _, c := range calls {
			if !w.Holds(s.Budget, c.Dir) {
				continue
			}
			if took := w.Costs(c.Model, c.Usage); l.Of == "dollars" {
				l.Takes += float64(took.USD) / lately.Minutes()
			} else {
				l.Takes += float64(took.Tokens) / lately.Minutes()
			}
		}
		l.Left = max(0, l.Left)
		list = append(list, l)
	}
	return list
}

func (f forecast) write(out io.Writer, now time.Time) error {
	if len(f.Limits) == 0 {
		_, err := fmt.Fprintln(out, "no limit is known yet, and no budget is set")
		return err
	}
	first := f.Limits[0]
	switch {
	case first.Takes == 0:
		fmt.Fprintf(out, "nothing was asked since %s\n\n", clock(f.Since, now))
	case first.Ends.IsZero():
		fmt.Fprintf(out, "at the pace since %s no limit is reached; the nearest are the %s of %s, of which %.0f %% are taken\n\n", clock(f.Since, now), first.Of, first.Name, 100*first.Share(now))
	case !first.Ends.After(now):
		fmt.Fprintf(out, "at the pace since %s the limit is the %s of %s, now\n\n", clock(f.Since, now), first.Of, first.Name)
	default:
		fmt.Fprintf(out, "at the pace since %s the first limit is the %s of %s, at %s, in %s\n\n", clock(f.Since, now), first.Of, first.Name, clock(first.Ends, now), first.Ends.Sub(now).Round(time.Minute))
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LIMIT\tOF\tLEFT\tGAINS A MINUTE\tTAKES A MINUTE\tAT THIS PACE")
	for _, l := range f.Limits {
		ends := "lasts"
		if !l.Ends.IsZero() {
			ends = "until " + clock(l.Ends, now)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.Of, amount(l.Left, l.Of), amount(l.Gains, l.Of), amount(l.Takes, l.Of), ends)
	}
	return t.Flush()
}

// amount is a number as it is shown.
func amount(n float64, of string) string {
	switch {
	case of == "dollars":
		return fmt.Sprintf("$%.2f", n)
	case n == 0 || n >= 100:
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.3g", n)
}
