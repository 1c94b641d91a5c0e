package main

import (
	"path/filepath"
	"slices"
	"testing"

	"afteryou/internal/demo"
)

// 1. A bench is interrupted. 2. It is started again: what it measured is there. 3. With another afteryou, size or wish it
// begins anew, and what was there stays until the first new result.
func TestAnInterruptedBenchGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks", "results.json")
	on := Machine{Binary: "abc", Cores: 2, Commit: "1", Date: "2026-01-01"}
	one := Shared{Scenario: "usual", Way: native, Round: 1, Work: demo.Scenario{Sessions: 1, Calls: 1, RPM: 1, Burst: 1}}
	f, err := open(path, full, on, false)
	if err != nil || f.has(one) {
		t.Fatalf("a first bench has %+v, %v", f, err)
	}
	if err := f.change(func(r *Results) { r.Sharing = append(r.Sharing, one) }); err != nil {
		t.Fatal(err)
	}
	other := one
	other.Work.RPM = 2
	later := on
	later.Commit, later.Date = "2", "2026-01-02" // of documents, say: the program is the same
	newer := on
	newer.Binary = "def"
	for _, c := range []struct {
		what  string
		size  string
		on    Machine
		fresh bool
		want  bool
	}{
		{"the same again", full, on, false, true},
		{"another commit of the same program", full, later, false, true},
		{"another program", full, newer, false, false},
		{"another size", quick, on, false, false},
		{"all anew", full, on, true, false},
	} {
		f, err := open(path, c.size, c.on, c.fresh)
		if err != nil || f.has(one) != c.want || f.has(other) {
			t.Errorf("%s: has it: %v, has other work: %v, %v; want %v, false", c.what, f.has(one), f.has(other), err, c.want)
		}
		if c.want && f.r.On != on {
			t.Errorf("%s: the results are said to be of %+v, want %+v", c.what, f.r.On, on)
		}
	}
	if r, err := read(path); err != nil || len(r.Sharing) != 1 {
		t.Errorf("opening changed the results: %+v, %v", r, err)
	}
}

// Both runs of the benchmarks are kept.
func TestResultsAddUp(t *testing.T) {
	var r Results
	for _, v := range []float64{1, 2} {
		r.add([]Overhead{{"./x", "Hook", "ms", []float64{v}}, {"./y", "Hook", "ms", []float64{10 * v}}})
	}
	if len(r.Overhead) != 2 || !slices.Equal(r.Overhead[0].Values, []float64{1, 2}) || !slices.Equal(r.Overhead[1].Values, []float64{10, 20}) {
		t.Errorf("results are %+v, want two of two values", r.Overhead)
	}
}
