package demo

import "afteryou/internal/fakeapi"

// Conversations of real sizes: 100,000 to 200,000 tokens, to which each call adds some. Every second one begins when its cache has
// expired, and writes all of it.
const (
	leastContext = 100_000
	mostContext  = 200_000
	addedTokens  = 5000
)

// begins returns with how many tokens the nth session begins, and whether a cache has them.
func (s Scenario) begins(n int) (tokens int, cached bool) {
	return leastContext + (mostContext-leastContext)*n/max(1, s.Sessions-1), n%2 == 1
}

// context returns what a call of the nth session takes; -1: it is none of them.
func (s Scenario) context(r fakeapi.Request, n int) fakeapi.Usage {
	if n < 0 || r.Kind != fakeapi.Main {
		return s.cost(r)
	}
	begun, cached := s.begins(n)
	u := fakeapi.Usage{CacheCreation: addedTokens, CacheRead: begun + r.Results*addedTokens}
	if r.Results == 0 && !cached {
		u.CacheCreation, u.CacheRead = addedTokens+begun, 0
	}
	return u
}

// contexts returns how many tokens all the calls take of the limit.
func (s Scenario) contexts() (tokens float64) {
	for n := range s.Sessions {
		tokens += float64(s.Calls * addedTokens)
		if begun, cached := s.begins(n); !cached {
			tokens += float64(begun)
		}
	}
	return tokens
}

// reserves reports that the server takes all that a call may take until it is answered, as Bedrock does.
func (s Scenario) reserves() bool { return s.Contexts && s.Cloud == "bedrock" }
