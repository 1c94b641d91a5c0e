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
	if text := r.Outdated(); text != "" {
		b.WriteString("\n" + text)
	}
	if r.Size == quick {
		b.WriteString("\nIt was a quick run: small work, which says little about the pace that is learned.")
	}
	b.WriteString("\n")
	b.WriteString(r.sentence())
	return []byte(before + figuresBegin + b.String() + figuresEnd + after), nil
}

// sentence says what afteryou costs, in one line; what was not measured it leaves out.
func (r Results) sentence() string {
	var parts []string
	for _, c := range []struct{ benchmark, unit, text, beside, more string }{
		{"Request", "module-later-ms", "a request that need not wait is sent %.1f ms later with the module", "hooks-later-ms", "with hooks: %.0f ms"},
		{"Partner", "ask-ms", "of which its partner takes %.1f ms", "", ""},
		{"Hook", "hook-ms", "a hook takes %.1f ms", "node-ms", "an empty `node -e 0`: %.0f ms"},
		{"KeyRoundTrip", "wrapped-µs", "a key's echo %.0f µs", "direct-µs", "a bare pty: %.0f µs"},
	} {
		value, ok := r.cost(c.benchmark, c.unit)
		if !ok {
			continue
		}
		text := fmt.Sprintf(c.text, value)
		if beside, ok := r.cost(c.benchmark, c.beside); ok {
			text += fmt.Sprintf(" ("+c.more+")", beside)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	text := strings.Join(parts, ", ")
	return strings.ToUpper(text[:1]) + text[1:] + ".\n"
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
