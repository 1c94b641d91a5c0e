package limit

import (
	"testing"
	"time"
)

// Whatever a pace was when it became a memory, what becomes of it after the pause can be true.
func TestMemoriesStayValid(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for _, rate := range []float64{slowest, .1, 1, fastest} {
		for _, limit := range []float64{0, rate} {
			for _, named := range []bool{false, true} {
				for _, pause := range []time.Duration{61 * time.Second, time.Hour, 29 * 24 * time.Hour} {
					for _, d := range []float64{0, 1, 600} {
						p := Pace{Rate: rate, Limit: limit, Named: named, Top: 2, Taken: 5, At: start, Used: start, Since: start}
						p.Memory.Bore = Borne{60, time.Minute}
						now := start.Add(pause)
						p.Fade(now)
						for i := range 4 {
							p.Spend(now, 0)
							p.Sent++
							p.Accepted(now.Add(time.Second), now, true)
							if now = now.Add(time.Second); i%2 == 1 && d == 0 {
								p.Met(now, now, true, false, p.Sent)
							} else if i%2 == 1 {
								p.Refused(now, now, d, true, p.Sent)
							}
							if err := p.Check(); err != nil {
								t.Fatalf("rate %v, limit %v, named %v, after %v, told to wait %v s: %v", rate, limit, named, pause, d, err)
							}
						}
					}
				}
			}
		}
	}
}
