package turn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// Each of these stops a session, holds it up for hours or takes the hook down, if it is believed.
func TestCheckRefusesWhatCantBe(t *testing.T) {
	t.Parallel()
	const at = `"at":"2026-03-01T09:00:00Z",`
	list := func(one string) string { return strings.Repeat(one+",", many) + one }
	for what, state := range map[string]string{
		"a null session":                   `{"sessions":{"x":null}}`,
		"a null pool":                      `{"pools":{"p":null}}`,
		"a null pool of a class":           `{"pools":{"p":{},"p/opus":null}}`,
		"a transcript read from before":    `{"sessions":{"x":{"offsets":{"":-1}}}}`,
		"too many resumes to come":         `{"sessions":{"x":{"resumes":{"tries":-1000}}}}`,
		"a session of the year 9999":       `{"sessions":{"x":{"seen":"9999-01-01T00:00:00Z"}}}`,
		"a request before 1970":            `{"sessions":{"x":{"asked":{"a":"0050-01-01T00:00:00Z"}}}}`,
		"a pool of the year 9999":          `{"pools":{"p":{"at":"9999-01-01T00:00:00Z"}}}`,
		"cool-downs before the first":      `{"pools":{"p":{` + at + `"cool":{"times":-1}}}}`,
		"more cool-downs than there are":   `{"pools":{"p":{` + at + `"cool":{"times":7}}}}`,
		"a cool-down that never ends":      `{"pools":{"p":{` + at + `"cool":{"until":"2027-03-01T00:00:00Z"}}}}`,
		"a cool-down longer than any":      `{"pools":{"p":{` + at + `"cool":{"until":"2026-03-01T09:12:00Z"}}}}`,
		"a usage limit of the year 9999":   `{"pools":{"p":{` + at + `"usage":{"until":"9999-01-01T00:00:00Z"}}}}`,
		"a clock of no time":               `{"clocks":{"x":9223372036854775807}}`,
		"a ticket seen in the future":      `{"pools":{"p":{` + at + `"queue":[{"session":"x","seen":"2026-04-01T09:00:00Z"}]}}}`,
		"a negative window":                `{"pools":{"p":{` + at + `"pace":{"window":-1}}}}`,
		"a window beyond the widest":       `{"pools":{"p":{` + at + `"pace":{"window":1000000}}}}`,
		"a pace below the slowest":         `{"pools":{"p":{` + at + `"pace":{"rate":1e-300,"level":0}}}}`,
		"a pace above the fastest":         `{"pools":{"p":{` + at + `"pace":{"rate":1e300}}}}`,
		"a negative pace":                  `{"pools":{"p":{` + at + `"pace":{"rate":-1}}}}`,
		"a token that is owed for ages":    `{"pools":{"p":{` + at + `"pace":{"rate":1,"level":-1e18}}}}`,
		"tokens in store":                  `{"pools":{"p":{` + at + `"pace":{"rate":1,"level":50}}}}`,
		"a limit of nothing":               `{"pools":{"p":{` + at + `"pace":{"rate":1,"limit":1e-300}}}}`,
		"headers doubted before once":      `{"pools":{"p":{` + at + `"pace":{"doubts":-1}}}}`,
		"headers never believed again":     `{"pools":{"p":{` + at + `"pace":{"distrust":100000}}}}`,
		"growth before its start":          `{"pools":{"p":{` + at + `"pace":{"grown":-5}}}}`,
		"calls of the future":              `{"pools":{"p":{` + at + `"pace":{"log":[1872355600000]}}}}`,
		"calls of no time":                 `{"pools":{"p":{` + at + `"pace":{"log":[9223372036854775807]}}}}`,
		"more calls than are kept":         `{"pools":{"p":{` + at + `"pace":{"log":[` + strings.Repeat("1,", keptMost) + `1]}}}}`,
		"more moments than are kept":       `{"pools":{"p":{` + at + `"pace":{"empty":[1,2,3]}}}}`,
		"a pace used in the future":        `{"pools":{"p":{` + at + `"pace":{"rate":1,"used":"2026-04-01T09:00:00Z"}}}}`,
		"a trial of the future":            `{"pools":{"p":{` + at + `"pace":{"tries":[{"session":"x","at":"2026-04-01T09:00:00Z"}]}}}}`,
		"a doubt without end":              `{"pools":{"p":{` + at + `"pace":{"rate":1,"tries":[{"session":"x","at":"2026-03-01T09:00:00Z","doubt":"2026-04-01T09:00:00Z"}]}}}}`,
		"trials without number":            `{"pools":{"p":{` + at + `"pace":{"tries":[` + list(`{"session":"x","at":"2026-03-01T09:00:00Z"}`) + `]}}}}`,
		"a ticket of the future":           `{"pools":{"p":{` + at + `"queue":[{"session":"x","since":"2026-04-01T09:00:00Z"}]}}}`,
		"a ticket rejected before once":    `{"pools":{"p":{` + at + `"queue":[{"session":"x","rejected":-1}]}}}`,
		"a budget below none":              `{"pools":{"p":{` + at + `"queue":[{"session":"x","budget":{"calls":-1}}]}}}`,
		"a turn rejected before once":      `{"pools":{"p":{` + at + `"grants":[{"session":"x","rejected":-5}]}}}`,
		"a turn that never lapses":         `{"pools":{"p":{` + at + `"grants":[{"session":"x","seen":"2099-01-01T00:00:00Z"}]}}}`,
		"a retry of the future":            `{"pools":{"p":{` + at + `"retries":[{"session":"x","rejected":"2026-04-01T09:00:00Z","in":1}]}}}`,
		"a retry of no call":               `{"pools":{"p":{` + at + `"retries":[{"session":"x","in":1}]}}}`,
		"a trial of no time":               `{"pools":{"p":{` + at + `"pace":{"tries":[{"session":"x"}]}}}}`,
		"a retry before its call":          `{"pools":{"p":{` + at + `"retries":[{"session":"x","rejected":"2026-03-01T09:00:00Z","in":-1}]}}}`,
		"a retry in 200 years":             `{"pools":{"p":{` + at + `"retries":[{"session":"x","rejected":"2026-03-01T09:00:00Z","in":6300000000000000000}]}}}`,
		"calls seen before they were":      `{"pools":{"p":{` + at + `"callers":[{"session":"x","owed":-1}]}}}`,
		"a call that gives tokens":         `{"pools":{"p":{` + at + `"callers":[{"session":"x","took":{"input":-1}}]}}}`,
		"first calls of all tokens":        `{"pools":{"p":{` + at + `"costs":{"input":1e300}}}}`,
		"tokens that never come":           `{"pools":{"p":{` + at + `"tokens":{"input":{"rate":1e-300}}}}}`,
		"tokens owed for ages":             `{"pools":{"p":{` + at + `"tokens":{"total":{"rate":1,"level":-1e14}}}}}`,
		"tokens of the future":             `{"pools":{"p":{` + at + `"tokens":{"output":{"rate":1,"at":"2026-04-01T09:00:00Z"}}}}}`,
		"an account of no time":            `{"pools":{"p":{` + at + `"account":{"asked":"9999-01-01T00:00:00Z"}}}}`,
		"an account of calls of no time":   `{"pools":{"p":{` + at + `"account":{"asked":"2026-03-01T09:00:00Z","calls":[{"session":"x","at":"9999-01-01T00:00:00Z"}]}}}}`,
		"interactive calls before any":     `{"pools":{"p":{` + at + `"ahead":-1}}}`,
		"what happened before its pool":    `{"pools":{"p":{"queue":[{"session":"x","since":"2026-03-01T09:00:00Z"}]}}}`,
		"tickets without number":           `{"pools":{"p":{` + at + `"queue":[` + strings.Repeat(`{"session":"x"},`, crowd) + `{"session":"x"}]}}}`,
		"pools without number":             `{"pools":{"p":{}` + numbered(`,"%d":{}`) + `}}`,
		"sessions without number":          `{"sessions":{"x":{}` + numbered(`,"%d":{}`) + `}}`,
		"subagents without number":         `{"sessions":{"x":{"offsets":{"x":0` + numbered(`,"%d":0`) + `}}}}`,
		"subagents who ask without number": `{"sessions":{"x":{"asked":{"x":"2026-03-01T09:00:00Z"` + numbered(`,"%d":"2026-03-01T09:00:00Z"`) + `}}}}`,
	} {
		s := new(State)
		if err := json.Unmarshal([]byte(state), s); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if err := s.Check(); err == nil {
			t.Errorf("%s passes: %.200s", what, state)
		}
	}
}

