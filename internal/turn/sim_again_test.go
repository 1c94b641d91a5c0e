package turn

import "strings"

// Work on a limit that is known from before: the state is what an earlier run of the same work left behind.

// before is what lies between the two runs.
type before struct {
	pause  float64 // s; 0: there was no earlier run
	factor float64 // by what the limit was changed meanwhile; 0: it was not
	calls  int     // of each session, in the earlier run; 0: as many as in this
}

// moment and fullDay are how long after the first run the second begins: at once, and with what a night leaves.
const (
	moment  = 5.
	fullDay = 86400.
)

// recall lets the earlier run happen, if there was one, and leaves its state as it is when the pause is over.
func (s *sim) recall(sc scenario, seed uint64) {
	pause := sc.before.pause
	if pause == 0 {
		return
	}
	if sc.before.calls > 0 {
		sc.calls = sc.before.calls
	}
	sc.before, sc.every = before{}, 1<<30
	first := newSim(sc, seed+1e6).run()
	st, a := first.state, first.account
	for _, c := range a.Calls { // other sessions
		c.Session = "before " + c.Session
	}
	for i := range sc.sessions {
		st.Leave(at(first.now), "before "+first.plan[i][0].calls[0].key.Session)
	}
	for _, after := range []float64{90, 900, 8 * 3600} { // as others look, or do not
		if after < pause {
			st.Forget(at(first.now+after), everybody)
		}
	}
	st.move(-seconds(first.now + pause))
	s.faults = first.faults
	s.state, s.account = st, st.Open("p")
}

// requests is the server's bucket of requests, by what its limit is now.
func (sc scenario) requests() *bucket {
	if f := sc.before.factor; f > 0 {
		return newBucket(f*sc.rpm/60, max(1, f*sc.burst), sc.empty)
	}
	return newBucket(sc.rpm/60, sc.burst, sc.empty)
}

// agains are the situations of the demo on a limit that is known.
func agains() (list []scenario) {
	for _, c := range []struct {
		n, k               int
		rpm, burst, answer float64
	}{{12, 4, 30, 1, 1}, {6, 6, 60, 2, 1}, {9, 4, 45, 3, 1.5}} {
		for _, headers := range []float64{1, 0} {
			sc := scenario{sessions: c.n, calls: c.k, rpm: c.rpm, burst: c.burst, latency: c.answer + .3, first: c.answer / (c.answer + .3), headers: headers,
				module: true, gateway: true, even: true, tool: .3}
			for _, class := range []string{"second run", "a day later", "halved overnight", "doubled overnight"} {
				sc, told := sc, "told"
				if headers == 0 {
					told = "unnamed"
				}
				sc.class, sc.before.pause = class+", "+told, fullDay
				switch {
				case class == "second run":
					sc.before.pause = moment
				case strings.HasPrefix(class, "halved"):
					sc.before.factor, sc.calls = .5, 2*c.k
				case strings.HasPrefix(class, "doubled"):
					sc.before.factor, sc.calls = 2, 5*c.k
				}
				list = append(list, sc)
			}
		}
	}
	for _, headers := range []float64{1, 0} {
		sc := scenario{class: "a day later, room for all", sessions: 12, calls: 4, rpm: 60, burst: 60, latency: 3, first: .4, headers: headers,
			module: true, gateway: true, even: true, tool: 1}
		sc.before = before{pause: fullDay, calls: 25}
		list = append(list, sc)
	}
	return list
}
