package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestAt(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		now, local string
		want       string // and how long after it, where that is not the minute
	}{
		{"later today", "6:12pm (UTC)", "2026-11-23T12:00:00Z", "UTC", "2026-11-23T18:12:00Z"},
		{"tomorrow", "5am", "2026-11-23T12:00:00Z", "UTC", "2026-11-24T05:00:00Z"},
		{"midnight", "12am", "2026-11-23T12:00:00Z", "UTC", "2026-11-24T00:00:00Z"},
		{"noon", "12pm", "2026-11-23T11:00:00Z", "UTC", "2026-11-23T12:00:00Z"},
		{"24 hours", "18:12 (Europe/Berlin)", "2026-11-23T12:00:00Z", "UTC", "2026-11-23T17:12:00Z"},
		{"the zone of the machine", "3:45pm", "2026-11-23T12:00:00Z", "America/Los_Angeles", "2026-11-23T23:45:00Z"},
		{"a zone with 45 minutes", "3:45pm (Asia/Kathmandu)", "2026-11-23T06:00:00Z", "UTC", "2026-11-23T10:00:00Z"},
		{"an offset for a zone", "3:45pm (+05:30)", "2026-11-23T06:00:00Z", "UTC", "2026-11-23T10:15:00Z"},
		{"another day there", "8am (Pacific/Auckland)", "2026-11-23T12:00:00Z", "UTC", "2026-11-23T19:00:00Z"},
		{"this very minute", "6:12pm", "2026-11-23T18:12:40Z", "UTC", "2026-11-23T18:12:00Z"},
		{"just past", "6:12pm", "2026-11-23T18:16:00Z", "UTC", "2026-11-23T18:12:00Z"},
		{"long past, so tomorrow", "6:12pm", "2026-11-23T18:30:00Z", "UTC", "2026-11-24T18:12:00Z"},
		{"just past, before midnight", "11:59pm", "2026-11-24T00:01:00Z", "UTC", "2026-11-23T23:59:00Z"},

		{"a weekday", "Mon 12:00am", "2026-11-25T12:00:00Z", "UTC", "2026-11-30T00:00:00Z"},
		{"today's weekday, later", "Wed 5pm", "2026-11-25T12:00:00Z", "UTC", "2026-11-25T17:00:00Z"},
		{"today's weekday, gone by", "Wed 5am", "2026-11-25T12:00:00Z", "UTC", "2026-12-02T05:00:00Z"},
		{"a date", "Jul 15 at 12am (Australia/Melbourne)", "2026-07-11T12:00:00Z", "UTC", "2026-07-14T14:00:00Z"},
		{"a date with a comma", "Sep 21, 6pm (America/Toronto)", "2026-09-20T12:00:00Z", "UTC", "2026-09-21T22:00:00Z"},
		{"a date with its month in full", "September 21, 6pm (America/Toronto)", "2026-09-20T12:00:00Z", "UTC", "2026-09-21T22:00:00Z"},
		{"a date in January", "Jan 2, 6pm", "2026-12-30T12:00:00Z", "UTC", "2027-01-02T18:00:00Z"},
		{"a date with its year", "Jan 2, 2027, 6:30pm (UTC)", "2026-12-30T12:00:00Z", "UTC", "2027-01-02T18:30:00Z"},
		{"a date with its year and an at", "Jan 2, 2027 at 6:30pm (UTC)", "2026-12-30T12:00:00Z", "UTC", "2027-01-02T18:30:00Z"},
		{"a date just past", "Dec 31, 6pm", "2027-01-01T00:00:00Z", "UTC", "2026-12-31T18:00:00Z"},
		{"the leap day", "Feb 29, 6pm", "2028-02-20T00:00:00Z", "UTC", "2028-02-29T18:00:00Z"},

		{"an hour that is skipped: the next day's", "2:30am (America/New_York)", "2026-03-08T05:00:00Z", "UTC", "2026-03-09T06:30:00Z"},
		{"a skipped hour on its date", "Mar 8, 2:30am (America/New_York)", "2026-03-05T05:00:00Z", "UTC", ""},
		{"an hour that comes twice", "1:30am (America/New_York)", "2026-11-01T03:00:00Z", "UTC", "2026-11-01T05:30:00Z 1h1m0s"},
		{"the second time of it", "1:30am (America/New_York)", "2026-11-01T06:00:00Z", "UTC", "2026-11-01T06:30:00Z"},
		{"twice on its date", "Nov 1, 1:30am (America/New_York)", "2026-10-28T06:00:00Z", "UTC", "2026-11-01T05:30:00Z 1h1m0s"},
		{"half an hour that comes twice", "1:45am (Australia/Lord_Howe)", "2026-04-04T10:00:00Z", "UTC", "2026-04-04T14:45:00Z 31m0s"},
		{"after the clocks go forward, by the calendar", "5am (Europe/Berlin)", "2026-03-28T12:00:00Z", "UTC", "2026-03-29T03:00:00Z"},

		{"no time", "", "2026-11-23T12:00:00Z", "UTC", ""},
		{"a date alone", "Aug 8", "2026-07-23T12:00:00Z", "UTC", ""},
		{"a bare number", "5", "2026-11-23T12:00:00Z", "UTC", ""},
		{"a span", "in 4m", "2026-11-23T12:00:00Z", "UTC", ""},
		{"13 o'clock pm", "13pm", "2026-11-23T12:00:00Z", "UTC", ""},
		{"0 o'clock am", "0am", "2026-11-23T12:00:00Z", "UTC", ""},
		{"25 o'clock", "25:00", "2026-11-23T12:00:00Z", "UTC", ""},
		{"a day that is none", "Feb 30, 6pm", "2026-02-23T12:00:00Z", "UTC", ""},
		{"a day that this year has not", "Feb 29, 2027, 6pm", "2027-02-23T12:00:00Z", "UTC", ""},
		{"a zone that is none", "6pm (Europe/Atlantis)", "2026-11-23T12:00:00Z", "UTC", ""},
		{"a zone of this program's own", "6pm (Local)", "2026-11-23T12:00:00Z", "UTC", ""},
		{"a way out of the zone database", "6pm (../../etc/passwd)", "2026-11-23T12:00:00Z", "UTC", ""},
		{"the year 2099", "Jan 2, 2099, 6pm", "2026-11-23T12:00:00Z", "UTC", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			from, span, ok := at(tt.text, now, zone(t, tt.local))
			got := ""
			if ok {
				got = from.UTC().Format(time.RFC3339)
				if span != time.Minute {
					got += " " + span.String()
				}
			}
			if got != tt.want {
				t.Errorf("at(%q, %s, %s)\n got %q\nwant %q", tt.text, tt.now, tt.local, got, tt.want)
			}
		})
	}
}

