package partner

import (
	"fmt"
	"strings"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// takeOver takes in the calls that have the turn and whose partner was killed: what becomes of them is told here from now on. Those
// that wait are asked for again by the module.
func (p *partner) takeOver() {
	var left []turn.Call
	p.gate.Look(func(_ time.Time, a *turn.Account) {
		for class := range a.Classes {
			for _, c := range a.Turns(class) {
				if c.Process == p.Claude && strings.HasPrefix(c.Event, p.event("")) && !lockfile.Alive(c.Waiter) {
					left = append(left, *c)
				}
			}
		}
	})
	done := make(chan struct{})
	close(done)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, of := range left {
		asks := turn.Call{Key: of.Key, Event: of.Event, Rank: of.Rank, Inside: of.Inside, News: of.News, Size: of.Size, Reserves: of.Reserves}
		c := &call{place: p.gate.Join(asks), asks: asks, side: strings.Contains(of.Agent, aside), since: of.Granted,
			cancel: func() {}, done: done, sent: of.Granted}
		c.alive = c.sent.Add(endless) // nobody may ever tell of its end: its lease is not renewed
		p.calls[strings.TrimPrefix(of.Event, p.event(""))] = c
	}
}

// event is that of a request, by its id: the next partner, or a process for one word, knows the call by it.
func (p *partner) event(id string) string { return fmt.Sprintf("module-%d-%s", p.Claude.PID, id) }
