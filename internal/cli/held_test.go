package cli

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// What holds the first in line is told with its place, by status, as a table and as JSON, and by the status line.
func TestWhatHoldsTheFirstInLineIsTold(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	in := func(d time.Duration) string { return now.Add(d).Format("15:04:05") }
	other := turn.Key{Session: "other"}
	holds := func(a *turn.Account) {
		a.Ask(now, turn.Call{Key: other, Event: "e"})
		a.Admit(now, lockfile.Alive)
	}
	for name, tt := range map[string]struct {
		rules turn.Rules
		set   func(*turn.Account)
		why   turn.Reason
		lasts time.Duration
		note  string // behind how long it waits; nothing for a cool-down, which the segment tells with its end
	}{
		"nothing":                {turn.Rules{}, func(*turn.Account) {}, "", 0, ""},
		"the turn of another":    {turn.Rules{Most: 1}, holds, turn.OneAtATime, 2 * time.Minute, ", held by as many calls as the rules allow"},
		"a cool-down":            {turn.Rules{}, func(a *turn.Account) { a.Limited(now, "", now.Add(34*time.Second), "rate limit") }, turn.Cooling, 34 * time.Second, ", held by the cool-down until " + in(34*time.Second)},
		"calls on trial":         {turn.Rules{}, holds, turn.OnTrial, 2 * time.Second, ", held by calls on trial until " + in(2*time.Second)},
		"a try that was told":    {turn.Rules{}, func(a *turn.Account) { a.Retrying(now, other, turn.Retry{In: 20 * time.Second}) }, turn.Announced, 20 * time.Second, ", held by a rejected call that goes first until " + in(20*time.Second)},
		"its own call, by a gap": {turn.Rules{Gap: 9 * time.Second}, func(a *turn.Account) { a.Sent(now, turn.Key{Session: "first"}, now) }, turn.OwnGap, 9 * time.Second, ", held by the gap after its last call until " + in(9*time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			s := turn.NewState()
			s.Sessions = map[string]*turn.Session{"first": {Account: "p"}, "second": {Account: "p"}}
			a := s.Open("p")
			a.Name = "the account"
			tt.set(a)
			for _, id := range []string{"first", "second"} {
				a.Ask(now, turn.Call{Key: turn.Key{Session: id}, Event: "e", Rules: tt.rules})
			}
			r := reportOf(s, now)
			first := r.Pools[0].Waiting[0]
			if first.Why != string(tt.why) || tt.why != "" && !first.Until.Equal(now.Add(tt.lasts)) || tt.why == "" && !first.Until.IsZero() {
				t.Errorf("the first is held by %q until %v, want %q until %v", first.Why, first.Until, tt.why, now.Add(tt.lasts))
			}
			var text bytes.Buffer
			if err := r.write(&text, now); err != nil {
				t.Fatal(err)
			}
			if want := "waits for 0s" + tt.note + "\n"; !strings.Contains(text.String(), want) || strings.Count(text.String(), "held by") != strings.Count(tt.note, "held by") {
				t.Errorf("status lacks %q, or has more:\n%s", want, text.String())
			}
			want := "turn 1 of 2"
			switch tt.why {
			case "":
			case turn.Cooling:
				want += " · limit 34s"
			case turn.Announced:
				want += ", held by a rejected call that goes first · limit 20s"
			default:
				want += ", held by " + string(tt.why)
			}
			if got := segment(s, "first", now); got != want {
				t.Errorf("the status line says %q, want %q", got, want)
			}
			if got := segment(s, "second", now); !strings.HasPrefix(got, "turn 2 of 2") || strings.Contains(got, "held") {
				t.Errorf("the status line of the second says %q", got)
			}
		})
	}
}

// status --json is stable: these are its names, whatever the state is made of.
func TestNamesInTheJSONOfStatus(t *testing.T) {
	now := time.Now()
	s := turn.NewState()
	s.Sessions = map[string]*turn.Session{"hook": {Account: "p"}, "gate": {Account: "p", Gateway: true}, "only": {Account: "q", Gateway: true}}
	p, q := s.Open("p"), s.Open("q")
	p.Name, q.Name = "one", "two"
	p.Limited(now, "", now.Add(time.Minute), "rate limit")
	p.Limited(now, "opus", now.Add(2*time.Hour), "usage limit")
	for _, k := range []turn.Key{{Session: "hook"}, {Session: "gate", Agent: "#2", Class: "opus"}} {
		p.Ask(now, turn.Call{Key: k, Event: "e"})
	}
	q.Ask(now, turn.Call{Key: turn.Key{Session: "only", Class: "haiku"}, Event: "e"})
	q.Admit(now, lockfile.Alive)
	q.Ask(now, turn.Call{Key: turn.Key{Session: "only", Class: "haiku", Agent: "#2"}, Event: "f", Rules: turn.Rules{Most: 1}})
	data, err := json.Marshal(reportOf(s, now))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Pools []map[string]any }
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range got.Pools {
		ids = append(ids, p["id"].(string)+" "+p["name"].(string))
	}
	if want := []string{"p one", "p/opus one, opus", "q/haiku two, haiku"}; !slices.Equal(ids, want) {
		t.Fatalf("the limits are %q, want %q", ids, want)
	}
	for i, want := range []string{
		"calls_per_minute cool_down gates id name sessions turns waiting",
		"calls_per_minute gates id name sessions turns usage_limit waiting",
		"calls_per_minute gates id name sessions turns waiting",
	} {
		if is := names(got.Pools[i]); is != want || got.Pools[i]["sessions"] != 1.0 {
			t.Errorf("%s has %s, want %s, and one session", ids[i], is, want)
		}
	}
	if got, want := names(got.Pools[1]["waiting"].([]any)[0]), "agent gate place seconds session since until why"; got != want {
		t.Errorf("who waits has %s, want %s", got, want)
	}
	if got, want := names(got.Pools[2]["turns"].([]any)[0]), "gate seconds session since"; got != want {
		t.Errorf("who has a turn has %s, want %s", got, want)
	}
}

// names are the names in an object of JSON, in order.
func names(object any) string {
	var list []string
	for name := range object.(map[string]any) {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
