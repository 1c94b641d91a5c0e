package turn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"afteryou/internal/fleet"
	"afteryou/internal/limit"
)

// Fleet is what is known of the other machines that share the limit of a class. Zero: nobody asked.
//
// Until a limit is met calls wait for nobody elsewhere. From then on each needs a grant of the fleet, for which the first in line
// asks. While the fleet can't be asked calls go at this machine's share of the pace.
type Fleet struct {
	Pool   string    `json:"pool,omitempty"` // the limit's name when they were last heard
	Heard  time.Time `json:"heard,omitzero"` // last answer
	Next   time.Time `json:"next,omitzero"`  // when the first in line asks again
	Since  time.Time `json:"since,omitzero"` // since when it waits for somebody to ask
	Ticket string    `json:"ticket,omitempty"`
	// Waits says that the ticket was told to wait.
	Waits bool `json:"waits,omitempty"`
	// Pass is until when a call may go that was granted.
	Pass time.Time `json:"pass,omitzero"`
	// Cools is until when all know that nobody may start.
	Cools time.Time `json:"cools,omitzero"`
	// Loose is how many calls were sent without a grant, Told as many as were told, Sent what all sent.
	Loose float64 `json:"loose,omitempty"`
	Told  float64 `json:"told,omitempty"`
	Sent  float64 `json:"sent,omitempty"`
	// Rate is the pace as it was last told or heard: another is news.
	Rate     float64 `json:"rate,omitempty"`
	Version  int     `json:"version,omitempty"`
	Machines int     `json:"machines,omitempty"`
	Ahead    int     `json:"ahead,omitempty"`
	Line     int     `json:"line,omitempty"`
	// Part is the part of all calls that wait or are under way that are here.
	Part float64 `json:"part,omitempty"`
	// Broken is until when nobody asks, since asking failed Failures times in a row.
	Broken   time.Time `json:"broken,omitzero"`
	Failures int       `json:"failures,omitempty"`
	// Kept is what all believed when asking failed.
	Kept fleet.Belief `json:"kept,omitzero"`
}

const (
	// lazy is how often a machine tells that it is there, while it has calls.
	lazy = fleet.Lease / 2
	// unaskedFor is how long a call is held for an answer of the fleet that nobody asks for; then it goes by the pace.
	unaskedFor = time.Second
	// passLasts is for how long a grant holds. Late ones would come beside those of others.
	passLasts = time.Second
	// broken is for how long nobody asks after asking failed, brokenMost after it failed again: so long it may take until all go on as
	// before when the server is back.
	broken     = 5 * time.Second
	brokenMost = 10 * time.Second
	// lateFor is how late a call may come until the others are told at once.
	lateFor = 20 * time.Millisecond
	// mostFailures bounds a count.
	mostFailures = 100
)

// Alone reports that the fleet can't be asked.
func (f *Fleet) Alone() bool { return f.Failures > 0 }

// asksFleet is the call of a class that the fleet is to let go, or nil: the first in line, that nothing else holds.
func (a *Account) asksFleet(now time.Time, class string) *Call {
	for _, c := range a.order(class) {
		if !a.heldAlone(now, c).Until.After(now) {
			if h := a.heldWithAll(now, c); h.Why == Elsewhere && h.Until.After(now) {
				return c
			}
			return nil
		}
	}
	return nil
}

// fleetDecides reports that the fleet lets the call go, and not the pace.
func (l *Class) fleetDecides(now time.Time, c *Call) bool {
	return c.Rules.Shared && l.Pace.Rate > 0 && !l.Fleet.Alone() && l.Fleet.unasked(now).After(now)
}

// unasked is until when the first in line is held though nobody asks.
func (f *Fleet) unasked(now time.Time) time.Time {
	since := f.Since
	if since.IsZero() {
		since = now
	}
	return Latest(since, f.Next).Add(unaskedFor)
}

// asked notes that the first in line waits for somebody to ask.
func (f *Fleet) asked(now time.Time) {
	if f.Since.IsZero() {
		f.Since = now
	}
}

