package demo

import (
	"slices"
	"time"

	"afteryou/internal/fakeapi"
)

// Run is the outcome of one run of all sessions.
type Run struct {
	// Makespan is from the first call that reached the API to the end of the last answer: what the limit decides. Wall is
	// from the start of the first process to the end of the last, with what Claude Code takes to start.
	Makespan   float64 `json:"makespan_s"`
	OfIdeal    float64 `json:"of_ideal"` // the makespan, in ideals
	Wall       float64 `json:"wall_s"`
	Answers    int     `json:"answers"`    // of the calls that the work takes
	Rejections int     `json:"rejections"` // of these and all others
	// Side counts the answers that were not foreseen, by what the requests were for.
	Side map[fakeapi.Kind]int `json:"side,omitempty"`
	Dead int                  `json:"dead"` // sessions that did not finish their work
	// Refused counts tools that did not run: in these races only one whose check was limited does not.
	Refused int `json:"refused_tools"`
	// HeldBy counts the sessions by what held their calls, as far as they lived for a second.
	HeldBy map[Gate]int `json:"held_by,omitempty"`
	Exits  map[int]int  `json:"exits"`          // sessions by exit code
	Says   []string     `json:"says,omitempty"` // lines on stderr; on terminals, lines on the screen that speak of a limit
	// Jain is Jain's index of the times at which the sessions that lived had their last answer: 1 is all at once.
	Jain float64 `json:"jain"`
	// Recorded counts the 429s in Claude Code's own transcripts.
	Recorded int `json:"told_429"`
	// Wasted is for how long the limit had room for a call, and somebody wanted one, and nobody called. A session wants a
	// call from the first call of the run on, and from half a second after each answer to it (a tool runs meanwhile).
	// Lost is the part of it during which the limit was full, so that what came in ran over: only that makes the whole
	// take longer.
	Wasted  float64  `json:"wasted_s"`
	Lost    float64  `json:"lost_s"`
	Changes []Change `json:"changes,omitempty"`
}

// Change is the effect of a change of the limit.
type Change struct {
	At         float64 `json:"at_s"` // after the first call
	Share      float64 `json:"share"`
	Rejections int     `json:"rejections"` // until the next change, or the end
	// FullSpeed is after how many seconds calls came at nine tenths of the limit, or faster, for the first time: for ten
	// seconds, or for as long as ten calls take at it. Nil: never, or the limit fell.
	FullSpeed *float64 `json:"full_speed_s"`
}

// change is a change of the limit while the run went on.
type change struct {
	at     time.Time
	share  float64
	limits fakeapi.Limits
}

const (
	thinks    = 500 * time.Millisecond // what a session takes at most from an answer to its next call
	fullShare = 0.9
	fullSpan  = 10 // seconds and calls
)

// measure returns what the server's log tells of a run. It does not set Wall, Dead, Exits, HeldBy, Says and Recorded, and counts who died
// in Jain until its last answer.
func (s Scenario) measure(log []fakeapi.Request, changes []change) (r Run) {
	if len(log) == 0 {
		return r
	}
	first, last := log[0].Arrived, log[0].Arrived
	ends, refused := make(map[string]time.Time), make(map[string]int)
	var accepted []fakeapi.Request
	for _, c := range log {
		refused[c.Session] = max(refused[c.Session], c.Refused)
		switch {
		case c.OK() && s.foreseen(c):
			accepted = append(accepted, c)
			r.Answers++
			last, ends[c.Session] = latest(last, c.Ended), latest(ends[c.Session], c.Ended)
		case c.OK():
			accepted = append(accepted, c)
			r.aside(c.Kind)
		case c.Status == 429:
			r.Rejections++
		}
	}
	r.Makespan = last.Sub(first).Seconds()
	if ideal := s.Ideal(); ideal > 0 {
		r.OfIdeal = r.Makespan / ideal
	}
	for _, n := range refused {
		r.Refused += n
	}
	var after []float64
	for _, end := range ends {
		after = append(after, end.Sub(first).Seconds())
	}
	r.Jain = jain(after)
	wasted, lost := s.wasted(accepted, changes)
	r.Wasted, r.Lost = wasted.Seconds(), lost.Seconds()
	for i, c := range changes {
		until := last
		if i+1 < len(changes) {
			until = changes[i+1].at
		}
		one := Change{At: c.at.Sub(first).Seconds(), Share: c.share}
		if c.share == 1 {
			one.FullSpeed = s.fullSpeed(accepted, c)
		}
		for _, call := range log {
			if call.Status == 429 && call.Arrived.After(c.at) && !call.Arrived.After(until) {
				one.Rejections++
			}
		}
		r.Changes = append(r.Changes, one)
	}
	return r
}

