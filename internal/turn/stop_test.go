package turn

import (
	"strings"
	"testing"
	"time"
)

// day returns a time of a day in November 2026.
func day(day, hour, minute int) time.Time {
	return time.Date(2026, 11, day, hour, minute, 0, 0, time.Local)
}

func TestDue(t *testing.T) {
	died := day(23, 12, 0)
	rate := Death{At: died, Limit: "rate limit", Lifts: true, Deadline: died.Add(6 * time.Hour)}
	usage := Death{At: died, Limit: UsageLimit, Lifts: true, Deadline: died.Add(6 * time.Hour)}
	reset := func(d Death, at time.Time) Death { d.Reset = at; return d }
	native := func(d Death) Death { d.Native = true; return d }
	until := func(at time.Time) Class { return Class{CoolDown: CoolDown{Until: at}} }
	gaveUp := Class{CoolDown: CoolDown{Until: died, Times: mostBlind + 1}}
	for _, tt := range []struct {
		name string
		d    Death
		l    Class
		want time.Time
		err  string
	}{
		{"a cool-down", rate, until(day(23, 12, 5)), day(23, 12, 5), ""},
		{"a cool-down that is over", rate, until(day(23, 11, 0)), died, ""},
		{"a limit that said its end", reset(rate, day(23, 12, 5)), Class{}, day(23, 12, 5), ""},
		{"a rate limit so long that nobody else waits for it", rate, Class{Usage: Usage{Until: day(23, 13, 0), Why: "rate limit"}}, day(23, 13, 0), ""},
		{"somebody else's usage limit", rate, Class{CoolDown: CoolDown{Until: day(23, 12, 5)}, Usage: Usage{Until: day(23, 13, 0), Why: UsageLimit}}, day(23, 12, 5), ""},
		{"a usage limit", reset(usage, day(23, 14, 0)), until(day(23, 15, 0)), day(23, 14, 0), ""},
		{"a usage limit, after which Claude Code may go on by itself", native(reset(usage, day(23, 14, 0))), Class{}, day(23, 14, 3), ""},
		{"limits without a time, again and again", rate, gaveUp, time.Time{}, "came back each time"},
		{"one with a time after them", reset(rate, day(23, 12, 5)), gaveUp, day(23, 12, 5), ""},
		{"a usage limit that said no time", usage, until(day(23, 12, 5)), time.Time{}, "nothing says when its usage limit resets"},
		{"a limit that waiting does not lift", Death{Limit: "spend limit"}, Class{}, time.Time{}, "waiting does not lift its spend limit"},
		{"longer than max_wait", reset(usage, day(24, 1, 0)), Class{}, time.Time{}, "its usage limit lasts until Nov 24 01:00:00, longer than max_wait"},
	} {
		got, err := tt.d.Due(died, &tt.l, Rules{})
		if tt.err == "" && (err != nil || !got.Equal(tt.want)) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: due at %v, %v; want %v, %q", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestDueNotInQuietHours(t *testing.T) {
	rules := Rules{Quiet: Quiet{From: 23 * 60, To: 7 * 60}}
	for _, tt := range []struct {
		name            string
		over, now, want time.Time
	}{
		{"over by day", day(23, 12, 5), day(23, 12, 0), day(23, 12, 5)},
		{"over by night", day(23, 23, 5), day(23, 22, 55), day(24, 7, 0)},
		{"over before the night, seen in it, for the machine slept", day(23, 22, 59), day(23, 23, 30), day(24, 7, 0)},
		{"over long ago, seen by day", day(23, 22, 59), day(24, 9, 0), day(24, 9, 0)},
		{"over the day after", day(24, 12, 0), day(23, 23, 30), day(24, 12, 0)},
	} {
		d := Death{Limit: "rate limit", Lifts: true, Reset: tt.over, Deadline: day(25, 0, 0)}
		if got, err := d.Due(tt.now, &Class{}, rules); err != nil || !got.Equal(tt.want) {
			t.Errorf("%s: due at %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

// Who tells of a death first makes all wait; who tells of it again changes nothing.
func TestDied(t *testing.T) {
	now := day(23, 12, 0)
	for _, tt := range []struct {
		name string
		d    Death
		cool time.Duration
	}{
		{"no time said", Death{Limit: "rate limit", Lifts: true}, blind},
		{"a time said", Death{Limit: "rate limit", Lifts: true, Reset: now.Add(time.Minute)}, time.Minute},
		{"a usage limit of hours", Death{Limit: UsageLimit, Lifts: true, Reset: now.Add(time.Hour)}, 0},
		{"a usage limit, no time said", Death{Limit: UsageLimit, Lifts: true}, 0},
		{"what waiting does not lift", Death{Limit: "spend limit", Reset: now.Add(time.Minute)}, 0},
	} {
		p := NewState().Open("p")
		for _, late := range []time.Duration{0, time.Second, 2 * time.Minute} {
			tt.d.At = now
			p.Died(now.Add(late), Key{Session: "s"}, tt.d)
		}
		if got := max(0, p.Class("").CoolDown.Until.Sub(now)); got != tt.cool || p.Class("").CoolDown.Times > 1 {
			t.Errorf("%s: cools down for %v, %d times, want %v, once", tt.name, got, p.Class("").CoolDown.Times, tt.cool)
		}
	}
}

// A turn that died is given back, whoever says so first. One that the session asked for since is not.
func TestDiedGivesTheTurnBack(t *testing.T) {
	k, now := Key{Session: "s"}, day(23, 12, 0)
	p := NewState().Open("p")
	ask := func(at time.Time, event string) {
		p.Ask(at, Call{Key: k, Event: event})
		p.Admit(at, everybody)
	}
	d := Death{At: now.Add(time.Second), Limit: "rate limit", Lifts: true, Reset: now.Add(2 * time.Second)}
	ask(now, "e1")
	if p.Died(now.Add(2*time.Second), k, d); p.Holds(k) {
		t.Error("a dead turn is kept")
	}
	ask(now.Add(time.Minute), "e2")
	if p.Died(now.Add(time.Minute), k, d); !p.Granted(k, "e2") {
		t.Error("a late word of a dead turn takes the next one away")
	}
}
