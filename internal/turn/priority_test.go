package turn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"afteryou/internal/limit"
)

// wait is one that stands in the line of TestPriority.
type wait struct {
	ahead [2]int // of each kind, when it asked
	given int    // turns since
	print bool
}

// Interactive sessions go first, and neither kind waits for ever: a call of -p is given the turn at the latest when each
// of -p before it and itself let three pass; an interactive one, when each three before it let one pass.
func TestPriority(t *testing.T) {
	t.Parallel()
	for seed := range 25 * *seeds {
		r := rand.New(rand.NewPCG(seed, 3))
		p := NewState().Open("p")
		waiting := map[string]*wait{}
		most, prints := 1+r.IntN(3), r.Float64()
		now, n := 0.0, 0
		for range 300 {
			now += r.Float64()
			if turns := p.Turns(""); r.Float64() < .5 {
				n++
				k := Key{Session: string(rune('a'+n%26)) + string(rune('a'+n/26))}
				w := &wait{print: r.Float64() < prints}
				for _, q := range p.Line("") {
					if q.Print {
						w.ahead[1]++
					} else {
						w.ahead[0]++
					}
				}
				waiting[k.Session] = w
				p.Ask(at(now), Call{Key: k, Print: w.print, Rules: Rules{Interactive: true}})
			} else if len(turns) > 0 {
				p.Succeeded(at(now), turns[r.IntN(len(turns))].Key)
			}
			for len(p.Turns("")) < most {
				had := len(p.Turns(""))
				for _, c := range p.Line("") {
					c.Rules.Most = had + 1 // one by one, to see who is next
				}
				p.class("").Pace = limit.Pace{Window: 16 - 1}
				p.Admit(at(now), everybody)
				turns := p.Turns("")
				if len(turns) == had {
					break
				}
				given(t, seed, waiting, turns[had].Session)
			}
		}
	}
}

// given holds the promise to one that was given its turn, and counts it for those that wait.
func given(t *testing.T, seed uint64, waiting map[string]*wait, session string) {
	w := waiting[session]
	delete(waiting, session)
	for _, w := range waiting {
		w.given++
	}
	most := (w.ahead[1]+1)*(share+1) - 1
	if !w.print {
		most = w.ahead[0] + w.ahead[0]/share + 1
	}
	if w.given > most {
		t.Fatalf("seed %d: %v (print %v) waited for %d turns, with %v before it; want at most %d", seed, session, w.print, w.given, w.ahead, most)
	}
}

// Where a session is said to stand is when its turn comes.
func TestLineIsTheOrderInWhichTurnsAreGiven(t *testing.T) {
	t.Parallel()
	for seed := range 25 * *seeds {
		r := rand.New(rand.NewPCG(seed, 4))
		p := NewState().Open("p")
		rules := Rules{Most: 1, Interactive: r.Float64() < .8}
		prints := r.Float64()
		p.class("").Passed = r.IntN(share + 1)
		for i := range r.IntN(20) {
			p.Ask(at(0), Call{Key: Key{Session: fmt.Sprint(i)}, Print: r.Float64() < prints, Rules: rules})
		}
		line := slices.Clone(p.Line(""))
		for i, want := range line {
			if now := p.Line(""); now[0] != want {
				t.Fatalf("seed %d: %v is next after %d turns, and the line is %v", seed, want.Key, i, names(now))
			}
			p.class("").Pace = limit.Pace{Window: 16 - 1}
			if p.Admit(at(0), everybody); names(p.Turns("")) != names([]*Call{want}) {
				t.Fatalf("seed %d: turn %d of %d is that of %v, and in the line it was %v's", seed, i+1, len(line), names(p.Turns("")), want.Key)
			}
			p.Succeeded(at(0), want.Key)
		}
		if left := p.Line(""); len(left) > 0 {
			t.Fatalf("seed %d: %d stand in no line", seed, len(left))
		}
	}
}
