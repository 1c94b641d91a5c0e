package limit

import (
	"encoding/json"
	"math"
	"time"
)

// Lesson is what one machine may learn from another about a limit, but for the pace itself.
type Lesson struct {
	Limit float64 `json:"l,omitempty"`
	Peak  float64 `json:"p,omitempty"`
	Grown int     `json:"g,omitempty"`
	Named bool    `json:"n,omitempty"`
	Hot   bool    `json:"h,omitempty"`
	Near  bool    `json:"r,omitempty"`
	Fell  bool    `json:"f,omitempty"`
}

// mostGrown bounds a count that another machine tells.
const mostGrown = 1_000_000

// Teach returns what there is to be told.
func (p *Pace) Teach() string {
	text, _ := json.Marshal(Lesson{p.Limit, p.Peak, p.Grown, p.Named, p.Hot, p.Near, p.Fell}) // finite, or the state would be refused
	return string(text)
}

// Learn goes on at the pace of another machine, with as many calls as the bucket was seen to hold. What can't be understood or
// can't be is not believed.
func (p *Pace) Learn(now time.Time, rate, top float64, text string) {
	var l Lesson
	if !Within(rate, slowest, fastest) || !Within(top, 0, mostMirrored) || json.Unmarshal([]byte(text), &l) != nil ||
		!Within(l.Limit, 0, fastest) || !Within(l.Peak, 0, fastest) || l.Grown < 0 || l.Grown > mostGrown {
		return
	}
	if p.Rate == 0 {
		p.Level, p.Spare, p.At = 0, 0, now
	}
	if rate < p.Rate || p.Rate == 0 {
		p.Cut = now // calls of before say nothing of it
	}
	p.Rate, p.Top, p.Faded, p.Memory.Keep, p.Memory.Was = rate, math.Max(p.Top, top), false, time.Time{}, 0
	p.Limit, p.Peak, p.Grown, p.Named, p.Hot, p.Near, p.Fell = l.Limit, l.Peak, l.Grown, l.Named && l.Limit > 0, l.Hot, l.Near, l.Fell
	p.Memory.Told = now
}

// Others says that other machines sent so many calls since it was said last.
func (p *Pace) Others(calls int) { p.Sent += max(0, calls) }

// Share goes on at a part of the pace.
func (p *Pace) Share(part float64) {
	if p.Rate > 0 {
		p.Rate, p.Top, p.Spare = math.Max(slowest, p.Rate*part), 0, 0
	}
}
