package demo

import (
	"fmt"
	"math"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

// calls makes a log of calls "session agent second status"; each answer takes no time.
func calls(begin time.Time, s Scenario, list ...string) (log []fakeapi.Request) {
	for i, text := range list {
		var r fakeapi.Request
		var at float64
		if _, err := fmt.Sscan(text, &r.Session, &r.Agent, &at, &r.Status); err != nil {
			panic(err)
		}
		if r.Agent == "-" {
			r.Agent = ""
		}
		r.Seq, r.Kind = i+1, fakeapi.Main
		if r.Agent != "" {
			r.Kind = fakeapi.Subagent
		}
		r.Arrived = begin.Add(time.Duration(at * float64(time.Second)))
		r.Ended = r.Arrived
		if r.OK() {
			r.Cost = s.cost(r)
		}
		log = append(log, r)
	}
	return log
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestMeasure(t *testing.T) {
	begin := time.Now()
	s := Scenario{Sessions: 2, Calls: 2, RPM: 60, Burst: 1}
	r := s.measure(calls(begin, s,
		"a - 0 200", // b wants its first call from now on, a its second from 0.5 on
		"b - 0.5 429",
		"b - 1.5 200", // there was room from 1 on
		"a - 2.6 200", // from 2.5 on
		"b - 5 200",   // from 3.6 on
	), nil)
	if r.Answers != 4 || r.Rejections != 1 || !near(r.Makespan, 5) {
		t.Errorf("measured %+v, want 4 answers, 1 rejection, 5 s", r)
	}
	if !near(r.Wasted, .5+.1+1.4) || !near(r.Lost, r.Wasted) {
		t.Errorf("%v s wasted and %v s lost, want 2 of both: the limit holds but one call", r.Wasted, r.Lost)
	}
	if !near(r.Jain, jain([]float64{2.6, 5})) {
		t.Errorf("Jain's index is %v, want that of 2.6 and 5 s", r.Jain)
	}
	s.Burst = 2
	r = s.measure(calls(begin, s, "a - 0 200", "b - 0.5 200", "a - 1.5 200", "b - 3 200"), nil)
	// Two fit at once: one is left at 0, 0.5 at 0.5, 0.5 again at 1.5.
	if !near(r.Wasted, .5+.5+1) || !near(r.Lost, 0) {
		t.Errorf("%v s wasted and %v s lost, want 2 and 0", r.Wasted, r.Lost)
	}
}

func TestNobodyWantsACallWhileSubagentsWork(t *testing.T) {
	s := Scenario{Sessions: 1, Calls: 1, Subagents: 1, RPM: 60, Burst: 1}
	r := s.measure(calls(time.Now(), s, "a - 0 200", "a x 10 200", "a - 10.4 200"), nil)
	// The subagent wants one from 0.5 on; the session only after the subagent, and soon enough.
	if !near(r.Wasted, 9) {
		t.Errorf("%v s wasted, want those from 1 to 10", r.Wasted)
	}
}

func TestChanges(t *testing.T) {
	begin := time.Now()
	s := Scenario{Sessions: 1, Calls: 121, RPM: 120, Burst: 1, Cut: true} // 60 s: 20 of them full, 20 at a third, then full
	var list []string
	for at := 0.; at < 20; at += .5 {
		list = append(list, fmt.Sprintf("a - %g 200", at))
	}
	list = append(list, "a - 20.1 429", "a - 20.2 429")
	for at := 21.5; at < 40; at += 1.5 {
		list = append(list, fmt.Sprintf("a - %g 200", at))
	}
	list = append(list, "a - 40.1 429")
	for at := 41.; at < 48; at++ {
		list = append(list, fmt.Sprintf("a - %g 200", at))
	}
	for at := 48.; at < 70; at += .5 {
		list = append(list, fmt.Sprintf("a - %g 200", at))
	}
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	changes := []change{{at(20), 1. / 3, s.limits(1. / 3)}, {at(40), 1, s.limits(1)}}
	r := s.measure(calls(begin, s, list...), changes)
	if len(r.Changes) != 2 || r.Changes[0].Rejections != 2 || r.Changes[1].Rejections != 1 {
		t.Fatalf("changes %+v, want 2 rejections after the first and 1 after the second", r.Changes)
	}
	if got := r.Changes[1].FullSpeed; got == nil || !near(*got, 6) {
		t.Errorf("full speed after %v, want 6 s: of the ten from then on, nine are at full speed", got)
	}
	slow := s.measure(calls(begin, s, list[:len(list)-44]...), changes)
	if got := slow.Changes[1].FullSpeed; got != nil {
		t.Errorf("full speed after %v s, want never", *got)
	}
}

// Calls that come as soon as the limit lets them, and whose answers take what they take, are the ideal.
func TestAPerfectRunIsIdeal(t *testing.T) {
	for _, s := range []Scenario{
		{Sessions: 12, Calls: 4, RPM: 30, Burst: 1, Server: fakeapi.Late()},
		{Sessions: 6, Calls: 6, RPM: 60, Burst: 2, Server: fakeapi.Manner{FirstToken: 1500 * time.Millisecond, Speed: 40}},
		{Sessions: 9, Calls: 4, RPM: 45, Burst: 3, Server: fakeapi.Manner{}},
	} {
		begin := time.Now()
		now, bucket := begin, fakeapi.Full(s.limits(1).Requests, begin)
		var log []fakeapi.Request
		for range s.Answers() {
			now = now.Add(bucket.Wait(1, now))
			bucket = bucket.Take(1, now)
			log = append(log, fakeapi.Request{Kind: fakeapi.Main, Status: 200, Arrived: now, Ended: now.Add(s.Server.Takes(answerTokens))})
		}
		if got := s.measure(log, nil).Makespan / s.Ideal(); !near(got, 1) {
			t.Errorf("%v: a perfect run takes %v of the ideal", s, got)
		}
	}
}

// What was not foreseen is counted apart, and takes of the limit; what it takes makes nobody's work longer.
func TestSideCallsAreCountedApart(t *testing.T) {
	begin := time.Now()
	s := Scenario{Sessions: 1, Calls: 2, RPM: 60, Burst: 1, Checks: true}
	log := calls(begin, s, "a - 0 200", "a - 1 200", "a - 2 200", "a - 3 200", "a - 9 429", "a - 10 200")
	for i, kind := range []fakeapi.Kind{fakeapi.Title, fakeapi.Main, fakeapi.Check, fakeapi.Main, fakeapi.Suggest, fakeapi.Suggest} {
		log[i].Kind = kind
	}
	log[3].Refused = 1
	r := s.measure(log, nil)
	if r.Answers != 3 || r.Answers != s.Answers() || r.Side[fakeapi.Title] != 1 || r.Side[fakeapi.Suggest] != 1 || r.Rejections != 1 || r.Refused != 1 {
		t.Errorf("measured %+v, want 3 answers, 2 beside them, 1 rejection and 1 tool refused", r)
	}
	if !near(r.Makespan, 3) || !near(r.OfIdeal, 1.5) || !near(r.Wasted, 0) {
		t.Errorf("%v s, %v of the ideal, %v s wasted, want 3 s, 1.5, 0", r.Makespan, r.OfIdeal, r.Wasted)
	}
}
