package turn

import (
	"slices"
	"time"
)

const (
	// trial is for how long a call must not be rejected to count as accepted: 429s come in 10 to 20 ms, reports of them in 0.5 s.
	trial = time.Second
	// forgotten is for how long a class must send nothing for what was learned to be forgotten, and how long the last call of a
	// key is kept.
	forgotten = 10 * time.Minute
)

// Before the first 429 nothing but time tells that calls are accepted.
const (
	exactTrial  = 350 * time.Millisecond  // a 429 comes within that long, however late an answer
	markTrial   = 500 * time.Millisecond  // after a go, a mark does: the call is under way first
	seenTrial   = 600 * time.Millisecond  // after a call was seen to be sent
	unseenTrial = 2 * time.Second         // after its turn, where it was not: on a busy machine a session's first takes 1 to 2 s
	muteTrial   = 2500 * time.Millisecond // where only its next try tells that it was rejected: after 1 or 2 s, and a quarter of it
)

// singles are how many calls go one by one at first where Claude Code makes again those that are rejected: several that it makes
// again at once are rejected again.
const singles = 4

// trialEnds is when the trial of a call is over of which nothing is heard. Once the pace is known, time proves nothing of one
// whose rejection only its next try tells of.
func (c *Call) trialEnds(paced bool) time.Time {
	lasts := unseenTrial
	switch {
	case c.News == ByNext && paced:
		lasts = time.Minute
	case paced:
		lasts = trial
	case c.News == ByNext:
		lasts = muteTrial
	case c.News == ByMark:
		lasts = markTrial
	case c.News == AtOnce:
		lasts = exactTrial
	case !c.Unseen:
		lasts = seenTrial
	}
	return c.Sent.Add(lasts)
}

// confirmAll ends the trials of the key's calls well.
func (a *Account) confirmAll(now time.Time, k Key) {
	for _, c := range slices.Backward(a.of(k)) {
		if c.Trial {
			a.confirm(now, c)
		}
	}
}

// confirm ends a trial well.
func (a *Account) confirm(now time.Time, c *Call) {
	p := &a.class(c.Class).Pace
	p.Accepted(now, c.Sent, c.Paced)
	if c.Booked > 0 {
		a.class(c.Class).Quota.Accepted(c.Needs, c.Paced)
	}
	if c.soon() {
		guessed := c.News == ByMark && c.Rejections > 0 || c.News == AtOnce && p.Taken > 1 && (p.Rate == 0 || !c.Sent.After(p.Cut)) // with others
		p.Bore(c.Sent, c.Nth, guessed)
	}
	c.Trial, c.Doubt, c.Paced = false, time.Time{}, false
}
