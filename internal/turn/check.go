package turn

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"afteryou/internal/limit"
)

const (
	// crowd is more than can run on a machine at once, 500 sessions with their subagents; many more than is remembered of
	// what they did. With so many it still takes no more than seconds to look at each of them for each of the others.
	crowd, many = 2_000, 10_000
	// plenty is more tokens than calls take or a bucket has.
	plenty = 1e15
	// longest is the longest retry that is believed.
	longest = 366 * 24 * time.Hour
	// leeway is how far a time in an account may be beyond what the account was brought up to: the longest cool-down, and what
	// was told just before.
	leeway = usage + time.Minute
)

// Check says what in s can't be true; nil: nothing. Whoever reads a state checks it before anything else works on it, so that
// nothing else need look for missing accounts, for negative counts, or for a time that never comes. It accepts whatever
// the methods here leave behind.
//
// It takes no time of day: a clock is not a corruption. Each account is held against its own [Account.At], from which a cool-down
// ends in 10 minutes at the latest; where At is in the future, because a clock was put back or differs, [State.Arrive] moves
// the whole state. Only what no clock shows, before 1970 or after 2199, is wrong by itself. Sessions, and when a usage limit
// resets, hold nobody back for longer than they should wherever in this time they are.
func (s *State) Check() error {
	if max(len(s.Accounts), len(s.Sessions)) > crowd {
		return fmt.Errorf("%d accounts and %d sessions", len(s.Accounts), len(s.Sessions))
	}
	if len(s.Clocks) > mostClocks {
		return fmt.Errorf("%d clocks", len(s.Clocks))
	}
	for machine, ms := range s.Clocks {
		if most := float64(farthest.Milliseconds()); !limit.Within(float64(ms), -most, most) {
			return fmt.Errorf("clock of %q %d ms behind", machine, ms)
		}
	}
	for id, one := range s.Sessions {
		if err := one.check(); err != nil {
			return fmt.Errorf("session %q: %w", id, err)
		}
	}
	for id, a := range s.Accounts {
		if err := a.check(); err != nil {
			return fmt.Errorf("account %q: %w", id, err)
		}
	}
	return nil
}

func (s *Session) check() error {
	switch {
	case s == nil:
		return errors.New("null")
	case len(s.Offsets) > many:
		return fmt.Errorf("%d subagents", len(s.Offsets))
	case s.Resumes.Tries < 0 || len(s.Resumes.Times) > mostADay || !dated(s.Resumes.Times...):
		return fmt.Errorf("resumes %+v", s.Resumes)
	case !dated(s.Since, s.Seen, s.Stop.Since, s.Stop.Until, s.Warned):
		return fmt.Errorf("seen from %v to %v, stopped from %v to %v", s.Since, s.Seen, s.Stop.Since, s.Stop.Until)
	}
	for _, n := range s.Offsets {
		if n < 0 {
			return fmt.Errorf("a transcript read up to byte %d", n)
		}
	}
	return nil
}

func (a *Account) check() error {
	switch {
	case a == nil:
		return errors.New("null")
	case slices.Contains(a.Calls, nil) || slices.Contains(slices.Collect(maps.Values(a.Classes)), nil) ||
		slices.Contains(slices.Collect(maps.Values(a.Windows)), nil):
		return errors.New("a null in it")
	case len(a.Calls) > many || len(a.Classes) > crowd || len(a.Requests) > many || len(a.Windows) > len(windows):
		return fmt.Errorf("%d calls, %d classes, %d requests, %d windows", len(a.Calls), len(a.Classes), len(a.Requests), len(a.Windows))
	case !a.Budget.valid():
		return fmt.Errorf("budget %v", a.Budget)
	}
	for _, t := range a.times() {
		if !dated(*t) || t.After(a.At.Add(leeway)) {
			return fmt.Errorf("%v in it, brought up to %v", *t, a.At)
		}
	}
	for name, w := range a.Windows {
		if !w.valid() {
			return fmt.Errorf("window %s: %+v", name, *w)
		}
	}
	for _, c := range a.Calls {
		if !c.valid() {
			return fmt.Errorf("call %+v", *c)
		}
	}
	for class, l := range a.Classes {
		if err := cmp.Or(l.check(), l.Pace.Check()); err != nil {
			return fmt.Errorf("class %q: %w", class, err)
		}
	}
	return nil
}

func (c *Call) valid() bool {
	for _, cost := range []limit.Costs{c.Size, c.Expected, c.Took, c.Reserved} {
		if !cost.Valid() {
			return false
		}
	}
	for _, tokens := range []float64{c.Fresh, c.Before, c.Booked, c.Needs} {
		if !limit.Within(tokens, 0, plenty) {
			return false
		}
	}
	r := c.Retry
	return Waiting <= c.Phase && c.Phase <= Over && ByRow <= c.News && c.News <= ByMark && Normal <= c.Rank && c.Rank <= Last && c.Rejections >= 0 &&
		c.Yielded >= 0 && !(c.Trial && c.Sent.IsZero()) && (r == nil || !r.Rejected.IsZero() && 0 <= r.In && r.In <= longest) &&
		c.Rules.Most >= 0 && limit.Within(c.Rules.Reserve, 0, 1) && c.Rules.Budget.valid()
}

func (w *Window) valid() bool {
	return limit.Within(w.Used, 0, mostUsed) && limit.Within(w.From.Used, 0, mostUsed) && limit.Within(w.Next.Used, 0, mostUsed) && dated(w.ResetsAt, w.Opened)
}

func (l *Class) check() error {
	switch c := l.CoolDown; {
	case !dated(l.Usage.Until):
		return fmt.Errorf("usage limit until %v", l.Usage.Until)
	case l.Passed < 0:
		return fmt.Errorf("%d passed", l.Passed)
	case c.Times < 0 || c.Times > mostBlind+1:
		return fmt.Errorf("%d cool-downs in a row", c.Times)
	case !l.First.Valid(), !limit.Within(l.Adds, 0, plenty), !limit.Within(l.Share, 0, mostShare):
		return fmt.Errorf("costs %v", l.First)
	}
	return cmp.Or(l.Fleet.check(), l.Tokens.Check(), l.Quota.Check())
}

func (b Budget) valid() bool {
	return limit.Within(b.Calls, 0, plenty) && limit.Within(b.Input, 0, plenty) && limit.Within(b.Output, 0, plenty)
}
