package limit

import (
	"math"
	"testing"
	"time"
)

// A server of 30 calls a minute whose bucket holds one.
func provedPace(t *testing.T) (p *Pace, at func(s float64) time.Time) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	at = func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	p = new(Pace)
	p.Spend(at(0), 0)
	p.Sent = 1
	p.Accepted(at(0.35), at(0), false)
	p.Bore(at(0), 1, false, false)
	reject := func(s float64, fresh bool) {
		was := p.Rate
		p.Refused(at(s), at(s), 2, fresh, p.Sent)
		p.Settle(at(s), true, was)
	}
	reject(0.4, true)
	p.Sent = 2
	p.Accepted(at(2.5), at(2.4), true)
	p.Bore(at(2.4), 2, true, false)
	reject(4.3, false) // 1.9 s after the one before, and 2.4 s are enough
	if math.Abs(60*p.Rate-30*shy) > 0.01 || p.Proof.Sure == 0 {
		t.Fatalf("between %.1f and %.1f a minute the pace is %.2f, want %.2f, the round number", 60*p.Proof.Least, 60*p.Proof.Most, 60*p.Rate, 30*shy)
	}
	return p, at
}

// The round number between what calls prove is the pace, and stays for a minute's calls.
func TestRoundNumber(t *testing.T) {
	p, at := provedPace(t)
	rate, sure := p.Rate, p.Proof.Sure
	for i := range sure {
		p.Accepted(at(6+2*float64(i)), at(5+2*float64(i)), true)
	}
	if p.Rate != rate {
		t.Errorf("the pace was %v and is %v before it is tried again", rate, p.Rate)
	}
	for i := range 10 {
		p.Accepted(at(100+2*float64(i)), at(99+2*float64(i)), true)
	}
	if p.Rate <= rate {
		t.Error("a limit that was raised is never noticed")
	}
}

// A rejection at the round number disproves it.
func TestRoundNumberDisproved(t *testing.T) {
	p, at := provedPace(t)
	was := p.Rate
	p.Refused(at(8.3), at(8.3), 2, true, p.Sent+1)
	p.Settle(at(8.3), true, was)
	if p.Rate >= was || 60*p.Proof.Most >= 30 {
		t.Errorf("the pace was %v and is %v, and %.1f a minute are believed", was, p.Rate, 60*p.Proof.Most)
	}
}

// A settled pace is no less after a pause of minutes, and its bucket may be full again.
func TestSettledRemembered(t *testing.T) {
	p, at := provedPace(t)
	rate := p.Rate
	if p.Fade(at(200)); p.Rate != rate {
		t.Errorf("after minutes the pace is %v, want %v", p.Rate, rate)
	}
}

// More calls at once are mirrored where so many were accepted before the first rejection.
func TestHeldAtOnce(t *testing.T) {
	p := Pace{Taken: 3, Rate: 1, Since: time.Unix(100, 0), Cut: time.Unix(100, 7e8)}
	if p.heldAtOnce(); p.Top != 3 {
		t.Errorf("three calls at once leave a bucket of %v", p.Top)
	}
	if p.Cut = p.Since.Add(3 * time.Second); p.Top != 3 {
		t.Fatal(p.Top)
	}
	if p.heldAtOnce(); p.Top != 0 {
		t.Errorf("three calls in three seconds leave a bucket of %v", p.Top)
	}
}

func TestRounded(t *testing.T) {
	for x, want := range map[float64]float64{4: 0, 30: 30, 34.9: 30, 99: 95, 128: 120, 560: 550, 1250: 1200} {
		if got := rounded(x); got != want {
			t.Errorf("%v: %v, want %v", x, got, want)
		}
	}
}
