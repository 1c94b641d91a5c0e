package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/demo"
)

// What is documented is what was measured: the pages are what the results render to, and no file lies about that is not.
func TestDocumentsAreRenderedFromTheResults(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	r, err := read(filepath.Join(docs, "benchmarks", "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := render(r)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if files["../README.md"], err = figures(readme, r); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(docs, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/%s is not what results.json renders to (%v); run: make bench-docs", name, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(docs, "benchmarks", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if name, _ := filepath.Rel(docs, path); files[name] == nil && filepath.Base(path) != "results.json" {
			t.Errorf("docs/%s is rendered by nobody", name)
		}
	}
}

// Where the results are not those of a whole run as it is now, page and README say so.
func TestResultsAreWholeOrSaidNotToBe(t *testing.T) {
	r, err := read(filepath.Join("..", "..", "docs", "benchmarks", "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	whole := r.whole()
	for _, path := range []string{"../../README.md", "../../docs/benchmarks.md"} {
		if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), outdated) == whole {
			t.Errorf("%s says that the figures are of another run: %v, %v; they are whole: %v", path, !whole, err, whole)
		}
	}
}

func TestParse(t *testing.T) {
	list, err := parse("./x", []byte(strings.Join([]string{
		"goos: linux", "BenchmarkHook-2  1  4.250 hook-ms  2.5 node/hook  0 ns/op",
		"BenchmarkHandOff/waiting=20-2  1  3.897 median-ms", "PASS", "ok  afteryou 29.829s", "",
	}, "\n")))
	want := []Overhead{
		{"./x", "Hook", "hook-ms", []float64{4.25}}, {"./x", "Hook", "node/hook", []float64{2.5}},
		{"./x", "HandOff/waiting=20", "median-ms", []float64{3.897}},
	}
	if err != nil || len(list) != len(want) {
		t.Fatalf("parse gives %+v, %v, want %+v", list, err, want)
	}
	for i := range want {
		if list[i].Benchmark != want[i].Benchmark || list[i].Unit != want[i].Unit || list[i].Values[0] != want[i].Values[0] {
			t.Errorf("parse gives %+v, want %+v", list[i], want[i])
		}
	}
	if _, err := parse("./x", []byte("PASS\n")); err == nil {
		t.Error("no benchmarks are no error")
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, "0.00"},
		{[]float64{1.234}, "1.23"},
		{[]float64{3, 1, 2}, "2.00 (1.00–3.00)"},
		{[]float64{1, 2}, "1.50 (1.00–2.00)"},
		{[]float64{1.001, 1.002}, "1.00"},
	} {
		if got := spreadOf(c.values).text("%.2f"); got != c.want {
			t.Errorf("the spread of %v is %q, want %q", c.values, got, c.want)
		}
	}
}

// Of a run that was made once there is nothing to say of the second time.
func TestTheSecondTimeStandsBeside(t *testing.T) {
	once := Shared{Way: native, Ideal: 10, Run: demo.Run{Makespan: 15}}
	twice := Shared{Way: module, Ideal: 10, Run: demo.Run{Makespan: 12}, Again: &demo.Run{OfIdeal: 1.01, Rejections: 3}}
	got := table([]Shared{once, twice}, ours())
	for _, want := range []string{"| again: time / ideal | again: rejections |\n", "| native | 1.50 |", " 0.0 |  |  |\n", "| module | 1.20 |", " | 1.01 | 3 |\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if got := table([]Shared{once}, ours()); strings.Contains(got, "again") {
		t.Errorf("nothing was run again, and the table says:\n%s", got)
	}
}
