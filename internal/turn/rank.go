package turn

import (
	"cmp"
	"slices"
	"time"
)

// Rank is how soon a call goes, beside those of other sessions that wait.
type Rank int

const (
	Normal Rank = iota
	Urgent      // somebody else's work is half done: auto mode's safety check of a tool, a compaction
	Last        // nobody waits for it: a title, a prompt suggestion
)

const (
	// share is how many interactive calls may go before one of -p that waits: three of four turns are theirs.
	share = 3
	// lasts is for how long a call of rank Last lets others pass. After it, it stands where it would have stood all along.
	lasts = time.Minute
)

// order returns the class's calls in line, in the order in which they may go.
func (a *Account) order(class string) []*Call {
	line := a.in(class, Waiting)
	slices.SortStableFunc(line, func(c, other *Call) int { return cmp.Compare(a.group(c), a.group(other)) })
	return line
}

// group is which part of the line the call stands in, the first is 0; within each the order is that of asking. Urgent calls go
// even before those that were rejected: those lose the time that one call takes, and a check that times out refuses a tool.
// They are few, for each belongs to a call that had its turn. With [Rules.Interactive], and just after a window's reset, a call of -p
// lets interactive ones pass, and after each three of them it is the turn of one of -p; so neither kind waits for ever.
func (a *Account) group(c *Call) int {
	switch {
	case c.Rank == Urgent:
		return 0
	case c.Rank == Last && a.At.Sub(c.Asked) < lasts:
		return 4
	case c.Rejections > 0:
		return 1
	case !a.prefers(c) || c.Print == (a.Class(c.Class).Passed >= share):
		return 2
	}
	return 3
}

// prefers reports that interactive calls go before such a call of -p.
func (a *Account) prefers(c *Call) bool { return c.Rules.Interactive || a.peopleFirst() }

// passed notes that a call, which leaves the line, goes before others of its rank.
func (a *Account) passed(c *Call) {
	if c.Rank != Normal {
		return
	}
	prints := slices.ContainsFunc(a.Calls, func(q *Call) bool {
		return q.Phase == Waiting && q.Class == c.Class && q.Rank == Normal && q.Print && q != c
	})
	l := a.class(c.Class)
	if !a.prefers(c) || c.Print || !prints {
		l.Passed = 0
		return
	}
	l.Passed++
}

// Line returns the calls of a class that wait, in the order in which they will go as far as that is known: who is held for
// itself is passed by those behind.
func (a *Account) Line(class string) (line []*Call) {
	rest := Account{Calls: a.in(class, Waiting), Classes: map[string]*Class{class: {Passed: a.Class(class).Passed}}, Windows: a.Windows, At: a.At}
	for len(rest.Calls) > 0 {
		c := rest.order(class)[0]
		rest.passed(c)
		rest.remove(c)
		line = append(line, c)
	}
	return line
}
