package turn

import (
	"testing"
	"time"
)

func TestOneProcessAsksHowLongABlindCoolDownLasts(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	one, two := Process{PID: 1}, Process{PID: 2}
	all := func(Process) bool { return true }
	blindly := func() *Pool {
		p := &Pool{}
		p.Limited(now, time.Time{}, "rate limit")
		return p
	}

	p := blindly()
	if !p.Inquire(now, one, all) || p.Inquire(now, two, all) || p.Inquire(now, one, all) {
		t.Error("not exactly the first one asks")
	}
	if !p.Inquire(now, two, func(of Process) bool { return of != one }) {
		t.Error("one who died while asking is not replaced")
	}
	p.Learned(now, time.Time{}, false, "rate limit")
	if p.Inquire(now, one, all) {
		t.Error("what could not be learned is asked again")
	}
	later := now.Add(blind + time.Second)
	p.Limited(later, time.Time{}, "rate limit")
	if !p.Inquire(later, one, all) {
		t.Error("the next cool-down is not asked about")
	}

	p = &Pool{}
	p.Limited(now, now.Add(time.Minute), "rate limit")
	if p.Inquire(now, one, all) {
		t.Error("a time that is known is asked for")
	}
	p = blindly()
	if p.Inquire(now.Add(blind), one, all) {
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
		p := &Pool{}
		at := now.Add(-time.Hour)
		for range tt.times - 1 {
			p.Limited(at, time.Time{}, "x")
			at = p.CoolDown.Until.Add(time.Second)
		}
		if at.After(now) {
			t.Fatal("too many")
		}
		p.Limited(now, time.Time{}, "x")
		p.Inquire(now, Process{PID: 1}, func(Process) bool { return true })
		var until time.Time
		if tt.until > 0 {
			until = now.Add(tt.until)
		}
		p.Learned(now, until, tt.over, "rate limit")
		cools := max(0, p.CoolDown.Until.Sub(now))
		usage := max(0, p.Usage.Until.Sub(now))
		if cools != tt.cools || usage != tt.usage || p.CoolDown.Times != tt.left || p.CoolDown.Asker != (Process{}) || usage > 0 && p.Usage.Why != "rate limit" {
			t.Errorf("%s: cools for %v, usage limit for %v, %d in a row; want %v, %v, %d", tt.name, cools, usage, p.CoolDown.Times, tt.cools, tt.usage, tt.left)
		}
	}

	// Somebody else was told a time while one asked.
	p := &Pool{}
	p.Limited(now, time.Time{}, "x")
	p.Inquire(now, Process{PID: 1}, func(Process) bool { return true })
	p.Limited(now, now.Add(time.Minute), "x")
	p.Learned(now, time.Time{}, true, "x")
	if want := now.Add(time.Minute); !p.CoolDown.Until.Equal(want) {
		t.Errorf("what another was told is forgotten: until %v, want %v", p.CoolDown.Until, want)
	}
}
