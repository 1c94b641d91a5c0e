package turn

import (
	"fmt"
	"testing"

	"afteryou/internal/limit"
)

// Who is about to lose his cache gains a place each time that somebody gets a turn, and nobody is passed by more than three.
func TestCachesAreSaved(t *testing.T) {
	a := NewState().Open("p")
	ask := func(now float64, session, event string) {
		a.Ask(at(now), Call{Key: Key{Session: session}, Event: event, News: AtOnce, Rules: strict})
	}
	made := func(now float64, session string, cached float64) {
		k := Key{Session: session}
		ask(now, session, "first")
		a.Admit(at(now), everybody)
		a.Used(at(now+.5), k, at(now+.5), limit.Costs{Input: cached, Output: 10, Whole: cached, Cached: cached})
		a.Succeeded(at(now+.5), k)
	}
	for i := range 5 {
		made(float64(i), fmt.Sprint("old", i), 100000)
	}
	made(6, "small", 5000)
	made(200, "warm", 100000)
	made(210, "turn", 100000)
	for i, session := range []string{"turn", "warm", "cold", "small", "old0", "old1", "old2", "old3", "old4"} {
		ask(280+float64(i)/10, session, "second")
		a.Admit(at(280+float64(i)/10), everybody)
	}
	var went []string
	for now := 282.; ; now++ {
		for _, c := range a.Turns("") {
			went = append(went, c.Session)
			a.Succeeded(at(now), c.Key)
		}
		if a.Admit(at(now), everybody); len(a.Turns("")) == 0 {
			break
		}
	}
	if got, want := fmt.Sprint(went), "[turn warm cold old0 old1 old2 small old3 old4]"; got != want {
		t.Errorf("went in the order %s, want %s", got, want)
	}
}
