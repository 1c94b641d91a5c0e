package turn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"afteryou/internal/limit"
)

// Each of these stops a session, holds it up for hours or takes the hook down, if it is believed.
func TestCheckRefusesWhatCantBe(t *testing.T) {
	t.Parallel()
	account := func(fields string) string { return `{"accounts":{"p":{"at":"2026-03-01T09:00:00Z",` + fields + `}}}` }
	call := func(fields string) string { return account(`"calls":[{"session":"x",` + fields + `}]`) }
	class := func(fields string) string { return account(`"classes":{"opus":{` + fields + `}}`) }
	pace := func(fields string) string { return class(`"pace":{` + fields + `}`) }
	for what, state := range map[string]string{
		"a null session":                 `{"sessions":{"x":null}}`,
		"a transcript read from before":  `{"sessions":{"x":{"offsets":{"":-1}}}}`,
		"too many resumes to come":       `{"sessions":{"x":{"resumes":{"tries":-1000}}}}`,
		"a session of the year 9999":     `{"sessions":{"x":{"seen":"9999-01-01T00:00:00Z"}}}`,
		"a clock of no time":             `{"clocks":{"x":9223372036854775807}}`,
		"sessions without number":        `{"sessions":{"x":{}` + numbered(`,"%d":{}`) + `}}`,
		"subagents without number":       `{"sessions":{"x":{"offsets":{"x":0` + numbered(`,"%d":0`) + `}}}}`,
		"accounts without number":        `{"accounts":{"p":{}` + numbered(`,"%d":{}`) + `}}`,
		"a null account":                 `{"accounts":{"p":null}}`,
		"an account of the year 9999":    `{"accounts":{"p":{"at":"9999-01-01T00:00:00Z"}}}`,
		"what happened before its time":  `{"accounts":{"p":{"calls":[{"session":"x","asked":"2026-03-01T09:00:00Z"}]}}}`,
		"a budget of no time":            account(`"budgeted":"9999-01-01T00:00:00Z"`),
		"an account's budget below none": account(`"budget":{"input":-1}`),
		"requests of the future":         account(`"requests":["2026-04-01T09:00:00Z"]`),
		"requests without number":        account(`"requests":["2026-03-01T08:59:59Z"` + strings.Repeat(`,"2026-03-01T08:59:59Z"`, many) + `]`),
		"classes without number":         account(`"classes":{"x":{}` + numbered(`,"%d":{}`) + `}`),
		"calls without number":           account(`"calls":[` + strings.Repeat(`{"session":"x"},`, many) + `{"session":"x"}]`),
		"a null call":                    account(`"calls":[null]`),
		"a null class":                   account(`"classes":{"opus":null}`),
		"a call of no phase":             call(`"phase":3`),
		"a call before its phases":       call(`"phase":-1`),
		"news that nobody tells":         call(`"news":4`),
		"a call that joins tomorrow":     call(`"asked":"2026-04-01T09:00:00Z"`),
		"a waiter seen in the future":    call(`"seen":"2026-04-01T09:00:00Z"`),
		"a turn that never lapses":       call(`"phase":1,"seen":"2099-01-01T00:00:00Z"`),
		"a turn of the future":           call(`"phase":1,"granted":"2026-04-01T09:00:00Z"`),
		"a row of the future":            call(`"phase":2,"row":"2026-04-01T09:00:00Z"`),
		"a call of the year 9999":        call(`"phase":2,"sent":"9999-01-01T00:00:00Z"`),
		"a call before 1970":             call(`"phase":2,"done":"0050-01-01T00:00:00Z"`),
		"a call rejected before once":    call(`"rejections":-1`),
		"a call of a budget below none":  call(`"rules":{"budget":{"calls":-1}}`),
		"a cap below none":               call(`"rules":{"most":-1}`),
		"a call that gives tokens":       call(`"phase":2,"took":{"input":-1}`),
		"a call of all tokens":           call(`"phase":2,"expected":{"output":1e300}`),
		"a call that took back tokens":   call(`"phase":1,"reserved":{"output":-1}`),
		"a trial of the future":          call(`"phase":2,"trial":true,"sent":"2026-04-01T09:00:00Z"`),
		"a trial of no time":             call(`"phase":2,"trial":true`),
		"a doubt without end":            call(`"phase":2,"trial":true,"sent":"2026-03-01T09:00:00Z","doubt":"2026-04-01T09:00:00Z"`),
		"a retry of the future":          call(`"phase":1,"retry":{"rejected":"2026-04-01T09:00:00Z","in":1}`),
		"a retry of no call":             call(`"phase":1,"retry":{"in":1}`),
		"a retry before its call":        call(`"phase":1,"retry":{"rejected":"2026-03-01T09:00:00Z","in":-1}`),
		"a retry in 200 years":           call(`"phase":1,"retry":{"rejected":"2026-03-01T09:00:00Z","in":6300000000000000000}`),
		"cool-downs before the first":    class(`"cool":{"times":-1}`),
		"more cool-downs than there are": class(`"cool":{"times":7}`),
		"a cool-down that never ends":    class(`"cool":{"until":"2027-03-01T00:00:00Z"}`),
		"a cool-down longer than any":    class(`"cool":{"until":"2026-03-01T09:12:00Z"}`),
		"a usage limit of the year 9999": class(`"usage":{"until":"9999-01-01T00:00:00Z"}`),
		"interactive calls before any":   class(`"passed":-1`),
		"first calls of all tokens":      class(`"first":{"input":1e300}`),
		"tokens that never come":         class(`"tokens":{"input":{"rate":1e-300}}`),
		"tokens owed for ages":           class(`"tokens":{"total":{"rate":1,"level":-1e14}}`),
		"tokens of the future":           class(`"tokens":{"output":{"rate":1,"at":"2026-04-01T09:00:00Z"}}`),
		"a negative window":              pace(`"window":-1`),
		"a window beyond the widest":     pace(`"window":1000000`),
		"a pace below the slowest":       pace(`"rate":1e-300,"level":0`),
		"a pace above the fastest":       pace(`"rate":1e300`),
		"a negative pace":                pace(`"rate":-1`),
		"a token that is owed for ages":  pace(`"rate":1,"level":-1e18`),
		"tokens in store":                pace(`"rate":1,"level":50`),
		"a limit of nothing":             pace(`"rate":1,"limit":1e-300`),
		"headers doubted before once":    pace(`"doubts":-1`),
		"headers never believed again":   pace(`"distrust":100000`),
		"growth before its start":        pace(`"grown":-5`),
		"a moment of the future":         pace(`"empty":[{"at":"2026-04-01T09:00:00Z"}]`),
		"fewer calls than none":          pace(`"sent":-1`),
		"more moments than are kept":     pace(`"empty":[{},{},{}]`),
		"a pace used in the future":      pace(`"rate":1,"used":"2026-04-01T09:00:00Z"`),
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
			p := s.Open("p")
			s.Sessions = map[string]*Session{"a": {Since: first, Seen: first}}
			r := Rules{Budget: Budget{Calls: 100, Input: 1e6}}
			use := func(sec float64) {
				p.Ask(now(sec), Call{Key: a, Event: "e", Rules: r, News: ByNext})
				p.Ask(now(sec), Call{Key: b, Event: "e", Rules: r})
				p.Admit(now(sec), everybody)
				p.Sent(now(sec), a, now(sec-1))
				p.Retrying(now(sec), a, Retry{Rejected: now(sec), In: 9 * time.Minute, Attempt: 1})
				p.Used(now(sec), b, now(sec), limit.Costs{Input: 1000, Output: 1000})
				p.Rejected(now(sec), b, Rejection{In: 599 * time.Second, Limit: true, Headers: limit.Headers{Requests: limit.Resource{Limit: 50, Remaining: 42}}})
				p.Headers(now(sec), b, limit.Headers{Requests: limit.Resource{Limit: 50, Remaining: 1}, Input: limit.Resource{Limit: 1000, Remaining: 10}})
				s.Sessions["a"].Resume(now(sec), Death{At: now(sec), Answered: now(sec)}, r)
				p.Limited(now(sec), "", now(sec+590), "x")
				p.Ended(now(sec), a)
			}
			use(10)
			if !now(20).Add(jump).Before(time.Unix(0, 0)) {
				first = first.Add(jump)
			}
			s.Arrive(now(20), "here/1")
			use(20)
			if err := s.Check(); err != nil {
				t.Errorf("begun at %v, put %v: %v", first, jump, err)
			}
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	s := NewState()
	p := s.Open("p")
	s.Sessions = make(map[string]*Session)
	for i := range 500 {
		k := Key{Session: fmt.Sprintf("session-%d", i)}
		s.Sessions[k.Session] = &Session{Account: "p", Since: simEpoch, Seen: simEpoch, Offsets: map[string]int64{"": 1}}
		p.Ask(simEpoch, Call{Key: k, Event: "e"})
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
			p := s.Open("p")
			for i := range 20 {
				now := simEpoch.Add(seconds(60 * float64(i)))
				var l limit.Headers
				l.Set("requests", x, y)
				l.Set("input-tokens", y, x)
				l.Set("output-tokens", 50, y)
				l.Set("tokens", x, 50)
				p.Ask(now, Call{Key: a, Event: fmt.Sprint(i)})
				p.Admit(now, everybody)
				p.Headers(now, a, l)
				p.Used(now, a, now, limit.Costs{Input: x, Output: y})
				p.Retrying(now, a, Retry{Rejected: now, In: seconds(y), Attempt: 1, Named: l})
				p.Rejected(now, a, Rejection{In: seconds(x), Limit: i > 10, Headers: l})
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
		"a turn that waits for a usage limit": `"calls":[{"session":"b","phase":1,"granted":"2026-03-01T09:00:00Z","seen":"2026-03-01T09:00:00Z",` +
			`"retry":{"rejected":"2026-03-01T09:00:00Z","in":8000000000000000}}]`,
		"a call of more tokens than there are": `"classes":{"":{"first":{"input":1e9},"pace":{"window":1},"tokens":{"input":{"rate":1,"top":1e9,"at":"2026-03-01T09:00:00Z"}}}}`,
		"a call on trial for ever":             `"classes":{"":{"pace":{"rate":1,"level":1}}},"calls":[{"session":"b","phase":2,"news":2,"trial":true,"sent":"2026-03-01T09:00:00Z","doubt":"2026-03-01T09:01:00Z"}]`,
	} {
		s := new(State)
		if err := cmp.Or(json.Unmarshal([]byte(`{"version":2,"accounts":{"p":{"at":"2026-03-01T09:00:00Z",`+state+`}}}`), s), s.Check()); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		s.Arrive(simEpoch, "here/1")
		p, now := s.Open("p"), simEpoch
		p.Ask(now, Call{Key: a, Event: "e", Rules: strict})
		for range 1000 {
			p.Sweep(now, everybody, true)
			next := p.Admit(now, everybody)
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
	p := NewState().Open("p")
	p.Limited(simEpoch, "", simEpoch.AddDate(80, 0, 0), "usage limit")
	if p.Sweep(simEpoch, everybody, true); p.Class("").Usage != (Usage{}) {
		t.Errorf("a usage limit of %+v is kept", p.Class("").Usage)
	}
	p.Limited(simEpoch, "", simEpoch.AddDate(0, 0, 7), "usage limit")
	if p.Sweep(simEpoch, everybody, true); p.Class("").Usage == (Usage{}) {
		t.Error("one of a week is not")
	}
}
