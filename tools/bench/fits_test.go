package main

import (
	"testing"

	"afteryou/internal/demo"
)

func TestRunsShareTheMachine(t *testing.T) {
	s := sharing{sessions: 24, calls: 2}
	of := func(sessions int, rpm float64, alone bool) job {
		return job{Shared: Shared{Work: demo.Scenario{Sessions: sessions, Calls: 1, RPM: rpm, Burst: 1}}, alone: alone}
	}
	for _, c := range []struct {
		what string
		one  job
		now  []job
		want bool
	}{
		{"the first, whatever its size", of(50, 600, false), nil, true},
		{"two that call seldom", of(12, 30, false), []job{of(12, 30, false)}, true},
		{"too many sessions", of(12, 30, false), []job{of(12, 30, false), of(1, 30, false)}, false},
		{"too many calls", of(6, 90, false), []job{of(6, 60, false)}, false},
		{"one that wants to be alone", of(1, 1, true), []job{of(1, 1, false)}, false},
		{"beside one that wants to be alone", of(1, 1, false), []job{of(1, 1, true)}, false},
	} {
		if got := s.fits(c.one, c.now); got != c.want {
			t.Errorf("%s: fits %v, want %v", c.what, got, c.want)
		}
	}
}
