package usage

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"afteryou/internal/price"
)

// Sum adds up the tokens of some requests, and what they cost.
type Sum struct {
	Requests   int `json:"requests"`
	Input      int `json:"input_tokens"`
	CacheWrite int `json:"cache_write_tokens"`
	CacheRead  int `json:"cache_read_tokens"`
	Output     int `json:"output_tokens"`
	// Counted is the part of the input that counts against the limit: not what was read from the cache.
	Counted int       `json:"counted_input_tokens"`
	USD     price.USD `json:"usd"` // an estimate
	// Unpriced are the requests to models of which nobody said what they cost; USD is without them.
	Unpriced int `json:"unpriced_requests"`
}

func (s *Sum) add(c Call) {
	s.Requests++
	s.Input += c.Usage.Input
	s.CacheWrite += c.Usage.CacheWrite
	s.CacheRead += c.Usage.CacheRead
	s.Output += c.Usage.Output
	s.Counted += c.Usage.Input + c.Usage.CacheWrite
	s.USD += c.cost
	if c.unpriced {
		s.Unpriced++
	}
}

// Span adds up the requests of some time.
type Span struct {
	Start time.Time `json:"start"`
	Sum
}

// Session adds up the requests of a session, its subagents' included.
type Session struct {
	ID         string    `json:"session"`
	Dir        string    `json:"dir,omitempty"`
	Unattended bool      `json:"unattended"` // -p, or an SDK
	First      time.Time `json:"first"`
	Last       time.Time `json:"last"`
	Sum
}

// Model adds up the requests to a model.
type Model struct {
	Name string `json:"model"`
	Sum
}

// Report adds up all requests since a time.
type Report struct {
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	Total      Sum       `json:"total"`
	LastMinute Sum       `json:"last_minute"`
	LastHour   Sum       `json:"last_hour"`
	// Busiest is the minute, wherever it starts, with the most requests.
	Busiest *Span `json:"busiest_minute,omitempty"`
	// Unattended is the most that -p and SDKs asked in any minute.
	Unattended int       `json:"unattended_requests_a_minute"`
	Minutes    []Span    `json:"minutes"` // of the clock, in UTC; those without a request are left out
	Hours      []Span    `json:"hours"`
	Days       []Span    `json:"days"`     // of the calendar, where it is read
	Models     []Model   `json:"models"`   // the most expensive first
	Sessions   []Session `json:"sessions"` // the last used first
	// Batched is how much less the requests of -p and SDKs would have cost in Message Batches.
	Batched price.USD `json:"batches_would_save_usd"`
	Prices  string    `json:"prices_read"` // the day on which the published prices were read
}

// Batches is how many requests a minute of sessions that nobody sits before are worth a thought of the Message Batches
// API: it is what the smallest key may do.
const Batches = 50

// Of adds up the requests of a time, which are in order, at those prices. Days are those of now's location.
func Of(calls []Call, since, now time.Time, prices price.List) Report {
	r := Report{Since: since, Until: now.UTC(), Minutes: []Span{}, Hours: []Span{}, Days: []Span{}, Models: []Model{}, Sessions: []Session{}, Prices: price.Read}
	sessions, models := make(map[string]*Session), make(map[string]*Model)
	calls = slices.Clone(calls)
	for i := range calls {
		p, priced := prices.Of(calls[i].Model)
		calls[i].cost, calls[i].unpriced = p.Cost(calls[i].Usage), !priced
		c := calls[i]
		if c.Unattended {
			r.Batched += c.cost - p.Batched(c.Usage)
		}
		r.Total.add(c)
		if now.Sub(c.At) < time.Minute {
			r.LastMinute.add(c)
		}
		if now.Sub(c.At) < time.Hour {
			r.LastHour.add(c)
		}
		r.Minutes = enter(r.Minutes, c, c.At.UTC().Truncate(time.Minute))
		r.Hours = enter(r.Hours, c, c.At.UTC().Truncate(time.Hour))
		r.Days = enter(r.Days, c, Day(c.At.In(now.Location())))
		if models[c.Model] == nil {
			models[c.Model] = &Model{Name: c.Model}
		}
		models[c.Model].add(c)
		s := sessions[c.Session]
		if s == nil {
			s = &Session{ID: c.Session, First: c.At}
			sessions[c.Session] = s
		}
		s.add(c)
		s.Last, s.Dir, s.Unattended = c.At, cmp.Or(c.Dir, s.Dir), c.Unattended
	}
	for _, s := range slices.SortedFunc(maps.Values(sessions), func(a, b *Session) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.ID, b.ID))
	}) {
		r.Sessions = append(r.Sessions, *s)
	}
	for _, m := range slices.SortedFunc(maps.Values(models), func(a, b *Model) int {
		return cmp.Or(cmp.Compare(b.USD, a.USD), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name, b.Name))
	}) {
		r.Models = append(r.Models, *m)
	}
	if from, to := busiest(calls); to > from {
		r.Busiest = &Span{Start: calls[from].At}
		for _, c := range calls[from:to] {
			r.Busiest.add(c)
		}
	}
	from, to := busiest(slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return !c.Unattended }))
	r.Unattended = to - from
	return r
}

// Day is when the day of a time began, by the calendar of its location.
func Day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// enter adds a call to the last of the spans, or to a new one from start on.
func enter(list []Span, c Call, start time.Time) []Span {
	if len(list) == 0 || !list[len(list)-1].Start.Equal(start) {
		list = append(list, Span{Start: start})
	}
	list[len(list)-1].add(c)
	return list
}

// busiest returns the minute with the most calls, as calls[from:to].
func busiest(calls []Call) (from, to int) {
	first := 0
	for i := range calls {
		for calls[i].At.Sub(calls[first].At) >= time.Minute {
			first++
		}
		if i+1-first > to-from {
			from, to = first, i+1
		}
	}
	return from, to
}
