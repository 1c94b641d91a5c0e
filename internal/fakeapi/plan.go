package fakeapi

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// Plan plays the windows of a subscription: each answer uses a share of the 5-hour window, a twentieth of that of the weekly one, and
// says so; where nothing is left, calls are rejected until it resets. Its methods may be called from any goroutine.
type Plan struct {
	Share  float64   // of an answer
	Resets time.Time // of the 5-hour window; the next ones are 5 hours each

	mu   sync.Mutex
	used float64
}

// Answer answers as then does while something is left.
func (p *Plan) Answer(then AnswerFunc) AnswerFunc {
	return func(r Request) Answer {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.roll(r.Arrived)
		if p.used >= 1 {
			return UsageLimited(p.Resets, r.Arrived)
		}
		a := then(r)
		p.used += p.Share
		week := Unified{Status: "allowed", Claim: "seven_day", Resets: p.Resets.Add(6 * 24 * time.Hour), Used: p.used / 20}.Header()
		maps.Copy(week, Unified{Status: "allowed", Claim: "five_hour", Resets: p.Resets, Used: p.used}.Header())
		maps.Copy(week, a.Header)
		a.Header = http.Header(week)
		return a
	}
}

// roll begins the next window where one is over.
func (p *Plan) roll(now time.Time) {
	for !now.Before(p.Resets) {
		p.used, p.Resets = 0, p.Resets.Add(5*time.Hour)
	}
}

// Moves says that the 5-hour window resets at another time.
func (p *Plan) Moves(to time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Resets = to
}

// Used returns how much of the 5-hour window is used, of 1, and when it resets.
func (p *Plan) Used() (used float64, resets time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roll(time.Now())
	return p.used, p.Resets
}
