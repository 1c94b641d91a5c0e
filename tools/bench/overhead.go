package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// packages hold the Go benchmarks of what afteryou costs.
var packages = []string{"./tests", "./wrapper", "./internal/gateway"}

// overhead runs the Go benchmarks, alone, as often as the size says.
func overhead(ctx context.Context, root, size string, out io.Writer, results *file) error {
	for _, pkg := range packages {
		for results.runs(pkg) < rounds(size) {
			cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchtime", "1s", "-timeout", "20m", pkg)
			cmd.Dir = root
			data, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("benchmarks of %s: %w\n%s", pkg, err, data)
			}
			values, err := parse(pkg, data)
			if err != nil {
				return err
			}
			for _, v := range values {
				fmt.Fprintf(out, "%-34s %12.3f %s\n", v.Benchmark, v.Values[0], v.Unit)
			}
			if err := results.change(func(all *Results) { all.add(values) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// parse reads what go test -bench printed.
func parse(pkg string, data []byte) (list []Overhead, err error) {
	for r := benchfmt.NewReader(bytes.NewReader(data), pkg); r.Scan(); {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue // a line that is no benchmark's
		}
		name, _, _ := strings.Cut(string(result.Name.Full()), "-")
		for _, v := range result.Values {
			value, unit := v.Value, v.Unit
			if v.OrigUnit != "" { // ns and MB are made seconds and bytes
				value, unit = v.OrigValue, v.OrigUnit
			}
			if unit == "ns/op" {
				continue // the whole of pairs that are compared says nothing
			}
			list = append(list, Overhead{Package: filepath.ToSlash(pkg), Benchmark: name, Unit: unit, Values: []float64{value}})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no benchmarks:\n%s", pkg, data)
	}
	return list, nil
}

func (r *Results) add(values []Overhead) {
	for _, v := range values {
		i := slices.IndexFunc(r.Overhead, func(o Overhead) bool {
			return o.Package == v.Package && o.Benchmark == v.Benchmark && o.Unit == v.Unit
		})
		if i < 0 {
			r.Overhead = append(r.Overhead, v)
			continue
		}
		r.Overhead[i].Values = append(r.Overhead[i].Values, v.Values...)
	}
}

// runs returns how often a package's benchmarks were run.
func (f *file) runs(pkg string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.r.Overhead {
		if o.Package == pkg {
			n = max(n, len(o.Values))
		}
	}
	return n
}
