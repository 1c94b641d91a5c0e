package turn

import (
	"testing"
	"time"
)

func TestOneProcessAsksHowLongABlindCoolDownLasts(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	one, two := Process{PID: 1}, Process{PID: 2}
	all := func(Process) bool { return true }
	blindly := func() *Account {
		p := &Account{}
		p.Limited(now, "", time.Time{}, "rate limit")
		return p
	}

	p := blindly()
	if !p.Inquire(now, "", one, all) || p.Inquire(now, "", two, all) || p.Inquire(now, "", one, all) {
		t.Error("not exactly the first one asks")
	}
	if !p.Inquire(now, "", two, func(of Process) bool { return of != one }) {
		t.Error("one who died while asking is not replaced")
	}
	p.Learned(now, "", time.Time{}, false, "rate limit")
	if p.Inquire(now, "", one, all) {
		t.Error("what could not be learned is asked again")
	}
	later := now.Add(blind + time.Second)
	p.Limited(later, "", time.Time{}, "rate limit")
	if !p.Inquire(later, "", one, all) {
		t.Error("the next cool-down is not asked about")
	}

	p = &Account{}
	p.Limited(now, "", now.Add(time.Minute), "rate limit")
	if p.Inquire(now, "", one, all) {
		t.Error("a time that is known is asked for")
	}
	p = blindly()
	if p.Inquire(now.Add(blind), "", one, all) {
		t.Error("a cool-down that is over is asked about")
	}
}

func TestLearned(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		times int // limits in a row without a time
		until time.Duration
		over  bool
		cools time.Duration // from now on
		usage time.Duration
		left  int // Times
	}{
		{"longer than the guess", 1, 75 * time.Second, false, 75 * time.Second, 0, 0},
		{"shorter than the guess", 3, 5 * time.Second, false, 5 * time.Second, 0, 0},
		{"a part of a millisecond more", 1, 75*time.Second + 1, false, 75*time.Second + time.Millisecond, 0, 0},
		{"so long that nobody is held back", 1, time.Hour, false, 0, time.Hour, 0},
		{"nothing", 2, 0, false, 60 * time.Second, 0, 2},
		{"over", 1, 0, true, 0, 0, 1},
		{"over, and rejected again all the same", 2, 0, true, 60 * time.Second, 0, 2},
	} {
		p := &Account{}
		at := now.Add(-time.Hour)
		for range tt.times - 1 {
			p.Limited(at, "", time.Time{}, "x")
			at = p.class("").CoolDown.Until.Add(time.Second)
		}
		if at.After(now) {
			t.Fatal("too many")
		}
		p.Limited(now, "", time.Time{}, "x")
		p.Inquire(now, "", Process{PID: 1}, func(Process) bool { return true })
		var until time.Time
		if tt.until > 0 {
			until = now.Add(tt.until)
		}
		p.Learned(now, "", until, tt.over, "rate limit")
		cools := max(0, p.class("").CoolDown.Until.Sub(now))
		usage := max(0, p.class("").Usage.Until.Sub(now))
		if cools != tt.cools || usage != tt.usage || p.class("").CoolDown.Times != tt.left || p.class("").CoolDown.Asker != (Process{}) || usage > 0 && p.class("").Usage.Why != "rate limit" {
			t.Errorf("%s: cools for %v, usage limit for %v, %d in a row; want %v, %v, %d", tt.name, cools, usage, p.class("").CoolDown.Times, tt.cools, tt.usage, tt.left)
		}
	}

	// Somebody else was told a time while one asked.
	p := &Account{}
	p.Limited(now, "", time.Time{}, "x")
	p.Inquire(now, "", Process{PID: 1}, func(Process) bool { return true })
	p.Limited(now, "", now.Add(time.Minute), "x")
	p.Learned(now, "", time.Time{}, true, "x")
	if want := now.Add(time.Minute); !p.class("").CoolDown.Until.Equal(want) {
		t.Errorf("what another was told is forgotten: until %v, want %v", p.class("").CoolDown.Until, want)
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules Rules
		run   func(s story)
	}{
		{"a usage limit is shown and holds nobody", strict, func(s story) {
			s.ask(0, a, "e")
			s.admit(0, 0)
			s.rejected(1, a, .5, 3600, 1)
			s.ask(1, b, "e")
			s.admit(1, 0)
			s.holds("b/e")
			if until := s.CoolsUntil(at(1), ""); !until.IsZero() || !s.class("").Usage.Until.Equal(at(3600.5)) || s.pace().Rate != 0 {
				s.Errorf("cools until %v, usage until %v, rate %g, want never, 3600.5 s, 0", until, s.class("").Usage.Until, s.pace().Rate)
			}
			s.Limited(at(2), "", at(7200), "5-hour limit")
			if until := s.CoolsUntil(at(2), ""); !until.IsZero() || s.class("").Usage.Why != "5-hour limit" {
				s.Errorf("cools until %v, usage %+v", until, s.class("").Usage)
			}
			s.sweep(7201, everybody)
			if s.class("").Usage != (Usage{}) {
				s.Errorf("usage %+v after its end", s.class("").Usage)
			}
		}},
		{"after a limit all wait until its end", Rules{}, func(s story) {
			s.Limited(at(0), "", at(90), "rate_limit")
			s.ask(1, a, "e")
			s.admit(1, 90)
			s.admit(90, 0)
			s.holds("a/e")
		}},
		{"a limit without a time cools 30 s, doubling, five times at most", Rules{}, func(s story) {
			now := 0.
			for _, want := range []float64{30, 60, 120, 240, 480} {
				s.Limited(at(now), "", time.Time{}, "rate_limit")
				s.Limited(at(now+1), "", time.Time{}, "rate_limit") // another session, same limit
				if until := s.CoolsUntil(at(now), ""); !until.Equal(at(now + want)) {
					s.Errorf("at %g s it cools until %v, want for %g s", now, until, want)
				}
				now += want + 1
			}
			if s.class("").CoolDown.GaveUp() {
				s.Error("gave up after five times")
			}
			s.Limited(at(now), "", time.Time{}, "rate_limit")
			if until := s.CoolsUntil(at(now), ""); !until.IsZero() || !s.class("").CoolDown.GaveUp() {
				s.Errorf("cools until %v, gave up %v, want never, true", until, s.class("").CoolDown.GaveUp())
			}
			s.Succeeded(at(now+1), a)
			if s.class("").CoolDown.GaveUp() {
				s.Error("an answer does not begin anew")
			}
		}},
		{"what was learned of the pace is kept for 30 days, a little slower", Rules{}, func(s story) {
			s.paced(0, .5)
			s.sweep(59, everybody)
			if s.pace().Rate != .5 {
				s.Errorf("rate %g, want 0.5", s.pace().Rate)
			}
			for _, days := range []float64{.001, .01, 1, 29.9} {
				s.sweep(86400*days, everybody)
				if s.pace().Rate != .5*.95 {
					s.Errorf("rate %g after %g days, want 0.475", s.pace().Rate, days)
				}
			}
			s.sweep(86400*30.1, everybody)
			if s.pace().Rate != 0 {
				s.Errorf("rate %g after 30 days, want none", s.pace().Rate)
			}
		}},
	} {
		tell(t, test.name, test.rules, test.run)
	}
}