// FleetDue returns when the machines are to be asked about a class, with line for the first in line too; zero: not before something
// happens.
func (a *Account) FleetDue(now time.Time, class string, line bool) (at time.Time) {
	l := a.Class(class)
	f := &l.Fleet
	c := a.find(func(c *Call) bool { return c.Class == class && c.Phase != Over && c.Rules.Shared })
	if c == nil && f.Heard.IsZero() {
		return at
	}
	switch {
	case l.news(f) && (f.Rate == 0 || l.Pace.Rate < f.Rate), a.CoolsUntil(now, class).Sub(f.Cools) > fleet.Slop,
		l.Pace.Rate > 0 && f.Loose-f.Told > l.Pace.Rate*lateFor.Seconds():
		at = now
	case c == nil:
		return at
	default:
		at = f.Heard.Add(lazy)
		if line && a.asksFleet(now, class) != nil {
			at = earliest(f.Next, at)
			if f.Next.IsZero() {
				at = now
			}
		}
	}
	return Latest(at, f.Broken)
}

// news reports that the pace was learned here since it was last told or heard.
func (l *Class) news(f *Fleet) bool { return !f.Alone() && l.Pace.Rate != f.Rate }

// AskFleet returns what is to be told and asked; ticket names the place in line of the first, if there is none yet; empty: nobody
// asks for a call. It changes nothing.
func (a *Account) AskFleet(now time.Time, class, ticket string) (ask fleet.Ask) {
	l := a.Class(class)
	f := &l.Fleet
	ask.Demand = len(a.all(func(c *Call) bool { return c.Class == class && c.Phase != Over }))
	if c := a.asksFleet(now, class); c != nil && ticket != "" {
		ask.Ticket, ask.Age = ticket, max(0, now.Sub(c.Asked))
		ask.Way = a.longer(c)
		if f.Ticket != "" {
			ask.Ticket = f.Ticket
		}
	}
	if until := a.CoolsUntil(now, class); until.After(now) {
		ask.Cool = until.Sub(now)
	}
	ask.Loose = f.Loose
	ask.Belief, ask.News = fleet.Belief{Version: f.Version, Rate: l.Pace.Rate, Top: l.Pace.Top, Text: l.Pace.Teach()}, l.news(f)
	if f.Alone() {
		ask.Belief = f.Kept
	}
	return ask
}

// HeardFleet takes in what the other machines answered to an ask.
func (a *Account) HeardFleet(now time.Time, class string, ask fleet.Ask, ans fleet.Answer) {
	now = a.advance(now)
	ans.Cool, ans.Version = max(0, ans.Cool), max(0, ans.Version)
	if !limit.Within(ans.Sent, 0, plenty) {
		ans.Sent = 0
	}
	l := a.class(class)
	f := &l.Fleet
	if f.Pool != ask.Pool { // what others sent in another is no news
		f.Pool, f.Sent = ask.Pool, math.MaxInt32
	}
	was := *f
	f.Heard, f.Since, f.Broken, f.Failures, f.Kept = now, time.Time{}, time.Time{}, 0, fleet.Belief{}
	f.Machines, f.Line, f.Part = max(1, ans.Machines), max(0, ans.Line), float64(max(1, ask.Demand))/float64(max(1, ask.Demand, ans.Demand))
	own := ask.Loose - was.Told
	switch {
	case ask.Ticket == "":
	case ans.Granted:
		own++
		f.Pass, f.Next, f.Ticket, f.Waits = now.Add(passLasts), now, "", false
	default:
		f.Next, f.Ticket, f.Waits, f.Ahead = ceil(now.Add(min(lazy, max(0, ans.Wait)))), ask.Ticket, true, max(0, ans.Ahead)
	}
	if others := ans.Sent - was.Sent - own; !was.Heard.IsZero() && !was.Alone() && others > 0 {
		l.Pace.Others(int(min(others, many)))
	}
	f.Told, f.Sent = ask.Loose, ans.Sent
	f.Cools = Latest(f.Cools, ceil(now.Add(ask.Cool)))
	if until := ceil(now.Add(min(fleet.MostCool, ans.Cool))); ans.Cool > 0 && until.Sub(a.CoolsUntil(now, class)) > fleet.Slop {
		f.Cools = until
		l.until(now, until, "a limit that another machine met")
	}
	l.believes(now, was, ask, ans.Belief)
}

