package turn

import (
	"cmp"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"afteryou/internal/limit"
)

func TestState(t *testing.T) {
	t.Run("twenty busy sessions fit into 20 KB and come back the same", func(t *testing.T) {
		st := NewState()
		p := st.Open("0123456789abcdef")
		s := story{t, p, Rules{}}
		for i := range 400 {
			k := Key{Session: fmt.Sprintf("01234567-89ab-cdef-0123-%012d", i%20)}
			now := float64(i) / 4
			if p.Waits(k) {
				p.Succeeded(at(now), k)
				p.Admit(at(now), everybody)
				continue
			}
			p.Ask(at(now), Call{Key: k, Event: fmt.Sprintf("toolu_01ABCDEFGHIJKLMNOPQ%04d", i), Process: Process{PID: 10000 + i%20, Start: 123456789}, Waiter: Process{PID: 20000 + i, Start: 123456789}})
			p.Admit(at(now), everybody)
			p.Sent(at(now), k, at(now))
			if i%7 == 0 {
				s.rejected(now+.01, k, now+.005, 2, 1)
			}
			if i%3 == 0 {
				p.Succeeded(at(now+.02), k)
			}
		}
		data, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 20<<10 {
			t.Errorf("%d bytes, want at most 20 KB", len(data))
		}
		var again State
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if got := mustJSON(again); got != string(data) {
			t.Errorf("read again:\n%s\nwant\n%s", got, data)
		}
		t.Logf("%d bytes: %d wait, %d turns, %d calls, %d logged", len(data), len(p.Line("")), len(p.Turns("")), len(p.Calls), s.pace().Sent)
	})
	t.Run("a session that is gone takes everything with it, the account when it was the last", func(t *testing.T) {
		st := NewState()
		p := st.Open("p")
		st.Sessions = map[string]*Session{"a": {Account: "p", Process: Process{PID: 1}}, "b": {Account: "p", Process: Process{PID: 2}}}
		p.Ask(at(0), Call{Key: a, Event: "e"})
		p.Ask(at(0), Call{Key: b, Event: "e"})
		p.Admit(at(0), everybody)
		st.Forget(at(1), all(1))
		if len(st.Sessions) != 1 || len(p.Line("")) != 1 || len(p.Turns("")) != 0 {
			t.Errorf("%s", mustJSON(st))
		}
		st.Forget(at(700), all(1, 2))
		st.Forget(at(1400), all(1, 2))
		if len(st.Sessions) != 0 || len(st.Accounts) != 0 {
			t.Errorf("%s", mustJSON(st))
		}
	})
}

// A class that nobody calls any more is forgotten, others are not.
func TestClassesAreForgotten(t *testing.T) {
	st := NewState()
	p := st.Open("p")
	for i := range crowd + 500 {
		now, k := at(5*float64(i)), Key{"a", "", fmt.Sprint("model-", i)}
		p.Ask(now, Call{Key: k, Event: "e"})
		p.Admit(now, everybody)
		p.Succeeded(now, k)
		if i%100 == 0 {
			st.Forget(now, everybody)
		}
	}
	if err := st.Check(); err != nil || len(p.Classes) < 120 {
		t.Errorf("%d classes are remembered: %v", len(p.Classes), err)
	}
}

func mustJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// states have calls in each phase, and what is known of limits.
var states = []string{
	`{"version":2,"accounts":{"p":{"at":"2026-03-01T09:00:00Z","calls":[{"session":"a","asked":"2026-03-01T09:00:00Z"},{"session":"a","phase":2,"trial":true,"sent":"2026-03-01T09:00:00Z"}],` +
		`"classes":{"":{"pace":{"rate":0.5,"level":1,"log":[1772355600000,5,5]}}}}}}`,
	`{"accounts":{"p":{"at":"2026-03-01T09:00:00Z","calls":[{"session":"a","phase":1,"retry":{"rejected":"2026-03-01T09:00:00Z","in":5000000000}}]}}}`,
	`{"accounts":{"p":{"at":"2100-01-01T00:00:00Z","calls":[{"session":"a","phase":2,"retry":{"rejected":"2000-01-01T00:00:00Z","in":1}}]}}}`,
	`{"accounts":{"p":{"at":"2026-03-01T09:00:00Z","classes":{"":{"pace":{"window":1},"first":{"input":1e9},"tokens":{"input":{"rate":1,"top":1e9,"at":"2026-03-01T09:00:00Z"}}}}}}}`,
	`{"accounts":{"p":{"at":"2026-03-01T09:00:00Z","calls":[{"session":"a","phase":1,"event":"wake","woken":true,"granted":"2026-03-01T09:00:00Z","trial":true,"unseen":true,"sent":"2026-03-01T09:00:00Z"},` +
		`{"session":"b","phase":0,"rejections":5,"retry":{"rejected":"2026-03-01T09:00:00Z","in":5000000000,"large":true}},{"session":"b","agent":"1","phase":1,"news":2,"silent":true}],` +
		`"budget":{"calls":5},"budgeted":"2026-03-01T09:00:00Z","requests":[1772355600000]}}}`,
}

// FuzzState reads states that others wrote, or that a disk spoiled, and goes on with them.
func FuzzState(f *testing.F) {
	for i, state := range states {
		f.Add([]byte(state), []int64{1000, -1, 0, 0}[i%4])
	}
	f.Fuzz(func(t *testing.T, data []byte, ms int64) {
		st := NewState()
		if json.Unmarshal(data, st) != nil || st.Check() != nil {
			t.Skip()
		}
		now := simEpoch.Add(time.Duration(ms%1e10) * time.Millisecond)
		st.Arrive(now, "here/1")
		st.Forget(now, everybody)
		p := st.Open("p")
		p.drop(func(c *Call) bool { return c.Phase == Waiting })
		alone := now
		p.Ask(alone, Call{Key: b, Event: "alone"})
		for range 2 * many {
			next := p.Admit(alone, everybody)
			if p.Granted(b, "alone") {
				break
			}
			if next.Sub(now) > 3*time.Hour || next.IsZero() {
				t.Fatalf("with nobody before it a call waits until %v, from %v on", next, now)
			}
			alone = next
			p.Sweep(alone, everybody, true)
		}
		now = Latest(now, p.At)
		p.Ask(now, Call{Key: a, Event: "e"})
		if next := p.Admit(now, everybody); !next.IsZero() && !next.After(now) {
			t.Errorf("Admit: come back at %v, which is not after %v", next, now)
		}
		p.Sent(now, a, now)
		p.Retrying(now, a, Retry{Rejected: now, In: time.Second, Attempt: 1})
		p.Rejected(now, a, Rejection{In: time.Second, Limit: true, Headers: limit.Headers{Requests: limit.Resource{Limit: 50, Remaining: 42}}})
		p.Headers(now, a, limit.Headers{Requests: limit.Resource{Limit: 60, Remaining: 1}, Input: limit.Resource{Limit: 1000, Remaining: 10}})
		p.Succeeded(now, a)
		written := new(State)
		data, err := st.Encode()
		if err = cmp.Or(err, json.Unmarshal(data, written), written.Check()); err != nil {
			t.Errorf("what became of it is refused: %v", err)
		}
	})
}
