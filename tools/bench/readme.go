package main

import (
	"errors"
	"fmt"
	"strings"
)

// The README's figures stand between these two lines.
const (
	figuresBegin = "<!-- figures: written by make bench-docs -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// figures returns the README with the figures of the results in it.
func figures(readme []byte, r Results) ([]byte, error) {
	before, rest, ok := strings.Cut(string(readme), figuresBegin)
	_, after, ok2 := strings.Cut(rest, figuresEnd)
	if !ok || !ok2 {
		return nil, errors.New("the README has no place for figures")
	}
	var b strings.Builder
	b.WriteString("| | time / ideal | 429s per answer | sessions that died |\n| --- | ---: | ---: | ---: |\n")
	runs := 0
	for _, w := range ours() {
		if a := r.average(w.name); a.runs > 0 {
			fmt.Fprintf(&b, "| %s | %.2f | %.2f | %d |\n", w.about, a.ratio, a.rejected, a.dead)
			runs = a.runs
		}
	}
	fmt.Fprintf(&b, "\n`make bench`, %s: means of %d runs each on %d cores of %s, Claude Code %s.", r.On.Date, runs, r.On.Cores, r.On.Processor, r.On.Claude)
	if r.Size == quick {
		b.WriteString("\nIt was a quick run: small work, which says little about the pace that is learned.")
	}
	b.WriteString("\n")
	if hook, ok := r.cost("Hook", "hook-ms"); ok {
		fmt.Fprintf(&b, "A hook that need not wait takes %.1f ms", hook)
		if node, ok := r.cost("Hook", "node-ms"); ok {
			fmt.Fprintf(&b, " (an empty `node -e 0`: %.0f ms)", node)
		}
		if echo, ok := r.cost("KeyRoundTrip", "wrapped-µs"); ok {
			fmt.Fprintf(&b, ", a key's echo %.0f µs", echo)
			if direct, ok := r.cost("KeyRoundTrip", "direct-µs"); ok {
				fmt.Fprintf(&b, " (a bare pty: %.0f µs)", direct)
			}
		}
		b.WriteString(".\n")
	}
	return []byte(before + figuresBegin + b.String() + figuresEnd + after), nil
}

// cost returns the median of a benchmark's values in a unit.
func (r Results) cost(benchmark, unit string) (median float64, ok bool) {
	for _, o := range r.Overhead {
		if o.Benchmark == benchmark && o.Unit == unit {
			return spreadOf(o.Values).median, true
		}
	}
	return 0, false
}