// believes goes on at what all believe, unless something else was learned here since they were asked.
func (l *Class) believes(now time.Time, was Fleet, ask fleet.Ask, b fleet.Belief) {
	f := &l.Fleet
	switch {
	case was.Alone():
		if b.Version > 0 {
			l.Pace.Learn(now, b.Rate, b.Top, b.Text)
		} else if was.Kept.Rate > 0 {
			l.Pace.Learn(now, was.Kept.Rate, was.Kept.Top, was.Kept.Text)
		}
		f.Rate, f.Version = l.Pace.Rate, b.Version
	case l.Pace.Rate != ask.Rate:
		f.Rate, f.Version = ask.Rate, b.Version
	default:
		if b.Version > 0 && (b.Rate != ask.Rate || b.Text != ask.Text) {
			l.Pace.Learn(now, b.Rate, b.Top, b.Text)
		}
		f.Rate, f.Version = l.Pace.Rate, b.Version
	}
}

// FleetFailed says that the machines could not be asked: calls go at this one's share of the pace until they can be. Nobody asks
// for a while, in no account. spread is a number from 0 to 1 by which machines do not all begin at once. It reports whether that is new.
func (s *State) FleetFailed(now time.Time, spread float64) (first bool) {
	for _, a := range s.Accounts {
		for class, l := range a.Classes {
			if a.FleetDue(now, class, true).IsZero() && l.Fleet.Heard.IsZero() {
				continue
			}
			first = a.fleetFailed(now, class, spread) || first
		}
	}
	return first
}

func (a *Account) fleetFailed(now time.Time, class string, spread float64) (first bool) {
	now = a.advance(now)
	l := a.class(class)
	f := &l.Fleet
	if f.Broken.After(now) { // another process said so already
		return false
	}
	first = !f.Alone()
	f.Broken, f.Failures = now.Add(min(brokenMost, broken<<min(f.Failures, 10))), min(mostFailures, f.Failures+1)
	f.Pass, f.Waits = time.Time{}, false
	if first {
		if l.Pace.Rate > 0 {
			f.Kept = fleet.Belief{Version: f.Version, Rate: l.Pace.Rate, Top: l.Pace.Top, Text: l.Pace.Teach()}
		}
		if f.Part > 0 {
			l.Pace.Share(f.Part)
			l.forfeits(spread)
		}
	}
	return first
}

// together forgets that the fleet could not be asked, and goes on at the pace of all: whoever calls next asks, if the limit is still
// shared.
func (l *Class) together() {
	if f := &l.Fleet; f.Alone() {
		if f.Kept.Rate > 0 {
			l.Pace.Rate = f.Kept.Rate
		}
		f.Broken, f.Failures, f.Kept = time.Time{}, 0, fleet.Belief{}
	}
}

// forfeits leaves the bucket no more than it had, while the fleet can't be asked: the try of a call that was rejected is not given
// back. Many machines that try again when the server said would be rejected again; so all of them never try more often than the
// limit allows.
func (l *Class) forfeits(level float64) {
	if l.Fleet.Alone() {
		l.Pace.Give(min(0, level-l.Pace.Level-l.Pace.Spare))
	}
}

// trials is how many calls may be on trial here of so many.
func (f *Fleet) trials(all int) int {
	if f.Machines > 1 {
		return max(1, all/f.Machines)
	}
	return all
}

func (f *Fleet) times() []*time.Time {
	return []*time.Time{&f.Heard, &f.Next, &f.Since, &f.Pass, &f.Cools, &f.Broken}
}

func (f *Fleet) check() error {
	bad := min(f.Machines, f.Ahead, f.Line, f.Version, f.Failures, f.Kept.Version) < 0 || f.Failures > mostFailures || len(f.Ticket)+len(f.Pool) > 128
	for _, n := range []float64{f.Part, f.Rate, f.Sent, f.Kept.Rate, f.Kept.Top} {
		bad = bad || !limit.Within(n, 0, plenty)
	}
	if bad || f.Part > 1 || !limit.Within(f.Loose, -plenty, plenty) || !limit.Within(f.Told, -plenty, plenty) {
		return fmt.Errorf("fleet %+v", *f)
	}
	return nil
}

// grant takes the call that was just sent for the one that the fleet let go, if it did.
func (f *Fleet) grant(now time.Time, c *Call) {
	if c.Rules.Shared && f.Pass.After(now) {
		f.Pass = time.Time{}
		f.loose(-1)
	}
}

// loose counts calls that were sent without a grant, once other machines are known of.
func (f *Fleet) loose(calls float64) {
	if !f.Heard.IsZero() {
		f.Loose += calls
	}
}

// Machine names the state to other machines. It tells nothing of this one.
func (s *State) Machine() string {
	mac := hmac.New(sha256.New, []byte(s.Salt))
	mac.Write([]byte("machine"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
