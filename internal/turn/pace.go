package turn

import (
	"math"
	"slices"
	"time"
)

// The policy ceil learns one number per pool, the pace in calls per second, and mirrors one token of the server's
// bucket. Until a 429 calls go as fast as others are accepted. The first 429 sets the pace; it grows by a fifth per
// call until it overshoots once. From then on a 429 cuts it by a tenth, or to what two moments of an empty bucket
// prove to be the most; it goes back near what was too much at once, then probes, slowly first. Nobody starts while
// a retry that Claude Code announced is due: left out, rejections double and sessions die.
//
// The numbers are the best of some hundreds of variants in simulation (sim_test.go), by the time to finish and the
// rejections per answer over small and large buckets, fast and slow calls, changing limits and unseen consumers. The
// optimum is flat: probing faster buys 0.2 % of the time for 0.4 rejections in a hundred answers.
const (
	trial     = time.Second      // a call not rejected for that long was accepted: 429s come in 10 to 20 ms, reports of them in 0.5 s
	mostTries = 16               // before the first 429, never more calls on trial: at most so many are rejected at once
	cutBy     = 0.9              // what a 429 leaves of the pace
	cutMost   = 0.5              // and what it leaves at least, whatever the ceiling
	lowest    = 5.0 / 60         // calls per second, the lowest limit sold: a longer first wait tells of tokens, a window, an outage
	slowest   = 1.0 / 120        // calls per second, the pace never falls below
	fastest   = 100.0            // and never rises above
	moments   = 2                // so many moments of an empty bucket are remembered
	spanMin   = time.Second      // two moments this far apart, at least,
	spanMax   = 30 * time.Second // and at most, prove how much the bucket gave
	tells     = 2.5              // seconds: a first retry after this long bounds the pace by itself
	hotGrowth = 0.20             // what a confirmed call adds to the pace before its first cut
	near      = 0.96             // after a cut the pace goes back to this much of what was too much,
	nearer    = 0.3              // closing this much of the gap with a confirmed call,
	growth    = 0.0015           // and from there on probes: what a confirmed call adds,
	growthMax = 0.08             // up to this,
	doubling  = 3.5              // doubling every so many confirmed calls
	kept      = time.Minute      // how long sent calls are remembered
	keptMost  = 300              // and how many
	idle      = time.Minute      // nothing sent for so long: the pace is a memory
	fadeTo    = 0.95             // and goes on with this much of itself
	recalled  = 18               // probing as if so many calls had been confirmed: it may have been for other times
)

// Before the first 429 nothing but time tells that calls are accepted.
const (
	exactTrial  = 400 * time.Millisecond  // a 429 comes within that long, however late an answer
	seenTrial   = 600 * time.Millisecond  // after a call was seen to be sent
	unseenTrial = 2 * time.Second         // after its turn, where it was not: on a busy machine a session's first takes 1 to 2 s
	muteTrial   = 2500 * time.Millisecond // where only its next try tells that it was rejected: after 1 or 2 s, and a quarter of it
)

// doubtMost bounds for how long a call is in doubt: after a longer wait those that were told to wait come back together.
const doubtMost = 10 * time.Second

// Pace is what is believed about the server's bucket.
type Pace struct {
	Rate  float64   `json:"rate,omitempty"`  // calls per second; 0: no 429 yet
	Level float64   `json:"level,omitempty"` // of the one token that is mirrored: 1 is a call, never more
	At    time.Time `json:"at,omitzero"`     // when Level was right
	// Window is how many calls may be on trial while Rate is unknown, less one.
	Window int  `json:"window,omitempty"`
	Hot    bool `json:"hot,omitempty"` // since the first 429, until the first cut
	// Grown is how many calls that had to wait were confirmed since the last cut.
	Grown int       `json:"grown,omitempty"`
	Cut   time.Time `json:"cut,omitzero"`    // calls sent before say nothing about Rate
	Peak  float64   `json:"peak,omitempty"`  // what was too much at the last cut
	Empty Log       `json:"empty,omitempty"` // the last moments at which the bucket was seen empty
	Since time.Time `json:"since,omitzero"`  // Log is complete from here on
	Log   Log       `json:"log,omitempty"`   // sent calls, less those that were rejected
	Tries []Try     `json:"tries,omitempty"`
	Used  time.Time `json:"used,omitzero"`   // last call
	Limit float64   `json:"limit,omitempty"` // calls per second, as the server's headers said
	// Named says that Limit is one that a message named: nothing tells when it changes.
	Named bool `json:"named,omitempty"`
	Fell  bool `json:"fell,omitempty"` // it was higher before
	// Spent says that they left no room for another call when they were last heard.
	Spent bool `json:"spent,omitempty"`
	// Doubts is how often a rejection contradicted the headers, Distrust how many more calls must be accepted before they
	// are believed again.
	Doubts   int `json:"doubts,omitempty"`
	Distrust int `json:"distrust,omitempty"`
	// Faded says that nothing was confirmed or refused since the pace became a memory.
	Faded bool `json:"faded,omitempty"`
}