// aside counts an answer to a call that was not foreseen.
func (r *Run) aside(kind fakeapi.Kind) {
	if r.Side == nil {
		r.Side = make(map[fakeapi.Kind]int)
	}
	r.Side[kind]++
}

// fullSpeed returns when calls come as fast as the whole limit allows after a change.
func (s Scenario) fullSpeed(accepted []fakeapi.Request, c change) *float64 {
	rate := s.Pace()
	span := max(fullSpan, fullSpan/rate)
	begins := []time.Time{c.at}
	for _, call := range accepted {
		if call.Arrived.After(c.at) {
			begins = append(begins, call.Arrived)
		}
	}
	for _, begin := range begins {
		end := begin.Add(time.Duration(span * float64(time.Second)))
		n := 0
		for _, call := range accepted {
			if !call.Arrived.Before(begin) && call.Arrived.Before(end) {
				n++
			}
		}
		if float64(n) >= fullShare*rate*span {
			after := begin.Sub(c.at).Seconds()
			return &after
		}
	}
	return nil
}

type span struct{ from, until time.Time }

// wants returns the times during which somebody wanted a call, in order and without overlap: no call of the kind that is limited
// apart.
func wants(accepted []fakeapi.Request, apart fakeapi.Kind) (list []span) {
	type caller struct{ session, agent string }
	ends := make(map[caller]time.Time) // of the last answer
	within := make(map[string]time.Time)
	for _, c := range accepted {
		k := caller{c.Session, c.Agent}
		from, called := ends[k]
		switch {
		case !called && c.Agent == "":
			from = accepted[0].Arrived.Add(-thinks)
		case !called: // a subagent begins when the session's call that started it is over
			from = ends[caller{c.Session, ""}]
		case c.Agent == "" && within[c.Session].After(from): // the session waits for its subagents
			from = within[c.Session]
		}
		if from = from.Add(thinks); from.Before(c.Arrived) && c.Kind != apart {
			list = append(list, span{from, c.Arrived})
		}
		ends[k] = c.Ended
		if c.Agent != "" {
			within[c.Session] = latest(within[c.Session], c.Ended)
		}
	}
	slices.SortFunc(list, func(a, b span) int { return a.from.Compare(b.from) })
	joined := list[:0]
	for _, one := range list {
		if n := len(joined); n > 0 && !one.from.After(joined[n-1].until) {
			joined[n-1].until = latest(joined[n-1].until, one.until)
			continue
		}
		joined = append(joined, one)
	}
	return joined
}

// wasted follows the server's buckets through the run: for how long there was room for a call that was wanted, and for
// how long there was no room for anything more.
func (s Scenario) wasted(accepted []fakeapi.Request, changes []change) (room, full time.Duration) {
	if len(accepted) == 0 {
		return 0, 0
	}
	apart := fakeapi.Kind("")
	if s.Server.PerModel {
		apart = fakeapi.Check
	}
	wanted := wants(slices.DeleteFunc(slices.Clone(accepted), func(c fakeapi.Request) bool { return !s.foreseen(c) }), apart)
	at := accepted[0].Arrived
	limits := s.limits(1)
	requests, input := fakeapi.Full(limits.Requests, at), fakeapi.Full(limits.Input, at)
	// until adds up what was wasted since at.
	until := func(now time.Time) {
		fits := at.Add(max(requests.Wait(1, at), input.Wait(callTokens, at)))
		over := at.Add(max(requests.Wait(requests.Burst, at), input.Wait(input.Burst, at)))
		for _, w := range wanted {
			room += overlap(w, span{fits, now})
			full += overlap(w, span{over, now})
		}
		at = now
	}
	for _, c := range accepted {
		for len(changes) > 0 && changes[0].at.Before(c.Arrived) {
			now := changes[0].at
			until(now)
			requests = requests.Limited(changes[0].limits.Requests, now)
			input = input.Limited(changes[0].limits.Input, now)
			changes = changes[1:]
		}
		if c.Kind == apart {
			continue
		}
		until(c.Arrived)
		requests = requests.Take(1, c.Arrived)
		input = input.Take(float64(c.Cost.Input+c.Cost.CacheCreation), c.Arrived)
	}
	return room, full
}

// overlap returns how long both last at once.
func overlap(a, b span) time.Duration {
	from := latest(a.from, b.from)
	return max(0, min(a.until.Sub(from), b.until.Sub(from)))
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// jain returns Jain's fairness index: 1 where all are equal, 1/n where one has all. Of nothing it is 0.
func jain(values []float64) float64 {
	var sum, squares float64
	for _, v := range values {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(values)) * squares)
}
