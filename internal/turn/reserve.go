package turn

import (
	"cmp"
	"time"

	"afteryou/internal/limit"
)

// burn is how many tokens of a quota one of the output counts (Bedrock, Claude 4 and later).
const burn = 5

// reservation is what a server that reserves takes for a call of that cost when it comes.
func (c *Call) reservation(cost limit.Costs) float64 {
	return cmp.Or(cost.Whole, c.Size.Input) + c.Size.Output
}

// books takes what the call reserves, which got its turn.
func (a *Account) books(now time.Time, c *Call) {
	if q := &a.class(c.Class).Quota; c.Reserves {
		c.Booked = c.reservation(c.Expected)
		c.Needs = q.Needs(now, c.Booked)
		q.Take(now, c.Booked)
	}
}

// settles gives back what the call reserved and did not take.
func (a *Account) settles(now time.Time, c *Call) {
	took := c.took()
	a.class(c.Class).Quota.Take(now, min(c.Booked, took.Input+burn*took.Output)-c.Booked)
	c.Booked = 0
}
