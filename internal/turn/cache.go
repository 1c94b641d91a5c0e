package turn

import (
	"cmp"
	"math"
	"slices"
	"time"

	"afteryou/internal/limit"
)

// What the API keeps of a conversation in its cache does not count against a limit of input tokens, for as long as it is kept.

const (
	// addsFirst is what the second call of a conversation adds to it, as a share, while no other told.
	addsFirst = 0.03
	// losing is how long before its cache expires a call may pass others, leastCache how much must be in it, in tokens.
	losing     = 30 * time.Second
	leastCache = 20000
	// yields is how many calls may pass one for that.
	yields = 3
)

// cacheEnds is until when the cache keeps what the call left there: each use renews it.
func (last *Call) cacheEnds() time.Time {
	if last.Took.Hour {
		return last.Sent.Add(time.Hour)
	}
	return last.Sent.Add(5 * time.Minute)
}

// remembered is for how long the key's last call is kept: that of a session for as long as its cache.
func (last *Call) remembered() time.Duration {
	if last.Agent == "" && last.Took.Hour {
		return time.Hour
	}
	return forgotten
}

// goesOn is what the key's next call, c, takes: all that was said, what came of it since, and of that what the cache does not have
// by then. usual is what calls of the class add.
func (last *Call) goesOn(at time.Time, c *Call, cost limit.Costs, usual float64) limit.Costs {
	adds := cmp.Or(last.added(), usual, last.Took.Output+addsFirst*last.Took.Whole)
	if c.Fresh > 0 {
		adds = c.Fresh + last.Took.Output
	}
	cost.Whole = last.Took.Whole + adds
	if cost.Input = cost.Whole; at.Before(last.cacheEnds()) {
		cost.Input -= last.Took.Cached
	}
	return cost
}

// grew is what the call added to what the one before it had; 0: that is not known, or the conversation was summed up.
func (last *Call) grew() float64 {
	if last.Before == 0 {
		return 0
	}
	return max(0, last.Took.Whole-last.Before)
}

// added is half what the call added and half what it was expected to add, or what no cache had of it; 0: that is not known.
func (last *Call) added() float64 {
	grew, expected := last.grew(), 0.0
	if last.Before > 0 {
		expected = max(0, last.Expected.Whole-last.Before)
	}
	switch {
	case grew > 0 && expected > 0:
		return math.Round((grew + expected) / 2)
	case last.Took.Input < last.Took.Whole/2: // the rest came from the cache
		return cmp.Or(grew, expected, last.Took.Input)
	}
	return cmp.Or(grew, expected)
}

// loses reports that the call will find that its cache has expired, if it does not go soon.
func (a *Account) loses(now time.Time, c *Call) bool {
	last := a.last(c.Key)
	return last != nil && last != c && last.expires(now)
}

// expires reports that the cache keeps for a short while only what the call left there, which is much.
func (last *Call) expires(now time.Time) bool {
	left := last.cacheEnds().Sub(now)
	return last.Took.Cached >= leastCache && 0 < left && left < losing
}

// saveCaches lets calls in line that are about to lose their cache go before those that stand before them and are not, of their rank:
// by one place, each time that somebody gets a turn.
func (a *Account) saveCaches(now time.Time, class string) {
	if a.find(func(c *Call) bool { return c.Class == class && c.expires(now) }) == nil {
		return // as nearly always; to look at each in line takes long
	}
	line := a.order(class)
	for i := 1; i < len(line); i++ {
		before, c := line[i-1], line[i]
		if a.group(before) == a.group(c) && before.Yielded < yields && a.loses(now, c) && !a.loses(now, before) {
			x, y := slices.Index(a.Calls, before), slices.Index(a.Calls, c)
			a.Calls[x], a.Calls[y] = c, before
			before.Yielded++
			i++ // it gained its place
		}
	}
}
