package turn

import (
	"strings"
	"testing"
	"time"
)

// What would die of a limit waits for it, visibly, and not for longer than may be.
func TestRest(t *testing.T) {
	hour := time.Hour
	died := func(sec float64, reset float64) Death {
		return Death{At: at(sec), Limit: "rate limit", Lifts: true, Reset: at(reset), Deadline: at(sec).Add(6 * hour)}
	}
	for _, test := range []struct {
		name string
		run  func(s story, one *Session)
	}{
		{"it rests until the limit is over, and is seen to", func(s story, one *Session) {
			d := died(0, 3600)
			s.Died(at(0), a, d)
			for _, sec := range []float64{0, 1800, 3599} {
				until, err := one.Rest(at(sec), s.Class(""), d, Rules{})
				if err != nil || !until.Equal(at(3600)) || !one.Stop.Since.Equal(at(0)) || !one.Stop.Until.Equal(at(3600)) || one.Stop.Why != "rate limit" {
					s.Errorf("at %g s: until %v, %v, stop %+v", sec, until, err, one.Stop)
				}
			}
			if until, err := one.Rest(at(3600), s.Class(""), d, Rules{}); err != nil || until.After(at(3600)) || one.Resumes.Tries != 1 {
				s.Errorf("at its end: until %v, %v, %d tries", until, err, one.Resumes.Tries)
			}
			if _, waited := one.GoesOn(at(3601), s.Account, a); waited != hour {
				s.Errorf("it waited for %v", waited)
			}
		}},
		{"what waits with it goes on with it, and counts once", func(s story, one *Session) {
			for i, d := range []Death{died(0, 60), died(.3, 60), died(1, 60)} {
				one.Rest(at(2), s.Class(""), d, Rules{})
				if _, err := one.Rest(at(61+float64(i)), s.Class(""), d, Rules{}); err != nil {
					s.Error(err)
				}
			}
			if one.Resumes.Tries != 1 {
				s.Errorf("%d tries", one.Resumes.Tries)
			}
		}},
		{"longer than max_wait, or for what waiting does not lift, nobody rests", func(s story, one *Session) {
			spend := died(0, 0)
			spend.Lifts = false
			for _, d := range []Death{died(0, 7*3600), spend} {
				if _, err := one.Rest(at(0), s.Class(""), d, Rules{}); err == nil || one.Stop != (Stop{}) {
					s.Errorf("%+v: %v, stop %+v", d, err, one.Stop)
				}
			}
		}},
		{"a limit that comes back again and again is waited for no longer than one", func(s story, one *Session) {
			sec := 0.0
			for ; sec < 10*3600; sec += 3600 {
				if _, err := one.Rest(at(sec), s.Class(""), died(sec, sec+3599), Rules{Resumes: 100}); err != nil {
					break
				}
			}
			if sec != 6*3600 {
				s.Errorf("given up after %g hours, want 6", sec/3600)
			}
		}},
		{"nor more often than max_resumes says", func(s story, one *Session) {
			var err error
			n := 0
			for ; err == nil && n < 10; n++ {
				d := died(10*float64(n), 10*float64(n)+5)
				one.Rest(d.At, s.Class(""), d, Rules{Resumes: 3})
				_, err = one.Rest(d.Reset, s.Class(""), d, Rules{Resumes: 3})
			}
			if n != 4 || err == nil || !strings.Contains(err.Error(), "max_resumes") {
				s.Errorf("the end after %d times: %v", n, err)
			}
		}},
		{"quiet hours are respected", func(s story, one *Session) {
			end := at(3600).Local()
			quiet := Quiet{From: end.Hour() * 60, To: (end.Hour()*60 + 90) % 1440}
			until, err := one.Rest(at(0), s.Class(""), died(0, 3600), Rules{Quiet: quiet})
			if err != nil || quiet.Holds(until) || !until.After(at(3600)) {
				s.Errorf("until %v, %v", until, err)
			}
		}},
		{"those that a usage limit stopped go on one by one", func(s story, one *Session) {
			for _, k := range []Key{a, b, c} {
				s.askFromGateway(0, k)
				s.pace().Taken = 10
			}
			s.admit(0, 0)
			for _, k := range []Key{a, b, c} {
				s.Died(at(1), k, died(1, 3601))
			}
			for _, k := range []Key{a, b, c} {
				s.askFromGateway(3601, k)
			}
			s.admit(3601, 3601.35)
			s.holds("a/e")
		}},
	} {
		tell(t, test.name, Rules{}, func(s story) { test.run(s, &Session{}) })
	}
}
