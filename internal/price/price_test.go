package price

import (
	"math"
	"testing"

	"afteryou/internal/claude"
)

// What a request costs, worked out by hand from the list.
func TestCost(t *testing.T) {
	for name, c := range map[string]struct {
		model string
		took  claude.Usage
		want  USD
	}{
		"input and output":              {"claude-opus-5-5", claude.Usage{Input: 1_000_000, Output: 100_000}, 4 + 2},
		"the cache, for 5 minutes":      {"claude-opus-5", claude.Usage{CacheWrite: 1_000_000, CacheRead: 1_000_000}, 6.25 + 0.5},
		"the cache, an hour in part":    {"claude-sonnet-4-6", claude.Usage{CacheWrite: 1_000_000, CacheWrite1h: 400_000}, 0.6*3.75 + 0.4*6},
		"a cache that is cheaper":       {"claude-sonnet-5-5", claude.Usage{CacheRead: 1_000_000}, 0.1},
		"fast mode, its cache too":      {"claude-opus-5-5", claude.Usage{Input: 1_000_000, CacheRead: 1_000_000, Fast: true}, 8 + 0.4},
		"fast where there is none":      {"claude-haiku-4-5", claude.Usage{Input: 1_000_000, Fast: true}, 1},
		"a prompt that is not long yet": {"claude-haiku-5-5", claude.Usage{Input: 50_000, CacheRead: 50_000, Output: 1_000_000}, 0.005 + 0.0005 + 0.5},
		"a long prompt":                 {"claude-haiku-5-5", claude.Usage{Input: 50_001, CacheRead: 50_000, Output: 1_000_000}, 5 * (0.0050001 + 0.0005 + 0.5)},
		"searches, in one country":      {"claude-opus-4-8", claude.Usage{Input: 1_000_000, Searches: 3, US: true}, 1.1 * (5 + 0.03)},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := List(nil).Of(c.model)
			if got := p.Cost(c.took); !ok || math.Abs(float64(got-c.want)) > 1e-9 {
				t.Errorf("%s for %+v costs %v, %v; want %v", c.model, c.took, got, ok, c.want)
			}
		})
	}
}

func TestEverySpellingOfAModelHasItsPrice(t *testing.T) {
	for id, input := range map[string]float64{
		"claude-fable-5": 10, "claude-fable-5-2": 8, "claude-opus-4-5-20251101": 5, "claude-opus-5-5[1m]": 4, "claude-opus-4-20250514": 15,
		"us.anthropic.claude-sonnet-4-6-v1:0": 3, "claude-sonnet-4-5@20250929": 3, "claude-3-5-haiku-20241022": 0.8, "Claude-Haiku-5-5": 0.1,
		"claude-opus-6": 0, "opus": 0, "gpt-6": 0, "": 0, "<synthetic>": 0,
	} {
		if p, ok := List(nil).Of(id); ok != (input > 0) || p.Input != input {
			t.Errorf("%q costs %+v, %v; want %v for input", id, p, ok, input)
		}
	}
}

// A price of the user's own counts before the list's, for each spelling of its model, and for models that the list lacks.
func TestOwnPrices(t *testing.T) {
	l := List{"claude-opus-5-5": Own(1, 2), "house-model": Own(3, 4)}
	for id, want := range map[string]string{"claude-opus-5-5": "$1.00", "claude-opus-5-5-20261001": "$1.00", "house-model": "$3.00", "claude-opus-5": "$5.00"} {
		p, ok := l.Of(id)
		if got := USD(p.Input).String(); !ok || got != want {
			t.Errorf("%s costs %s, %v; want %s", id, got, ok, want)
		}
	}
	if _, ok := l.Of("another-model"); ok {
		t.Error("a model that nobody priced has a price")
	}
}

func TestAmountsAreShownInCents(t *testing.T) {
	for usd, want := range map[USD]string{0: "$0.00", 0.00004: "$0.0000", 0.0123: "$0.0123", 0.9949: "$0.9949", 1: "$1.00", 1234.567: "$1234.57"} {
		if got := usd.String(); got != want {
			t.Errorf("%f is shown as %s, want %s", float64(usd), got, want)
		}
	}
}

// Half of all tokens, as they cost without fast mode; a search costs what it costs.
func TestBatched(t *testing.T) {
	p, _ := List(nil).Of("claude-opus-5-5")
	if got, want := p.Batched(claude.Usage{Input: 1_000_000, CacheRead: 1_000_000, Fast: true, Searches: 10}), USD(2+0.1+0.1); math.Abs(float64(got-want)) > 1e-9 {
		t.Errorf("in a batch it costs %v, want %v", got, want)
	}
}
