package partner

import (
	"testing"

	"afteryou/internal/limit"
	"afteryou/internal/turn"
)

// What the cache has of a conversation is told with what its call took, and how much the next adds once its request came, which was
// asked for early and waits.
func TestSizesAreTold(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	first := request("1", "a").with(words{"fresh": 9000, "most": 32000, "reserves": true})
	s.tell("ask", first)
	s.answered(first, 200, nil)
	s.tell("used", words{"session": "a", "usage": words{"input_tokens": 5, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 100000,
		"output_tokens": 10, "cache_creation": words{"ephemeral_1h_input_tokens": 2000}}})
	s.settles(0, 0)
	find := func(session string, phase turn.Phase) (found turn.Call) {
		view(t, s.store, func(st *turn.State) {
			for _, a := range st.Accounts {
				for _, c := range a.Calls {
					if c.Session == session && c.Phase == phase {
						found = *c
					}
				}
			}
		})
		return found
	}
	want := limit.Costs{Input: 2005, Output: 10, Whole: 102005, Cached: 102000, Hour: true}
	if c := find("a", turn.Over); c.Took != want || !c.Reserves || c.Size.Output != 32000 {
		t.Errorf("the call took %+v and reserves %v of %v at most, want %+v and 32000", c.Took, c.Reserves, c.Size.Output, want)
	}
	s.tell("ask", request("2", "b"))
	second := request("3", "a").with(words{"fresh": 9000})
	s.tell("ask", second.with(words{"early": true}))
	if c := find("a", turn.Waiting); c.Fresh != 0 {
		t.Errorf("asked for early it adds %v, want nothing that is known", c.Fresh)
	}
	s.tell("ask", second)
	s.until("it is known what it adds", func() bool { return find("a", turn.Waiting).Fresh == 2250 })
}
