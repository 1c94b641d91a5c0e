package turn

import (
	"testing"

	"afteryou/internal/limit"
	"time"
)

// A gate around the steps of a turn sees that a call was rejected, and nothing else.
func TestMarked(t *testing.T) {
	ask := func(s story, sec float64, k Key) {
		s.Ask(at(sec), Call{Key: k, Event: "e", News: ByMark, Rules: s.rules})
	}
	for _, test := range []struct {
		name string
		run  func(s story)
	}{
		{"after the first mark all wait until the next try is answered", func(s story) {
			s.pace().Taken = 10
			ask(s, 0, a)
			s.admit(0, 0)
			s.Sent(at(0), a, at(0))
			s.Marked(at(.1), a, at(.1))
			ask(s, .2, b)
			s.admit(.2, 4.1)
			if h, _ := s.Held(at(.2), b); h.Why != Announced {
				s.Errorf("held by %q", h.Why)
			}
			s.Accepted(at(3), a)
			s.holds("a/e")
			if s.retries() > 0 || s.trials() > 0 {
				s.Errorf("%d retries, %d trials", s.retries(), s.trials())
			}
			if next := s.Admit(at(3), everybody); next.After(at(4.5)) {
				s.Errorf("the next goes at %v", next)
			}
		}},
		{"a mark that is told twice counts once", func(s story) {
			s.paced(0, 1)
			s.pace().Level = 1
			ask(s, 1, a)
			s.admit(1, 0)
			s.Marked(at(1.2), a, at(1.1))
			rate := s.pace().Rate
			s.Marked(at(1.3), a, at(1.1))
			if s.last(a).Rejections != 1 || s.pace().Rate != rate {
				s.Errorf("%d rejections, pace %g, was %g", s.last(a).Rejections, s.pace().Rate, rate)
			}
		}},
		{"a second mark is of the next try, sooner or later than was thought, and cuts nothing", func(s story) {
			for _, second := range []float64{2, 3} {
				s.Account = NewState().Open("p")
				s.paced(0, 1)
				s.pace().Level = 1
				ask(s, 1, a)
				s.admit(1, 0)
				s.Marked(at(1.1), a, at(1.1))
				rate := s.pace().Rate
				s.Marked(at(second), a, at(second))
				if c := s.last(a); c.Rejections != 2 || c.Retry == nil || c.Retry.Due().Before(at(second+1.25)) || s.pace().Rate != rate {
					s.Errorf("second mark at %g: %+v, pace %g, was %g", second, c, s.pace().Rate, rate)
				}
				s.holds("a/e")
			}
		}},
		{"an answer tells when its try was made: as long before as answers take", func(s story) {
			s.paced(0, .5)
			for i := range 3 {
				sec := 10 * float64(i+1)
				ask(s, sec, b)
				s.Admit(at(sec), everybody)
				s.Sent(at(sec), b, at(sec))
				s.Accepted(at(sec+1), b)
				s.Succeeded(at(sec+2), b)
			}
			if d := s.Class("").Answers; d != time.Second {
				s.Errorf("answers take %v, want 1s", d)
			}
			ask(s, 40, a)
			s.Admit(at(40), everybody)
			s.Marked(at(40.1), a, at(40.1))
			s.Accepted(at(44), a)
			if sent := s.last(a).Sent; !sent.Equal(at(43)) {
				s.Errorf("made again at %v, want 43 s", sent.Sub(simEpoch))
			}
		}},
		{"a mark of a key that has no turn tells nothing", func(s story) {
			s.Marked(at(1), a, at(1))
			if len(s.Calls) > 0 || s.pace().Rate > 0 {
				s.Errorf("%d calls, pace %g", len(s.Calls), s.pace().Rate)
			}
		}},
		{"a step that is aborted gives back its turn and its next try", func(s story) {
			s.paced(0, .5)
			s.pace().Level = 1
			ask(s, 1, a)
			s.admit(1, 0)
			s.Marked(at(1.1), a, at(1.1))
			s.Ended(at(1.5), a)
			s.holds("")
			if s.retries() > 0 {
				s.Error("its next try holds others")
			}
		}},
	} {
		tell(t, test.name, Rules{}, test.run)
	}
}

// Where a bucket holds one, each call tells whether the pace is too high: it is cut by little and grows slowly, for a while.
func TestThePaceIsKeptNearWhatIsTooMuch(t *testing.T) {
	tell(t, "burst 1", Rules{}, func(s story) {
		p := s.pace()
		s.paced(0, .5)
		p.Taken, p.Peak = 1, .5
		sec := 0.0
		one := func(rejected bool) {
			sec += 2.2
			k := Key{Session: string(rune('a' + int(sec*10)%26))}
			s.Ask(at(sec), Call{Key: k, Event: "e", News: ByMark})
			p.Level = .9 // it was held
			s.Admit(at(sec), everybody)
			p.Level = 1
			s.Admit(at(sec+.01), everybody)
			s.Sent(at(sec+.01), k, at(sec+.01))
			if rejected {
				s.Marked(at(sec+.1), k, at(sec+.1))
				sec += 4
			}
			s.Accepted(at(sec+1), k)
			s.Succeeded(at(sec+1.1), k)
		}
		one(true)
		for range 10 {
			one(false)
		}
		was := p.Rate
		p.Proof = limit.Proof{} // else it may be a round number
		one(true)
		cut := p.Rate
		if cut < .9*was || cut >= was || !p.Near {
			s.Errorf("the pace of %.3f is cut to %.3f, near %v", was, cut, p.Near)
		}
		for range 15 {
			one(false)
		}
		if p.Rate > 1.05*cut {
			s.Errorf("after 15 calls the pace of %.3f is %.3f", cut, p.Rate)
		}
		for range 40 {
			one(false)
		}
		if p.Near || p.Rate < 1.2*cut {
			s.Errorf("after 55 calls the pace of %.3f is %.3f, near %v", cut, p.Rate, p.Near)
		}
	})
}