// zones are of every kind: all continents, half and quarter hours, either hemisphere's summer time and none, changes at
// midnight, in half hours, before the year 1970 and for Ramadan.
var zones = strings.Fields(`UTC Europe/London Europe/Berlin Europe/Lisbon Europe/Kyiv Europe/Istanbul Europe/Moscow Europe/Dublin
	America/New_York America/Chicago America/Denver America/Phoenix America/Los_Angeles America/Anchorage America/St_Johns
	America/Toronto America/Sao_Paulo America/Santiago America/Havana America/Asuncion America/Nuuk America/Mexico_City
	Africa/Casablanca Africa/Cairo Africa/Lagos Africa/Johannesburg Asia/Jerusalem Asia/Beirut Asia/Tehran Asia/Dubai Asia/Karachi
	Asia/Kolkata Asia/Kathmandu Asia/Colombo Asia/Shanghai Asia/Tokyo Australia/Melbourne Australia/Adelaide Australia/Lord_Howe
	Australia/Eucla Pacific/Auckland Pacific/Chatham Pacific/Apia Pacific/Kiritimati Pacific/Marquesas Pacific/Honolulu Atlantic/Azores
	Antarctica/Troll Etc/GMT+12`)

// render writes an instant as Claude Code does: the time alone up to a day ahead, else with the date, with a year where
// it is another one (2.0.76 to 2.1.330); or as other versions do.
func render(t, now time.Time, z *time.Location, style int) string {
	t, now = t.In(z), now.In(z)
	clock := t.Format("3:04pm")
	if t.Minute() == 0 {
		clock = t.Format("3pm")
	}
	switch style {
	case 1:
		clock = t.Format("15:04")
	case 2:
		clock = t.Format("3:04PM")
	case 3:
		clock = t.Format("3:04 pm")
	}
	// Where a day has 23 hours, a time alone that is just an hour less ahead could be today's.
	if t.Sub(now) <= 22*time.Hour {
		return clock
	}
	if style == 4 && t.Sub(now) < 6*24*time.Hour {
		return t.Format("Mon ") + clock
	}
	date := t.Format("Jan 2")
	if t.Year() != now.Year() && style != 5 {
		date += t.Format(", 2006")
	}
	if style == 0 || style == 2 {
		return date + ", " + clock
	}
	return date + " at " + clock
}