// Try is a call on trial: sent, and neither accepted nor rejected as far as anyone knows.
type Try struct {
	Key
	At    time.Time `json:"at"`
	Paced bool      `json:"paced,omitempty"`
	Mute  bool      `json:"mute,omitempty"` // see Ticket
	// Seen says that it was surely sent by then.
	Seen bool `json:"seen,omitempty"`
	// Exact says that who made it tells at once when it is rejected.
	Exact bool `json:"exact,omitempty"`
	// Doubt is until when it may turn out that a mute call was rejected: one that was sent before it was.
	Doubt time.Time `json:"doubt,omitzero"`
}

func (c *Pace) blank() bool {
	return c.Rate == 0 && c.Window == 0 && len(c.Log) == 0 && len(c.Tries) == 0
}

// refill lets the mirrored token grow until now.
func (c *Pace) refill(now time.Time) {
	if now.After(c.At) {
		if c.Rate > 0 && c.Level < 1 {
			c.Level = min(1, c.Level+c.Rate*now.Sub(c.At).Seconds())
		}
		c.At = now
	}
}

// fade forgets what was learned before the pool fell quiet. waiting: nobody stands in line.
func (c *Pace) fade(now time.Time, waiting bool) {
	if c.Used.IsZero() || !waiting {
		return
	}
	switch still := now.Sub(c.Used); {
	case still > quiet:
		*c = Pace{At: c.At}
	case still > idle && c.Rate > 0 && !c.Faded:
		c.Rate = max(slowest, c.Rate*fadeTo)
		c.Faded, c.Hot, c.Grown, c.Peak = true, false, recalled, 0
	}
}

// send counts a call, which may have been sent a while ago: reports come late.
func (p *Pool) send(t Try) {
	c, k, at := &p.Pace, t.Key, t.At
	c.refill(at)
	if c.Rate > 0 {
		cost := 1.0
		if c.Level >= 1 { // the token was full, so what was taken from it then has come back since
			cost = max(0, 1-c.Rate*c.At.Sub(at).Seconds())
		}
		if t.Exact {
			cost += c.Rate * unsure.Seconds()
		}
		c.Level = max(-1, c.Level-cost)
	}
	if c.Since.IsZero() {
		c.Since = at
	}
	c.Log = c.Log.add(at)
	if n := len(c.Log) - keptMost; n > 0 {
		c.Since = c.Log[n-1]
		c.Log = slices.Delete(c.Log, 0, n)
	}
	if old := at.Add(-kept); len(c.Log) > 0 && c.Log[0].Before(old) {
		c.Log = slices.DeleteFunc(c.Log, old.After)
		c.Since = old
	}
	caller := p.caller(k)
	t.Mute = caller.Mute
	c.Tries = append(c.Tries, t)
	if at.After(c.Used) {
		c.Used = at
	}
	cost := p.cost(k)
	p.account().sent(k, at, cost)
	if caller.Took != (Costs{}) {
		caller.Costs, caller.Took = cost, Costs{}
	}
	caller.Sent, caller.Taken = at, Costs{}
	caller.Owed++
}

// resent moves a call that was sent at another time than was thought.
func (c *Pace) resent(k Key, from, to time.Time) {
	for i := range c.Tries {
		if c.Tries[i].Key == k && c.Tries[i].At.Equal(from) {
			c.Tries[i].At, c.Tries[i].Seen = to, true
		}
	}
	if n := len(c.Log); n > 0 {
		if c.Log = c.Log.remove(from); len(c.Log) < n {
			c.Log = c.Log.add(to)
		}
	}
}

// unsend takes out a call that was rejected or never made.
func (c *Pace) unsend(k Key, at time.Time) {
	c.Tries = slices.DeleteFunc(c.Tries, func(t Try) bool { return t.Key == k && t.At.Equal(at) })
	c.Log = c.Log.remove(at)
}

// abandon takes out the key's calls on trial: nobody will know whether they were accepted.
func (c *Pace) abandon(k Key) {
	for _, t := range c.Tries {
		if t.Key == k {
			c.Log = c.Log.remove(t.At)
		}
	}
	c.Tries = slices.DeleteFunc(c.Tries, func(t Try) bool { return t.Key == k })
}

// nextTry is the try whose trial ends first, or -1.
func (c *Pace) nextTry() int {
	first := -1
	for i, t := range c.Tries {
		if first < 0 || c.ends(t).Before(c.ends(c.Tries[first])) {
			first = i
		}
	}
	return first
}

// ends is when a trial is over of which nothing is heard. Once the pace is known, time proves nothing of a mute call.
func (c *Pace) ends(t Try) time.Time {
	switch {
	case t.Mute && c.Rate > 0:
		return t.At.Add(kept)
	case c.Rate > 0:
		return t.At.Add(trial)
	case t.Mute:
		return t.At.Add(muteTrial)
	case t.Exact:
		return t.At.Add(exactTrial)
	case t.Seen:
		return t.At.Add(seenTrial)
	}
	return t.At.Add(unseenTrial)
}

