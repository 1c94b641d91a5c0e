package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"afteryou/internal/demo"
)

//go:embed benchmarks.md.tmpl
var page string

// render returns the documentation that the results amount to: files by their path under docs.
func render(r Results) (map[string][]byte, error) {
	t, err := template.New("benchmarks.md").Funcs(template.FuncMap{
		"table": func(name string) string { return table(r.of(name, false), ours()) },
		"peers": func(name string) string { return table(r.of(name, true), slices.Concat(ours(), peers(""))) },
		"costs": func(prefix string, but ...string) string { return costs(r.Overhead, prefix, but...) },
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	var busy []float64
	for _, s := range r.Sharing {
		busy = append(busy, 100*s.Busy)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, struct {
		Results
		Ways, Peers []named
		Scenarios   []situation
		Averages    string
		Busy, Free  string
	}{r, names(ours()), names(peers("")), r.situations(), averages(r), spreadOf(busy).text("%.0f %%"), free(r)}); err != nil {
		return nil, err
	}
	files := map[string][]byte{"benchmarks.md": text.Bytes()}
	plots, err := plots(r)
	for name, data := range plots {
		files[filepath.Join("benchmarks", name)] = data
	}
	return files, err
}

// write puts the documentation into its place.
func write(docs string, files map[string][]byte) error {
	for name, data := range files {
		path := filepath.Join(docs, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

type named struct{ Name, About string }

func names(ways []way) (list []named) {
	for _, w := range ways {
		list = append(list, named{w.name, w.about})
	}
	return list
}

// situation is a scenario of the results, for the page.
type situation struct {
	Name, About string
	Work        demo.Scenario
	Ideal       float64
	Peers       bool
}

func (r Results) situations() (list []situation) {
	for _, sc := range scenarios {
		if runs := r.of(sc.name, true); len(runs) > 0 {
			list = append(list, situation{sc.name, sc.about, runs[0].Work, runs[0].Ideal, sc.peers})
		}
	}
	return list
}

// of returns the runs of a scenario.
func (r Results) of(name string, withPeers bool) (runs []Shared) {
	for _, s := range r.Sharing {
		if s.Scenario == name && (withPeers || slices.ContainsFunc(ours(), func(w way) bool { return w.name == s.Way })) {
			runs = append(runs, s)
		}
	}
	return runs
}

// spread is the median of values with the least and the most.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) (s spread) {
	if len(values) == 0 {
		return s
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// text writes a spread in a format for one value; where all are written alike, once.
func (s spread) text(format string) string {
	median, least, most := fmt.Sprintf(format, s.median), fmt.Sprintf(format, s.least), fmt.Sprintf(format, s.most)
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s–%s)", median, least, most)
}

// each returns a value of each run in one way.
func each(runs []Shared, way string, value func(Shared) float64) (list []float64) {
	for _, s := range runs {
		if s.Way == way {
			list = append(list, value(s))
		}
	}
	return list
}

func (s Shared) ratio() float64 { return s.Run.Makespan / s.Ideal }

func (s Shared) rejected() float64 { return float64(s.Run.Rejections) / float64(max(1, s.Run.Answers)) }

// again returns a value of the second time in a row; not a number where there was only one.
func again(value func(demo.Run) float64) func(Shared) float64 {
	return func(s Shared) float64 {
		if s.Again == nil {
			return math.NaN()
		}
		return value(*s.Again)
	}
}

// column is one of a table of runs.
type column struct {
	title, format string
	value         func(Shared) float64 // not a number: there is none
}

// table compares the runs of one scenario.
func table(runs []Shared, ways []way) string {
	columns := []column{
		{"time / ideal", "%.2f", Shared.ratio},
		{"wall, s", "%.0f", func(s Shared) float64 { return s.Run.Wall }},
		{"rejections", "%.0f", func(s Shared) float64 { return float64(s.Run.Rejections) }},
		{"per answer", "%.2f", Shared.rejected},
		{"seen by Claude Code", "%.0f", func(s Shared) float64 { return float64(s.Run.Recorded) }},
		{"dead", "%.0f", func(s Shared) float64 { return float64(s.Run.Dead) }},
		{"Jain", "%.3f", func(s Shared) float64 { return s.Run.Jain }},
		{"waited in vain, s", "%.1f", func(s Shared) float64 { return s.Run.Wasted }},
		{"lost, s", "%.1f", func(s Shared) float64 { return s.Run.Lost }},
	}
	if slices.ContainsFunc(runs, func(s Shared) bool { return s.Again != nil }) {
		columns = append(columns,
			column{"again: time / ideal", "%.2f", again(func(r demo.Run) float64 { return r.OfIdeal })},
			column{"again: rejections", "%.0f", again(func(r demo.Run) float64 { return float64(r.Rejections) })})
	}
	if len(runs) > 0 && runs[0].Work.Cut {
		for i, what := range []string{"cut", "restored"} {
			columns = append(columns, column{"rejections once " + what, "%.0f", func(s Shared) float64 {
				if i < len(s.Run.Changes) {
					return float64(s.Run.Changes[i].Rejections)
				}
				return 0
			}})
		}
	}
	var b strings.Builder
	b.WriteString("| |")
	for _, c := range columns {
		b.WriteString(" " + c.title + " |")
	}
	if len(runs) > 0 && runs[0].Work.Cut {
		b.WriteString(" full pace after, s |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", strings.Count(b.String(), "|")-2) + "\n")
	for _, w := range ways {
		if len(each(runs, w.name, Shared.ratio)) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s |", w.name)
		for _, c := range columns {
			text := ""
			if values := slices.DeleteFunc(each(runs, w.name, c.value), math.IsNaN); len(values) > 0 {
				text = spreadOf(values).text(c.format)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		if runs[0].Work.Cut {
			fmt.Fprintf(&b, " %s |", recovered(runs, w.name))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// recovered returns how long it took until calls came at the full pace after the limit was restored.
func recovered(runs []Shared, way string) string {
	var after []float64
	never := 0
	for _, s := range runs {
		switch {
		case s.Way != way:
		case len(s.Run.Changes) > 1 && s.Run.Changes[1].FullSpeed != nil:
			after = append(after, *s.Run.Changes[1].FullSpeed)
		default:
			never++
		}
	}
	var parts []string
	if len(after) > 0 {
		parts = append(parts, spreadOf(after).text("%.0f"))
	}
	if never > 0 {
		parts = append(parts, fmt.Sprintf("not in %d of %d", never, never+len(after)))
	}
	return strings.Join(parts, ", ")
}

// average is the mean of a way's means in all scenarios with a limit that is met.
type average struct {
	ratio, rejected float64
	dead, runs      int
}

func (r Results) average(way string) (a average) {
	n := 0.
	for _, sc := range scenarios {
		runs := r.of(sc.name, true)
		ratios := each(runs, way, Shared.ratio)
		if sc.alone || len(ratios) == 0 {
			continue
		}
		n++
		a.ratio += mean(ratios)
		a.rejected += mean(each(runs, way, Shared.rejected))
		for _, dead := range each(runs, way, func(s Shared) float64 { return float64(s.Run.Dead) }) {
			a.dead += int(dead)
			a.runs++
		}
	}
	a.ratio, a.rejected = a.ratio/max(1, n), a.rejected/max(1, n)
	return a
}

func mean(values []float64) (sum float64) {
	for _, v := range values {
		sum += v / float64(len(values))
	}
	return sum
}

// averages sums up all scenarios but those whose limit nobody meets.
func averages(r Results) string {
	var b strings.Builder
	b.WriteString("| | time / ideal | rejections per answer | sessions that died |\n| --- | ---: | ---: | ---: |\n")
	for _, w := range ours() {
		if a := r.average(w.name); a.runs > 0 {
			fmt.Fprintf(&b, "| %s | %.3f | %.3f | %d in %d runs |\n", w.name, a.ratio, a.rejected, a.dead, a.runs)
		}
	}
	return b.String()
}

// free returns what taking turns costs where nobody meets the limit: of the wall, for there is nothing else to wait for.
func free(r Results) string {
	var parts []string
	for _, sc := range scenarios {
		if !sc.alone {
			continue
		}
		wall := func(way string) float64 {
			return spreadOf(each(r.of(sc.name, true), way, func(s Shared) float64 { return s.Run.Wall })).median
		}
		for _, w := range gates {
			if t := wall(w); t > 0 {
				parts = append(parts, fmt.Sprintf("with the %s %.1f s", w, t))
			}
		}
		parts = append(parts, fmt.Sprintf("without afteryou %.1f s", wall(native)))
	}
	return strings.Join(parts, ", ")
}

// costs returns the table of the benchmarks of a package whose names begin so, but for those that begin otherwise; empty where
// there are none.
func costs(all []Overhead, prefix string, but ...string) string {
	var b strings.Builder
	for _, o := range all {
		name := strings.TrimPrefix(o.Package, "./") + "/" + o.Benchmark
		other := slices.ContainsFunc(but, func(begin string) bool { return strings.HasPrefix(name, begin) })
		if strings.HasPrefix(name, prefix) && !other {
			if b.Len() == 0 {
				b.WriteString("| benchmark | value | unit |\n| --- | ---: | --- |\n")
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", o.Benchmark, spreadOf(o.Values).text("%.4g"), o.Unit)
		}
	}
	return b.String()
}
