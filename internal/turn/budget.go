package turn

import (
	"cmp"
	"slices"
	"time"

	"afteryou/internal/limit"
)

// Budget is the most that the calls of an account may take in any minute, whatever the server allows. Zero is no limit.
//
// It is kept over a sliding minute: a call goes when it fits beside all that was taken in the last 60 seconds. A token
// bucket would let through twice as much in some minute, or half of it in the long run. What a call takes in tokens is
// known only once it is answered; until then it counts with what the calls of its key took lately, and while nothing is
// known with everything there is. So calls never exceed their budget, and tokens exceed theirs at most by what the
// calls of that minute took beyond what was expected of them; the calls after them make up for it. One call that takes
// more than the whole budget goes alone.
//
// A call that no gate stands before (a retry of Claude Code's own, a compaction) is not held, only counted.
type Budget struct {
	Calls  float64 `json:"calls,omitempty"`
	Input  float64 `json:"input,omitempty"` // without what came from the cache
	Output float64 `json:"output,omitempty"`
}

const (
	// minute is how long a call counts from when the server had it, and the grain of our clock.
	minute = time.Minute + 10*time.Millisecond
	// onWay bounds how long after it was sent a call comes to the server, where no answer bounds it closer: on a busy
	// machine 2 s were seen.
	onWay = 5 * time.Second
	// tardy is how long after an answer what it took may be told.
	tardy = 5 * time.Second
)

// budgeted notes that somebody asks with a budget. What is known of calls of before must do for a start.
func (a *Account) budgeted(now time.Time, b Budget) {
	if b == (Budget{}) {
		return
	}
	a.Budget, a.Budgeted = b, now.Truncate(time.Minute)
}

// forgetBudget forgets what counts no more.
func (a *Account) forgetBudget(now time.Time) {
	if now.Sub(a.Budgeted) > forgotten {
		a.Budget, a.Budgeted, a.Requests = Budget{}, time.Time{}, nil
	}
	for len(a.Requests) > 0 && now.Sub(a.Requests[0]) > minute {
		a.Requests = a.Requests[1:]
	}
}

// spends reports that a call may count in the budget.
func (a *Account) spends(now time.Time, c *Call) bool {
	return !a.Budgeted.IsZero() && !c.Sent.IsZero() && now.Sub(c.Sent) <= forgotten &&
		(c.Done.IsZero() || now.Sub(c.Done) <= minute || now.Sub(c.Sent) <= minute+onWay)
}

// What there are budgets of.
const (
	calls = iota
	input
	output
	resources
)

func (b Budget) each() [resources]float64 { return [...]float64{b.Calls, b.Input, b.Output} }

// counts is how much a call of that cost counts.
func counts(c limit.Costs) [resources]float64 { return [...]float64{1, c.Input, c.Output} }

// gone is from when on a call counts no more; open: it may be on its way, or take more. Zero: nobody knows.
func (c *Call) gone(what int, open bool) time.Time {
	switch {
	case open && (c.Unseen || what == output):
		return time.Time{}
	case what == output && c.Done.After(c.Sent):
		return c.Done.Add(minute)
	case !c.Came.IsZero() && c.Came.Before(c.Sent.Add(onWay)):
		return c.Came.Add(minute)
	}
	return c.Sent.Add(onWay + minute)
}

// overBudget holds a call until it fits into its budget beside what was spent.
func (a *Account) overBudget(now time.Time, c *Call) (h Hold) {
	cost, _ := a.expect(c)
	var first limit.Costs // the most in any class
	for _, l := range a.Classes {
		first = limit.Costs{Input: max(first.Input, l.First.Input), Output: max(first.Output, l.First.Output)}
	}
	cost = limit.Costs{Input: cmp.Or(cost.Input, first.Input), Output: cmp.Or(cost.Output, first.Output)}
	for what, most := range c.Rules.Budget.each() {
		need := counts(cost)[what]
		if most == 0 {
			continue
		}
		if need == 0 || need > most { // not known, or never to fit: it goes alone
			need = most
		}
		free, ok := a.frees(now, what, most-need)
		if !ok {
			return Hold{now.Add(time.Second), OverBudget} // who is under way says when
		}
		h = h.longer(Hold{free, OverBudget})
	}
	return h
}

// amount is what one call spent of something, and until when it counts; zero: as long as it is under way.
type amount struct {
	of    float64
	until time.Time
}

// spent returns what counts, each and in all; false: what one of them takes may be anything yet.
func (a *Account) spent(now time.Time, what int) (list []amount, sum float64, known bool) {
	known = true
	turns := make(map[Key]bool)
	for _, c := range a.all(func(c *Call) bool { return c.Phase == Granted }) {
		turns[c.Key] = true
	}
	for _, c := range a.Calls {
		open := c.Done.IsZero() && turns[c.Key]
		if until := c.gone(what, open); a.spends(now, c) && (until.IsZero() || until.After(now)) {
			took := counts(c.took())[what]
			list, sum = append(list, amount{took, until}), sum+took
			known = known && (took > 0 || !open && now.Sub(c.Done) >= tardy)
		}
	}
	for _, t := range a.Requests {
		if until := t.Add(minute); what == calls && until.After(now) {
			list, sum = append(list, amount{1, until}), sum+1
		}
	}
	return list, sum, known
}

// frees is when the calls of the last minute take no more than most of something; false: nobody knows yet.
func (a *Account) frees(now time.Time, what int, most float64) (at time.Time, ok bool) {
	list, sum, known := a.spent(now, what)
	if at = now; sum > most+1e-9 { // else there is nothing to wait for: most calls come by here
		slices.SortFunc(list, func(a, b amount) int { return a.until.Compare(b.until) })
	}
	for _, one := range list {
		if sum > most+1e-9 && !one.until.IsZero() {
			sum -= one.of
			at = one.until
		}
	}
	return at, known && sum <= most+1e-9
}

// Spending returns what the calls of the last minute took, and of which budget; false: there is none.
func (a *Account) Spending(now time.Time) (took, of Budget, ok bool) {
	var sum [resources]float64
	for what := range resources {
		_, sum[what], _ = a.spent(now, what)
	}
	return Budget{sum[calls], sum[input], sum[output]}, a.Budget, a.Budget != Budget{}
}

// came notes that the server has the key's call that was sent last by then.
func (a *Account) came(at time.Time, k Key) {
	if c := a.sentBy(k, at); c != nil && c.Came.IsZero() {
		c.Came = at
	}
}