// expire ends a trial of which nothing was heard.
func (c *Pace) expire(i int) {
	t := &c.Tries[i]
	t.Paced = t.Paced && !t.Mute // only its answer tells that the pace was not too high
	c.confirm(c.ends(*t), i)
}

// doubt is for the mute calls that were sent after one that was rejected, whose next try came d later: as likely as not
// they were rejected too, and theirs are to come.
func (c *Pace) doubt(rejected time.Time, d time.Duration) {
	d = min(d, doubtMost)
	for i := range c.Tries {
		if t := &c.Tries[i]; t.Mute && t.At.After(rejected) {
			t.Doubt = t.At.Add(d + d/4 + told)
		}
	}
}

// doubted is the first time at which a doubt may be gone, if there is one.
func (c *Pace) doubted(now time.Time) (until time.Time, ok bool) {
	for _, t := range c.Tries {
		if t.Doubt.After(now) && (!ok || t.Doubt.Before(until)) {
			until, ok = t.Doubt, true
		}
	}
	return until, ok
}

func (p *Pool) confirmKey(now time.Time, k Key) {
	for i := len(p.Pace.Tries) - 1; i >= 0; i-- {
		if p.Pace.Tries[i].Key == k {
			p.Pace.confirm(now, i)
		}
	}
}

// confirm ends a trial well. Only a call that had to wait raises the pace: the others do not show that it was in use.
func (c *Pace) confirm(now time.Time, i int) {
	paced := c.Tries[i].Paced
	c.Tries = slices.Delete(c.Tries, i, i+1)
	c.Distrust = max(0, c.Distrust-1)
	if c.Rate == 0 {
		c.Window = min(mostTries-1, c.Window+1)
		return
	}
	if !paced {
		return
	}
	c.refill(now)
	c.Faded = false
	was := c.Rate
	switch back := near * c.Peak; {
	case c.Hot:
		c.Grown++
		c.Rate *= 1 + hotGrowth
	case c.Rate < 0.999*back:
		c.Rate += (back - c.Rate) * nearer
	default:
		c.Grown++
		c.Rate *= 1 + min(growthMax, growth*math.Pow(2, float64(c.Grown)/doubling))
	}
	c.Rate = min(fastest, c.Rate)
	if c.Named {
		c.Rate = min(c.Rate, beyond*c.Limit)
	}
	if c.Limit > 0 && (!c.Named || c.Grown < c.pressing()) {
		c.Rate = min(c.Rate, max(c.Limit, was))
	}
}

// wait says until when nobody may start, if so.
func (p *Pool) wait(now time.Time) (until time.Time, ok bool) {
	c := &p.Pace
	if c.Rate == 0 && len(c.Tries) > c.Window {
		return c.ends(c.Tries[c.nextTry()]), true
	}
	if c.Rate > 0 && c.Level < 1-1e-6 { // so little short that a clock of milliseconds cannot tell
		return now.Add(seconds((1 - c.Level) / c.Rate)), true
	}
	until, ok = p.announced(now)
	if at, doubt := c.doubted(now); doubt && !(ok && until.Before(at)) {
		until, ok = at, true
	}
	return until, ok
}

// refused learns from a 429 of a call sent at a time; d: how long Claude Code waits, or the server says, before the
// next try; fresh: it was the call's first try, let go since the last cut.
func (c *Pace) refused(now, sent time.Time, d float64, fresh bool) {
	c.Faded = false
	switch {
	case c.Rate == 0:
		c.Rate = 1 / d
		if d < tells {
			n := c.Log.count(sent.Add(-kept), sent)
			c.Rate = max(1/d, float64(n)/max(10, min(kept.Seconds(), sent.Sub(c.Since).Seconds())))
		}
		c.Rate = min(fastest, max(lowest, c.Rate))
		c.Level, c.At = 0, now
		c.Hot, c.Grown, c.Cut = true, 0, now
	case fresh:
		was := c.Rate
		c.Rate *= cutBy
		for _, e := range c.Empty {
			if span := sent.Sub(e); !c.Named && spanMin <= span && span <= spanMax && !c.Since.After(e) {
				c.Rate = min(c.Rate, float64(c.Log.count(e, sent)+1)/span.Seconds())
			}
		}
		c.Peak = max(min(was, c.Rate/cutBy), cutMost*was)
		c.Rate = max(c.Rate, cutMost*was, slowest)
		c.Hot, c.Grown, c.Cut = false, 0, now
		fallthrough
	default:
		// The bucket lacked part of a token then, and no more of it than comes in until the next try: the server said
		// that there will be one, and d is not less than what it said.
		had := max(0, 1-c.Rate*d)
		c.Level = max(-1, min(1, c.Level+1, had+c.Rate*now.Sub(sent).Seconds()))
	}
	c.Empty = c.Empty.add(sent)
	if n := len(c.Empty) - moments; n > 0 {
		c.Empty = slices.Delete(c.Empty, 0, n)
	}
}

// seconds is s as a duration, and no more than a duration can be.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, longest.Seconds()) * float64(time.Second))
}
