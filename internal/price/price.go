// Package price says what requests cost, in dollars: by the published list, as it was read on one day (table.go), and by prices of
// the user's own.
//
// It estimates: what an organization has agreed on, what a subscription covers and what a cloud charges it does not know.
package price

import (
	"fmt"
	"strconv"

	"afteryou/internal/claude"
	"afteryou/internal/limit"
)

// Price is what a model costs, in dollars for a million tokens.
type Price struct {
	Input   float64
	Output  float64
	Write   float64 // into the cache, for 5 minutes
	Write1h float64 // for an hour
	Read    float64 // from the cache
	Fast    float64 // so many times as much in fast mode; 0: there is none
	Above   int     // a request with more input tokens than this, cached ones included, costs Long times as much; 0: none does
	Long    float64
}

// Own returns the price of a model that costs so much for a million tokens, and as much for its cache as most.
func Own(input, output float64) Price { return usual(input, output) }

// Cost returns what one request costs that took u.
func (p Price) Cost(u claude.Usage) USD {
	short := float64(u.CacheWrite - u.CacheWrite1h)
	cost := (p.Input*float64(u.Input) + p.Output*float64(u.Output) + p.Write*short + p.Write1h*float64(u.CacheWrite1h) + p.Read*float64(u.CacheRead)) / 1e6
	switch {
	case u.Fast && p.Fast > 0:
		cost *= p.Fast
	case p.Above > 0 && u.Input+u.CacheWrite+u.CacheRead > p.Above:
		cost *= p.Long
	}
	cost += search * float64(u.Searches)
	if u.US {
		cost *= inUS
	}
	return USD(cost)
}

// Batched returns what the request would cost in a Message Batch: half as much, but for searches, and never in fast mode.
func (p Price) Batched(u claude.Usage) USD {
	searches := claude.Usage{Searches: u.Searches, US: u.US}
	u.Searches, u.Fast = 0, false
	return Batch*p.Cost(u) + p.Cost(searches)
}

// List is the prices in force: its own, by model, and the published ones for all others.
type List map[string]Price

// Of returns the price of a model by its id, in any of its spellings: with a date, as a cloud names it, with [1m]. ok is false
// where nobody says what it costs.
func (l List) Of(id string) (p Price, ok bool) {
	if p, ok = l[id]; ok {
		return p, true
	}
	m, known := named(id)
	if !known {
		return Price{}, false
	}
	for other, p := range l {
		if o, ok := named(other); ok && o == m {
			return p, true
		}
	}
	p, ok = published[m]
	return p, ok
}

func named(id string) (m model, ok bool) {
	m.family, m.major, m.minor, ok = limit.Version(id)
	return m, ok
}

// USD is an amount of dollars.
type USD float64

// String shows cents, and more of them where it is less than a dollar.
func (u USD) String() string {
	if u != 0 && u < 0.995 {
		return fmt.Sprintf("$%.4f", float64(u))
	}
	return fmt.Sprintf("$%.2f", float64(u))
}

// MarshalJSON writes a number with six decimals.
func (u USD) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(u), 'f', 6, 64), nil
}
