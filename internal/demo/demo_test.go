package demo

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

func takes(d time.Duration) fakeapi.Manner { return fakeapi.Manner{FirstToken: d} }

func TestIdeal(t *testing.T) {
	for _, c := range []struct {
		what string
		c    Scenario
		want float64
	}{
		{"the bucket releases all but the burst at its rate", Scenario{Sessions: 6, Calls: 6, RPM: 60, Burst: 2}, 34},
		{"the last call is answered", Scenario{Sessions: 12, Calls: 4, RPM: 30, Burst: 1, Server: takes(time.Second)}, 95},
		{"a session calls one after the other", Scenario{Sessions: 4, Calls: 5, RPM: 1000, Burst: 200, Server: takes(2 * time.Second)}, 10},
		{"all of the last answer", Scenario{Sessions: 12, Calls: 4, RPM: 30, Burst: 1, Server: fakeapi.Manner{FirstToken: time.Second, Jitter: .25, Speed: 40}}, 95.5},
		{"a limit of tokens: the first call of each session takes two", Scenario{Sessions: 6, Calls: 4, ITPM: 60000, Burst: 1}, 28},
		{"two limits: the narrower", Scenario{Sessions: 6, Calls: 4, RPM: 30, ITPM: 60000, Burst: 1}, 46},
		{"subagents call in their session's place", Scenario{Sessions: 2, Calls: 3, Subagents: 2, RPM: 60, Burst: 1}, 15},
		{"a check before each tool", Scenario{Sessions: 2, Calls: 3, RPM: 60, Burst: 1, Checks: true}, 9},
		{"checks that are limited by themselves", Scenario{Sessions: 2, Calls: 3, RPM: 60, Burst: 1, Checks: true, Server: fakeapi.Manner{PerModel: true}}, 5},
		{"a third of it at a third of the pace", Scenario{Sessions: 1, Calls: 91, RPM: 60, Burst: 1, Cut: true}, 110},
		{"conversations of real sizes: 100000 are written, and 5000 with each call", Scenario{Sessions: 2, Calls: 4, Contexts: true, ITPM: 60000, Burst: .5}, 40},
		{"all at once", Scenario{Sessions: 1, Calls: 1, RPM: 60, Burst: 5}, 0},
	} {
		if got := c.c.Ideal(); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: Ideal(%+v) = %v, want %v", c.what, c.c, got, c.want)
		}
	}
}

func TestJain(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3, 3, 3}, 1},
		{[]float64{1, 0, 0, 0}, .25},
		{[]float64{1, 2}, .9},
		{nil, 0},
	} {
		if got := jain(c.values); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("jain(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestChart(t *testing.T) {
	began := time.Now()
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
	rows := []row{
		{events: []event{{0, at(0), false}, {0, at(2), true}, {0, at(5), false}}, end: at(6)},
		{events: []event{{1, at(3), true}, {1, at(3), false}}, end: at(4), err: errors.New("exit code 1")},
		{},
	}
	got := render("alone", rows, began, at(8), time.Second)
	want := `
alone, 8 s  (• answered, × rejected)
  1 •-×--•-` + strings.Repeat(" ", columns-7) + `   2 calls   1 rejected  6.0 s
  2 ---×-` + strings.Repeat(" ", columns-5) + `   1 calls   1 rejected  died
  3 ---------` + strings.Repeat(" ", columns-9) + `   0 calls   0 rejected  ` + "\n"
	if got != want {
		t.Errorf("render gives\n%q, want\n%q", got, want)
	}
}

func TestAChartThatGrowsTooLongIsDrawnSmaller(t *testing.T) {
	began := time.Now()
	rows := []row{{events: []event{{0, began.Add(100 * time.Second), false}}, end: began.Add(120 * time.Second)}}
	lines := strings.Split(render("long", rows, began, began.Add(120*time.Second), time.Second), "\n")
	if got := len([]rune(strings.Fields(lines[2])[1])); got > columns {
		t.Errorf("the time line has %d columns, want at most %d", got, columns)
	}
}

// What the server counts of conversations of real sizes is what the ideal counts.
func TestContexts(t *testing.T) {
	s := Scenario{Sessions: 5, Calls: 3, Contexts: true, ITPM: 1e6, Burst: 1}
	sum := 0
	for n := range s.Sessions {
		for results := range s.Calls {
			u := s.context(fakeapi.Request{Kind: fakeapi.Main, Results: results}, n)
			sum += u.Input + u.CacheCreation
		}
	}
	if float64(sum) != s.tokens() {
		t.Errorf("the server counts %d tokens, the ideal %v", sum, s.tokens())
	}
}
