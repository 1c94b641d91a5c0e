package turn

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// crowd is more than can run on a machine at once, 500 sessions with their subagents; many more than is remembered of
	// what they did. With so many it still takes no more than seconds to look at each of them for each of the others.
	crowd, many = 2_000, 10_000
	// plenty is more tokens than calls take or a bucket has.
	plenty = 1e15
	// longest is the longest retry that is believed.
	longest = 366 * 24 * time.Hour
	// slack is how much a time may be beyond what it must not be beyond: rounding, and what was told just before the
	// pool was brought up to date.
	slack = time.Minute
)

// Check says what in s can't be true; nil: nothing. Whoever reads a state checks it before anything else works on it, so that
// nothing else need look for missing accounts, for negative counts, or for a time that never comes. It accepts whatever
// the methods here leave behind.
//
// It takes no time of day: a clock is not a corruption. Each account is held against its own [Account.At], from which a cool-down
// ends in 10 minutes at the latest and than which nothing that happened is later; where At is in the future, because a
// clock was put back or differs, [State.Arrive] moves the whole state. Only what no clock shows, before 1970 or after 2199, is
// wrong by itself. What is kept beside the pools (sessions, what calls took, when a usage limit resets) holds nobody back
// for longer than it should wherever in this time it is.
func (s *State) Check() error {
	if max(len(s.Accounts), len(s.Sessions)) > crowd {
		return fmt.Errorf("%d accounts and %d sessions", len(s.Accounts), len(s.Sessions))
	}
	if len(s.Clocks) > mostClocks {
		return fmt.Errorf("%d clocks", len(s.Clocks))
	}
	for machine, ms := range s.Clocks {
		if most := float64(farthest.Milliseconds()); !within(float64(ms), -most, most) {
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
	case !dated(s.Since, s.Seen, s.Stop.Since, s.Stop.Until):
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
	if a == nil {
		return errors.New("null")
	}
	if len(a.Calls) > many || len(a.Classes) > crowd || len(a.Requests) > many {
		return fmt.Errorf("%d calls, %d classes, %d requests", len(a.Calls), len(a.Classes), len(a.Requests))
	}
	// past are times of what has happened.
	past := func(times ...time.Time) bool {
		return dated(times...) && !slices.ContainsFunc(times, func(t time.Time) bool { return t.After(a.At.Add(slack)) })
	}
	if !dated(a.At) || !past(a.Budgeted) || !past(a.Requests...) || !a.Budget.valid() {
		return fmt.Errorf("brought up to %v, budget %v asked with at %v", a.At, a.Budget, a.Budgeted)
	}
	for _, c := range a.Calls {
		if c == nil {
			return errors.New("null call")
		}
		for _, t := range c.times() {
			if t != &c.Doubt && !past(*t) {
				return fmt.Errorf("call %+v", *c)
			}
		}
		r := c.Retry
		if c.Rejections < 0 || !c.valid() || !past(c.Doubt.Add(-slack)) && !c.Doubt.IsZero() || c.Trial && c.Sent.IsZero() ||
			r != nil && (r.Rejected.IsZero() || r.In < 0 || r.In > longest) {
			return fmt.Errorf("call %+v", *c)
		}
	}
	for class, l := range a.Classes {
		if err := l.check(past); err != nil {
			return fmt.Errorf("class %q: %w", class, err)
		}
	}
	return nil
}

func (c *Call) valid() bool {
	return c.Phase >= Waiting && c.Phase <= Over && c.News >= ByRow && c.News <= ByNext && c.Rules.Most >= 0 && c.Rules.Budget.valid() &&
		c.Expected.valid() && c.Took.valid() && c.Reserved.valid()
}

func (l *Limit) check(past func(...time.Time) bool) error {
	if l == nil {
		return errors.New("null")
	}
	switch c := l.CoolDown; {
	case !dated(l.Usage.Until):
		return fmt.Errorf("usage limit until %v", l.Usage.Until)
	case l.Passed < 0:
		return fmt.Errorf("%d passed", l.Passed)
	case !past(c.Until.Add(-usage)) && !c.Until.IsZero() || c.Times < 0 || c.Times > mostBlind+1:
		return fmt.Errorf("cool-down %d in a row until %v", c.Times, c.Until)
	case !l.First.valid():
		return fmt.Errorf("costs %v", l.First)
	}
	for _, b := range []Bucket{l.Tokens.Input, l.Tokens.Output, l.Tokens.Total} {
		if b.Rate != 0 && (!within(60*b.Rate, 0.999, 1.001*mostLimit) || !within(b.Level, b.deepest()-1, plenty)) || !within(b.Top, 0, plenty) || !past(b.At) {
			return fmt.Errorf("bucket %+v", b)
		}
	}
	return l.Pace.check(past)
}

func (c *Pace) check(past func(...time.Time) bool) error {
	const round = 1e-6
	switch {
	case c.Rate != 0 && !within(c.Rate, slowest-round, 2*fastest), c.Limit != 0 && !within(c.Limit, slowest-round, fastest), !within(c.Peak, 0, plenty),
		!within(c.Level, -1-round, 1+round), c.Window < 0, c.Window >= mostTrial, c.Grown < 0:
		return fmt.Errorf("pace %v, limit %v, peak %v, level %v, window %d, grown %d", c.Rate, c.Limit, c.Peak, c.Level, c.Window, c.Grown)
	case c.Doubts < 0, !within(float64(c.Distrust), 0, distrustMost):
		return fmt.Errorf("headers doubted %d times, for %d calls", c.Doubts, c.Distrust)
	case len(c.Log) > keptMost, len(c.Empty) > moments:
		return fmt.Errorf("%d calls and %d moments remembered", len(c.Log), len(c.Empty))
	case !past(c.At, c.Cut, c.Since, c.Used), !past(c.Log...), !past(c.Empty...):
		return errors.New("a pace of the future")
	}
	return nil
}

// dated says whether a clock can have shown the times; zero is not known.
func dated(times ...time.Time) bool {
	const from, to = 0, 7258118400 // 1970 to 2199
	return !slices.ContainsFunc(times, func(t time.Time) bool { return !t.IsZero() && (t.Unix() < from || t.Unix() >= to) })
}

// within is false of what is no number.
func within(x, least, most float64) bool { return least <= x && x <= most }

func (c Costs) valid() bool { return within(c.Input, 0, mostLimit) && within(c.Output, 0, mostLimit) }

func (b Budget) valid() bool {
	return within(b.Calls, 0, plenty) && within(b.Input, 0, plenty) && within(b.Output, 0, plenty)
}
