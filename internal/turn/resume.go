package turn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// fruitless is how often a session is resumed without an answer in between, unless the rules say otherwise.
	fruitless = 5
	// mostADay is how often a session is resumed in 24 hours.
	mostADay = 30
)

// Resumes is how often a session, whose turns died of limits, was made to go on.
type Resumes struct {
	Times []time.Time `json:"times,omitempty"` // of the last 24 hours, oldest first
	Tries int         `json:"tries,omitempty"` // since its last answer
}

// ErrResumed says that somebody made the session go on already.
var ErrResumed = errors.New("it was resumed already")

// Resume counts that the session is made to go on once more. An error says why it must not be.
func (s *Session) Resume(now time.Time, d Death, rules Rules) error {
	r := &s.Resumes
	now = stamp(now)
	// Those to come were counted before the clock was put back.
	r.Times = slices.DeleteFunc(r.Times, func(t time.Time) bool { return t.Sub(now) > skew })
	if n := len(r.Times); n > 0 {
		last := r.Times[n-1]
		if !last.Before(d.At) {
			return ErrResumed
		}
		if d.Answered.After(last) {
			r.Tries = 0
		}
	} else {
		r.Tries = 0
	}
	r.Times = slices.DeleteFunc(r.Times, func(t time.Time) bool { return now.Sub(t) > 24*time.Hour })
	switch {
	case r.Tries >= cmp.Or(rules.Resumes, fruitless):
		return fmt.Errorf("it was resumed as often as max_resumes allows without getting an answer (%d)", r.Tries)
	case len(r.Times) >= mostADay:
		return fmt.Errorf("it was resumed %d times in 24 hours", len(r.Times))
	}
	r.Tries++
	r.Times = append(r.Times, now)
	return nil
}