// wordings have %s for the time, with its zone where that is not said to be the machine's.
var wordings = []string{
	"You've hit your 5-hour limit · resets %s",
	"You've hit your session limit · resets %s · progress saved",
	"You've hit your weekly limit · resets %s",
	"You've hit your Opus limit · resets %s",
	"You've hit your limit · resets %s",
	"You've hit your org's monthly usage limit · resets %s",
	"You're out of extra usage · resets %s",
	"You're out of usage credits · resets %s",
	"5-hour limit reached ∙ resets %s",
	"Usage limit reached · limit resets %s",
	"Usage limit reached · set to continue automatically at %s",
	"Continuing automatically at %s · Esc to cancel",
	"Opus weekly limit reached ∙ resets %s",
}

// TestInstantsAreReadBack renders instants of three years in every zone, at random and around each change of its clocks, in
// each wording, and reads them back: to the minute, except in the hour that comes twice.
func TestInstantsAreReadBack(t *testing.T) {
	begin, end := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(2028, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := zone(t, name)
			seed := rand.New(rand.NewPCG(uint64(len(name)), uint64(name[len(name)-1])))
			var resets []time.Time
			for range 300 {
				resets = append(resets, begin.Add(time.Duration(seed.Int64N(int64(end.Sub(begin))))))
			}
			for s := begin; s.Before(end); s = s.Add(24 * time.Hour) {
				_, a := s.In(z).Zone()
				_, b := s.Add(24 * time.Hour).In(z).Zone()
				if a != b {
					for m := range 24 * 4 {
						resets = append(resets, s.Add(time.Duration(m)*15*time.Minute+7*time.Second))
					}
				}
			}
			wide := 0
			for i, reset := range resets {
				ahead := time.Duration(seed.Int64N(int64(24 * time.Hour)))
				if i%3 == 0 {
					ahead = time.Duration(seed.Int64N(int64(20 * 24 * time.Hour)))
				}
				now := reset.Add(-ahead)
				when := render(reset, now, z, seed.IntN(6))
				local := time.UTC
				if i%2 == 0 {
					local = z
				} else {
					when += " (" + name + ")"
				}
				text := fmt.Sprintf(wordings[i%len(wordings)], when)
				l, ok := Text(text, now, local)
				if !ok || l.Kind != UsageWindow || !l.Wait {
					t.Fatalf("Text(%q) = %+v, %v; want a usage limit", text, l, ok)
				}
				if reset.Before(l.ResetsAt) || !reset.Before(l.ResetsAt.Add(l.Within)) {
					t.Fatalf("Text(%q, %v): resets %v, within %v; want %v", text, now.UTC(), l.ResetsAt.UTC(), l.Within, reset.UTC())
				}
				if l.Within > time.Minute {
					wide++
					if first, again := reset.Add(-l.Within+time.Minute).In(z), reset.Add(l.Within-time.Minute).In(z); !same(first, reset.In(z)) && !same(again, reset.In(z)) {
						t.Fatalf("Text(%q): within %v, though the clock shows that time once", text, l.Within)
					}
				}
			}
			if wide > len(resets)/4 {
				t.Errorf("%d of %d are read as either of two", wide, len(resets))
			}
		})
	}
}

