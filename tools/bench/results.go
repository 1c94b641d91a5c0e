package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"afteryou/internal/demo"
)

// Results is all that was measured on one machine with one afteryou, as docs/benchmarks/results.json keeps it. What the
// documentation says is rendered from it and nothing else.
type Results struct {
	Size string  `json:"size"`
	On   Machine `json:"on"`
	// OverheadOn is where and with which afteryou Overhead was measured, if otherwise.
	OverheadOn *Machine   `json:"overhead_on,omitempty"`
	Sharing    []Shared   `json:"sharing"`
	Overhead   []Overhead `json:"overhead"`
}

// Shared is one run of one scenario in one way.
type Shared struct {
	Scenario string        `json:"scenario"`
	Way      string        `json:"way"`
	Round    int           `json:"round"`
	Work     demo.Scenario `json:"work"`
	Ideal    float64       `json:"ideal_s"`
	Run      demo.Run      `json:"run"`
	// Again is the same once more, in the same minutes, where afteryou knew the limit from the first time.
	Again *demo.Run `json:"again,omitempty"`
	// Beside is the largest number of other sessions of the bench that ran at the same time.
	Beside int `json:"beside"`
	// Busy is the share of the machine's processors that was used meanwhile, by this run and all else; 0: unknown.
	Busy float64 `json:"busy"`
}

// same reports whether both are of the same run.
func (s Shared) same(other Shared) bool {
	return s.Scenario == other.Scenario && s.Way == other.Way && s.Round == other.Round && s.Work == other.Work
}

// Overhead is the report of a Go benchmark: a value for each of its runs.
type Overhead struct {
	Package   string    `json:"package"`
	Benchmark string    `json:"benchmark"`
	Unit      string    `json:"unit"`
	Values    []float64 `json:"values"`
}

// file is the file of results. Its methods may be called from any goroutine.
type file struct {
	path string

	mu sync.Mutex
	r  Results
}

// open reads the results, if they are of the same size, machine and afteryou: then what is there is not measured again.
func open(path, size string, on Machine, fresh bool) (*file, error) {
	f := &file{path: path, r: Results{Size: size, On: on}}
	old, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, err
	}
	if !fresh && old.Size == size && old.On.same(on) {
		f.r = old
	}
	return f, nil
}

func read(path string) (r Results, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", path, err)
	}
	return r, nil
}

// has reports whether a run was measured already.
func (f *file) has(s Shared) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, old := range f.r.Sharing {
		if old.same(s) {
			return true
		}
	}
	return false
}

// change changes the results and writes them, whole or not at all.
func (f *file) change(do func(*Results)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(&f.r)
	data, err := json.MarshalIndent(f.r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	temp := f.path + ".part"
	if err := os.WriteFile(temp, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, f.path)
}

// outdated is what page and README say of results that are not those of a whole run.
const outdated = "These figures are of a program before the module, in the situations of then; the next `make bench` replaces them."

// whole reports that the results are those of a whole run: each scenario in each way, as often as the size says, and each
// benchmark.
func (r Results) whole() bool {
	f := &file{r: r}
	for _, job := range jobs(r.Size, append(ours(), peers("")...)) {
		if !f.has(job.Shared) {
			return false
		}
	}
	return !slices.ContainsFunc(packages, func(pkg string) bool { return f.runs(pkg) < rounds(r.Size) })
}

// Outdated is what is said where they are not whole.
func (r Results) Outdated() string {
	if r.whole() {
		return ""
	}
	return outdated
}
