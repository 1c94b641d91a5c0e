package limit

import (
	"math"
	"testing"
	"time"
)

// world is a pace before a server whose bucket holds one call, and gives so many a minute.
type world struct {
	Pace
	start time.Time
}

func newWorld() *world { return &world{start: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)} }

func (w *world) at(s float64) time.Time { return w.start.Add(time.Duration(s * float64(time.Second))) }

func (w *world) accept(s float64) {
	w.Spend(w.at(s), 0)
	w.Pace.Sent++
	w.Accepted(w.at(s+.5), w.at(s), true)
	w.Bore(w.at(s), w.Pace.Sent, false)
}

// reject is a rejection that says to wait.
func (w *world) reject(s, wait float64) {
	was := w.Rate
	w.Refused(w.at(s), w.at(s), max(wait, 1), true, w.Pace.Sent)
	w.Settle(w.at(s), Outcome{At: w.at(s), Sent: w.Pace.Sent, In: wait}, was)
}

// found is one whose limit of 30 a minute was found out.
func found(t *testing.T) *world {
	w := newWorld()
	w.accept(0)
	w.reject(0.4, 2)
	w.accept(2.4)
	w.reject(4.25, 1) // 1.85 s are too few, and 2.4 s enough
	if math.Abs(60*w.Rate-30*shy) > 0.01 || w.Proof.Sure == 0 {
		t.Fatalf("between %.1f and %.1f a minute the pace is %.2f, want %.2f, the round number", 60*w.Proof.Least, 60*w.Proof.Most, 60*w.Rate, 30*shy)
	}
	return w
}

// The largest round number between what calls prove is the pace, and is tried again in the end.
func TestRoundNumber(t *testing.T) {
	w := found(t)
	rate, sure := w.Rate, w.Proof.Sure
	at := 5.3
	for range sure {
		w.accept(at)
		at += 2.03
	}
	if w.Rate != rate {
		t.Errorf("the pace was %v and is %v before it is tried again", rate, w.Rate)
	}
	for range 10 {
		w.accept(at)
		at += 1
	}
	if w.Rate <= rate {
		t.Error("a limit that was raised is never noticed")
	}
}

// A rejection at the round number disproves it.
func TestRoundNumberDisproved(t *testing.T) {
	w := found(t)
	was := w.Rate
	w.accept(5.3)
	w.reject(7.4, 1)
	if w.Rate >= was || 60*w.Proof.Most >= 30 {
		t.Errorf("the pace was %v and is %v, and %.1f a minute are believed", was, w.Rate, 60*w.Proof.Most)
	}
}

// One rejection that nothing can explain was of a call that came late or early; several show another limit.
func TestOddRejections(t *testing.T) {
	w := found(t)
	at := 5.3
	for range 10 {
		w.accept(at)
		at += 2.02
	}
	was := w.Rate
	for i := range oddities {
		w.reject(at+0.4+float64(i), 1) // what came in since the last is more than a call
		if same := w.Rate == was; same != (i < oddities-1) {
			t.Errorf("after %d odd rejections the pace is %v, and was %v", i+1, w.Rate, was)
		}
	}
	if !w.Fell {
		t.Error("that the limit fell is not known")
	}
}

// What proves true when it is tried again is kept for twice as long.
func TestKeptLonger(t *testing.T) {
	w := found(t)
	kept := w.Proof.For
	at := 5.3
	for w.Proof.Sure > 0 {
		w.accept(at)
		at += 2.02
	}
	w.accept(at)
	w.accept(at + 2.02)
	w.reject(at+2.02+1.9, 1)
	if w.Proof.For != 2*kept {
		t.Errorf("it was kept for %d calls and is for %d; the pace is %v a minute", kept, w.Proof.For, 60*w.Rate)
	}
}

// A settled pace is no less after a pause of minutes, and its bucket may be full again.
func TestSettledRemembered(t *testing.T) {
	w := found(t)
	rate := w.Rate
	if w.Fade(w.at(200)); w.Rate != rate {
		t.Errorf("after minutes the pace is %v, want %v", w.Rate, rate)
	}
}

// Of calls of which nothing is told yet nobody knows when they came: they prove nothing that is wrong.
func TestUntoldCalls(t *testing.T) {
	w := newWorld()
	w.Taken = 5
	for i, o := range []Outcome{{}, {Sent: 2, Rejected: true, In: 1}, {Sent: 2}, {Sent: 4, Rejected: true, In: 1}} {
		o.At = w.at([]float64{0, .4, 1.6, 2.7}[i])
		w.see(o)
	}
	if w.Proof.Most < 1 || w.Proof.Least > 1 {
		t.Errorf("between %.2f and %.2f a second, want one to be possible", w.Proof.Least, w.Proof.Most)
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
