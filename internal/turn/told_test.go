package turn

import "testing"

// Where only its next try tells that a call was rejected, a second row is that try when nothing was told in between. Where
// rows tell of rejections it is a call that no gate stood before.
func TestASecondRowTellsOfARejection(t *testing.T) {
	for _, test := range []struct {
		name     string
		news     News
		between  func(s story)
		rejected bool
		counted  int
	}{
		{"nothing was told between", ByNext, func(story) {}, true, 1},
		{"an answer was told between", ByNext, func(s story) { s.Heard(a) }, false, 2},
		{"a new prompt was put to the model between", ByNext, func(s story) { // Esc before the first word tells nothing
			s.ask(1, a, "e2")
			s.find(func(c *Call) bool { return c.Event == "e2" }).News = ByNext
			s.admit(1, 0)
		}, false, 2},
		{"the turn was over", ByNext, func(s story) { s.Ended(at(1), a) }, false, 1}, // the first one's fate nobody knows
		{"rows tell of rejections", ByRow, func(story) {}, false, 2},
	} {
		tell(t, test.name, Rules{}, func(s story) {
			s.pace().Window = 5
			s.Ask(at(0), Call{Key: a, Event: "e1", News: test.news})
			s.admit(0, 0)
			s.Sent(at(.2), a, at(.1))
			test.between(s)
			s.Sent(at(1.5), a, at(1.3))
			if rejected := s.pace().Rate > 0; rejected != test.rejected {
				s.Errorf("taken for a rejection: %v, want %v", rejected, test.rejected)
			}
			if got := s.sentTimes(""); len(got) != test.counted {
				s.Errorf("calls at %v, want %d", got, test.counted)
			}
			if !test.rejected {
				return
			}
			if _, refused := s.heard(a); !refused.Equal(at(.1)) || !s.Holds(a) || !s.sentTimes("")[0].Equal(at(1.3)) {
				s.Errorf("rejected at %v, holds its turn %v, calls at %v; want the first, and the second to be its next try", refused, s.Holds(a), s.sentTimes(""))
			}
			before := mustJSON(s.Account)
			if s.Sent(at(1.5), a, at(1.3)); mustJSON(s.Account) != before {
				s.Error("told twice, it counts twice")
			}
		})
	}
}
