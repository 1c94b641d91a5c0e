package turn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/limit"
)

var (
	a, b, c = Key{Session: "a"}, Key{Session: "b"}, Key{Session: "c"}
	agent   = Key{Session: "a", Agent: "1"}
	strict  = Rules{Most: 1}
)

// story drives one account from outside; every step says when, in seconds.
type story struct {
	*testing.T
	*Account
	rules Rules // of all sessions
}

// tell runs a story on an account of its own.
func tell(t *testing.T, name string, rules Rules, run func(story)) {
	t.Run(name, func(t *testing.T) { run(story{t, NewState().Open("p"), rules}) })
}

func (s story) pace() *limit.Pace { return &s.class("").Pace }

// trials and retries are how many calls are on trial, and how many are announced.
func (s story) trials() (n int) {
	for _, c := range s.Calls {
		if c.Trial {
			n++
		}
	}
	return n
}

func (s story) retries() (n int) {
	for _, c := range s.Calls {
		if c.Retry != nil {
			n++
		}
	}
	return n
}

func (s story) ask(sec float64, k Key, event string) {
	pid := int(k.Session[0])
	s.Ask(at(sec), Call{Key: k, Event: event, Process: Process{PID: pid}, Waiter: Process{PID: 1000 + pid}, Rules: s.rules})
}

// askFromGateway asks as a gateway does, which waits itself and tells rejections at once.
func (s story) askFromGateway(sec float64, k Key) {
	s.Ask(at(sec), Call{Key: k, Event: "e", Process: Process{PID: 1}, Waiter: Process{PID: 1}, Rules: s.rules, News: AtOnce})
}

func (s story) admit(sec float64, want float64) {
	s.Helper()
	next := s.Admit(at(sec), everybody)
	switch {
	case want == 0 && !next.IsZero():
		s.Errorf("Admit at %g s: come back at %g, want when something happens", sec, next.Sub(simEpoch).Seconds())
	case want != 0 && !next.Equal(at(want)):
		s.Errorf("Admit at %g s: come back at %g, want at %g", sec, next.Sub(simEpoch).Seconds(), want)
	}
}

func (s story) sweep(sec float64, alive func(Process) bool) { s.Sweep(at(sec), alive, true) }

// holds says who has the turn, as "a/e1 b/e2".
func (s story) holds(want string) {
	s.Helper()
	if got := names(s.Turns("")); got != want {
		s.Errorf("turns of %q, want %q", got, want)
	}
}

func (s story) queue(want string) {
	s.Helper()
	if got := names(s.in("", Waiting)); got != want {
		s.Errorf("queue %q, want %q", got, want)
	}
}

func names(calls []*Call) string {
	var list []string
	for _, c := range calls {
		list = append(list, c.Session+c.Agent+"/"+c.Event)
	}
	return strings.Join(list, " ")
}

// paced gives the account a pace and an empty bucket.
func (s story) paced(sec, rate float64) {
	*s.pace() = limit.Pace{Rate: rate, At: at(sec), Since: at(sec), Used: at(sec)}
	s.At = at(sec)
}

// made is a call that no gate stood before, and what it took.
func (s story) made(sec float64, k Key, took limit.Costs) {
	s.Sent(at(sec), k, at(sec))
	s.Used(at(sec+1), k, at(sec+1), took)
}

func (s story) rejected(sec float64, k Key, when, in float64, attempt int) {
	s.Retrying(at(sec), k, Retry{Rejected: at(when), In: seconds(in), Attempt: attempt})
}

func everybody(Process) bool { return true }

func all(but ...int) func(Process) bool {
	return func(p Process) bool {
		for _, pid := range but {
			if p.PID == pid {
				return false
			}
		}
		return true
	}
}

// sentTimes is when the calls were sent that were not rejected, as far as records tell, oldest first.
func (s story) sentTimes(class string) (list []time.Time) {
	for _, c := range s.Calls {
		if c.Class == class && c.counted() {
			list = append(list, c.Sent)
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	if n := s.Class(class).Pace.Sent; n != len(list) {
		s.Errorf("%d calls are counted, %d are told of", n, len(list))
	}
	return list
}

// seconds is s as a duration, and no more than a duration can be.
func seconds(s float64) time.Duration {
	return time.Duration(max(-1e9, min(s, 1e9)) * float64(time.Second))
}
