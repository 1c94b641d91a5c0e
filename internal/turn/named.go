package turn

import "time"

const (
	// onTheWay is how long a call takes from its turn to the server, as a rule: the mirrored token takes it for lost, and
	// a server that holds more than one call at once does not. 20 to 30 ms were seen (2.1.330).
	onTheWay = 30 * time.Millisecond
	// pressingNamed is how many calls in a row must be accepted at a limit that a message named before the pace may exceed
	// it: such a limit is nearly always right, and hardly ever changes. Headers tell when theirs does.
	pressingNamed = 60
	// pressingFallen is the same for one that was higher before: it may soon be again; pressingFell is for the first time.
	pressingFallen = 20
	pressingFell   = 5
	// large is how many rejections in a row for want of tokens show that it is not for want of turns: a prompt that is larger
	// than the limit fits never, and is tried 300 times (2.1.330).
	large = 4
	// beyond bounds the pace to so many times the limit, until a message names one anew.
	beyond = 4
)

// named takes in the limit that the message of a 429 names, and reports whether it is one of tokens: that says nothing
// about the pace. What remained is known too: less than the call takes, by what comes in until its next try.
//
// A limit of tokens is of no use where nobody knows what calls take.
func (p *Pool) named(now, sent time.Time, k Key, r Retry) (tokens bool) {
	l, wait, c := r.Named.believed(), r.said().Seconds(), p.caller(k)
	if r.long() {
		return false
	}
	if l.Input.Limit > 0 && c.Costs.Input > 0 {
		c.Costs.Input = max(c.Costs.Input, min(mostLimit, l.Input.Limit/60*wait))
	}
	cost := p.cost(k)
	for _, one := range []struct {
		r    *Resource
		b    *Bucket
		need float64
	}{
		{&l.Input, &p.Tokens.Input, cost.Input},
		{&l.Output, &p.Tokens.Output, cost.Output},
		{&l.Total, &p.Tokens.Total, cost.Input + cost.Output},
	} {
		switch {
		case one.need == 0:
			*one.r = Resource{}
		case one.r.Limit > 0:
			one.r.Remaining = max(1, one.need-one.r.Limit/60*wait) // 0 would be taken for rounded
			one.b.Top = max(one.b.Top*3/4, one.need)               // which it will get; that there was more in it was wrong
			tokens = true
		}
	}
	if l == (Limits{}) {
		return false
	}
	was := p.Pace.Limit
	p.Headers(now, k, sent, l)
	if l.Requests.Limit > 0 {
		p.Pace.named(now, was)
	}
	if tokens && r.Attempt < large { // it has its turn, and takes them with its next try
		p.Tokens.take(cost)
		if g := p.grant(k); g != nil {
			g.Taken = cost
		}
	}
	return tokens
}

// named goes on at the limit that was named, where another was known.
func (c *Pace) named(now time.Time, was float64) {
	most := c.Limit / (1 - min(0.5, c.Limit*onTheWay.Seconds()))
	if c.Rate > most || c.Limit != was {
		c.Rate, c.Hot, c.Grown, c.Cut = most, false, 0, now
	}
	switch {
	case c.Limit < was:
		c.Fell, c.Grown = true, pressingFallen-pressingFell
	case c.Limit > was:
		c.Fell = false
	}
	c.Named, c.Spent = true, false
}

// pressing is how many calls in a row must be accepted at the limit that was named before the pace may exceed it.
func (c *Pace) pressing() int {
	if c.Fell {
		return pressingFallen
	}
	return pressingNamed
}