func numbered(format string) string {
	var b strings.Builder
	for i := range many {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Whatever the clock does, it spoils no state: neither one that was put back by a year, nor one that was never set, nor
// that of another machine.
func TestCheckLeavesTheClockAlone(t *testing.T) {
	t.Parallel()
	for _, first := range []time.Time{simEpoch, time.Unix(100, 0), simEpoch.AddDate(150, 0, 0)} {
		for _, jump := range []time.Duration{0, time.Second, -time.Second, time.Hour, -time.Hour, 9000 * time.Hour, -9000 * time.Hour} {
			s := NewState()
			now := func(sec float64) time.Time { return first.Add(seconds(sec)) }
			p := s.Pool("p")
			s.Sessions = map[string]*Session{"a": {Since: first, Seen: first}}
			r := Rules{Budget: Budget{Calls: 100, Input: 1e6}}
			use := func(sec float64) {
				p.Ask(now(sec), Ticket{Key: a, Event: "e", Budget: r.Budget})
				p.Ask(now(sec), Ticket{Key: b, Event: "e"})
				p.Admit(now(sec), r)
				p.Sent(now(sec), a, now(sec-1))
				p.Retrying(now(sec), a, Retry{Rejected: now(sec), In: 9 * time.Minute, Attempt: 1, Late: true})
				p.Used(now(sec), b, now(sec), Costs{1000, 1000})
				p.Rejected(now(sec), b, Rejection{Sent: now(sec), In: 599 * time.Second, Limit: true, Limits: Limits{Requests: Resource{50, 42}}})
				p.Headers(now(sec), b, now(sec), Limits{Requests: Resource{50, 1}, Input: Resource{1000, 10}})
				s.Sessions["a"].Resume(now(sec), now(sec), now(sec), r)
				p.Limited(now(sec), now(sec+590), "x")
				p.Ended(now(sec), a)
			}
			use(10)
			if !now(20).Add(jump).Before(time.Unix(0, 0)) {
				first = first.Add(jump)
			}
			use(20)
			if err := s.Check(); err != nil {
				t.Errorf("begun at %v, put %v: %v", first, jump, err)
			}
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	s := NewState()
	p := s.Pool("p")
	s.Sessions = make(map[string]*Session)
	for i := range 500 {
		k := Key{Session: fmt.Sprintf("session-%d", i)}
		s.Sessions[k.Session] = &Session{Pool: "p", Since: simEpoch, Seen: simEpoch, Offsets: map[string]int64{"": 1}}
		p.Ask(simEpoch, Ticket{Key: k, Event: "e"})
		p.Sent(simEpoch, k, simEpoch)
	}
	for b.Loop() {
		if err := s.Check(); err != nil {
			b.Fatal(err)
		}
	}
}

// What servers and transcripts say gets into the state as far as it can be, and never keeps it from being written.
func TestNoNumberSpoilsTheState(t *testing.T) {
	t.Parallel()
	odd := []float64{math.Inf(1), math.Inf(-1), math.NaN(), -1, 0, 1e-300, 1, 50, 1e15, 1e300}
	for _, x := range odd {
		for _, y := range odd {
			s := NewState()
			p := s.Pool("p")
			for i := range 20 {
				now := simEpoch.Add(seconds(60 * float64(i)))
				l := Limits{Requests: Resource{x, y}, Input: Resource{y, x}, Output: Resource{50, y}, Total: Resource{x, 50}}
				p.Ask(now, Ticket{Key: a, Event: fmt.Sprint(i)})
				p.Admit(now, Rules{})
				p.Headers(now, a, now, l)
				p.Used(now, a, now, Costs{x, y})
				p.Retrying(now, a, Retry{Rejected: now, In: seconds(y), Attempt: 1, Named: l})
				p.Rejected(now, a, Rejection{Sent: now, In: seconds(x), Limit: i > 10, Limits: l})
				p.Succeeded(now, a)
				written := new(State)
				data, err := json.Marshal(s)
				if err == nil {
					err = cmp.Or(json.Unmarshal(data, written), written.Check())
				}
				if err != nil {
					t.Errorf("told %v and %v: %v", x, y, err)
					break
				}
			}
		}
	}
}

// What passes as a state still holds nobody up for longer than the limits that it tells of.
func TestNothingThatPassesHoldsACallForDays(t *testing.T) {
	t.Parallel()
	for what, state := range map[string]string{
		"a class whose clock was put back": `"p":{"at":"2026-03-01T09:00:00Z"},"p/opus":{"at":"2100-01-01T00:00:00Z","cool":{"until":"2100-01-01T00:05:00Z"}}`,
		"a turn that waits for a usage limit": `"p":{"at":"2026-03-01T09:00:00Z","grants":[{"session":"b","at":"2026-03-01T09:00:00Z","seen":"2026-03-01T09:00:00Z"}],` +
			`"retries":[{"session":"b","rejected":"2026-03-01T09:00:00Z","in":8000000000000000}]}`,
		"a call of more tokens than there are": `"p":{"at":"2026-03-01T09:00:00Z","costs":{"input":1e9},"pace":{"window":1},"tokens":{"input":{"rate":1,"top":1e9,"at":"2026-03-01T09:00:00Z"}}}`,
	} {
		s := new(State)
		if err := cmp.Or(json.Unmarshal([]byte(`{"version":1,"pools":{`+state+`}}`), s), s.Check()); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		p, now := s.Pool("p"), simEpoch
		p.Ask(now, Ticket{Key: a, Event: "e"})
		for range 1000 {
			p.Sweep(now, everybody)
			next := p.Admit(now, strict)
			if p.Granted(a, "e") {
				break
			}
			now = next
		}
		if waited := now.Sub(simEpoch); !p.Granted(a, "e") || waited > 3*time.Hour {
			t.Errorf("%s: a call waited for %v, and has its turn: %v", what, waited, p.Granted(a, "e"))
		}
	}
}

func TestAUsageLimitOfDecadesIsForgotten(t *testing.T) {
	t.Parallel()
	p := NewState().Pool("p")
	p.Limited(simEpoch, simEpoch.AddDate(80, 0, 0), "usage limit")
	if p.Sweep(simEpoch, everybody); p.Usage != (Usage{}) {
		t.Errorf("a usage limit of %+v is kept", p.Usage)
	}
	p.Limited(simEpoch, simEpoch.AddDate(0, 0, 7), "usage limit")
	if p.Sweep(simEpoch, everybody); p.Usage == (Usage{}) {
		t.Error("one of a week is not")
	}
}