// same is whether the clocks show the same.
func same(a, b time.Time) bool { return a.Format("15:04") == b.Format("15:04") }

// TestQuotedTextIsNoLimit puts every wording where a conversation, a tool or prose has it.
func TestQuotedTextIsNoLimit(t *testing.T) {
	texts := []string{
		"API Error: Request rejected (429) · This request would exceed your organization's rate limit",
		"API Error: Server is temporarily limiting requests (not your usage limit)", "API Error: Rate limit reached",
		"API Error: Repeated 529 Overloaded errors. The API may be at capacity.", "Claude AI usage limit reached|1735776000",
		`API Error: 429 {"type":"error","error":{"type":"rate_limit_error","message":"x"}}`, "Credit balance is too low",
		"spend limit reached (daily; resets 5pm)", "You've hit your org's monthly spend limit · Your session limit resets 5:00pm",
	}
	for _, w := range wordings {
		texts = append(texts, fmt.Sprintf(w, "6:12pm (UTC)"))
	}
	quotes := []string{
		"❯ %s", "● The screen says %s", "● It said \"%s\" again.", "● `%s`", "● > %s", "  %s", "     %s", "  1 %s", "  │ %s", "- %s", "● **%s**", "user: %s",
		"  ⎿  $ echo %s", "# %s",
	}
	for _, text := range texts {
		for _, quote := range quotes {
			line := fmt.Sprintf(quote, text)
			if l, ok := said(line); ok {
				t.Errorf("Text(%q) = %+v, want nothing", line, l)
			}
		}
		for _, row := range []string{
			`{"type":"user","timestamp":"2026-11-23T12:00:00Z","message":{"role":"user","content":%q}}`,
			`{"type":"user","timestamp":"2026-11-23T12:00:00Z","message":{"content":[{"type":"tool_result","content":%q}]},"toolUseResult":{"stdout":%[1]q}}`,
			`{"type":"assistant","timestamp":"2026-11-23T12:00:00Z","message":{"model":"m","content":[{"type":"text","text":%q}]}}`,
			`{"type":"queue-operation","operation":"enqueue","content":%q}`,
		} {
			line := fmt.Sprintf(row, text)
			if l, _, ok := Row([]byte(line), time.UTC); ok {
				t.Errorf("Row(%s) = %+v, want nothing", line, l)
			}
		}
	}
}

func FuzzText(f *testing.F) {
	for _, w := range wordings {
		f.Add(fmt.Sprintf(w, "Jan 2, 2027, 6:30pm (Australia/Lord_Howe)"), int64(1795462121), "Europe/Berlin")
	}
	f.Add("You've hit your limit · resets Feb 29 at 2:30am", int64(1804000000), "America/New_York")
	f.Fuzz(func(t *testing.T, text string, now int64, local string) {
		z, err := time.LoadLocation(local)
		if err != nil {
			z = time.UTC
		}
		n, ok := epoch(float64(now))
		if !ok {
			n = noon
		}
		l, ok := Text(text, n, z)
		check(t, l, ok)
		if !l.ResetsAt.IsZero() && l.Within > 0 && (l.ResetsAt.Sub(n).Abs() > maxWait || l.Within > 4*time.Hour) {
			t.Errorf("Text(%q, %v) = %+v", text, n, l)
		}
	})
}
