package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"

	"afteryou/internal/claude"
)

// Where the results go, from the root of the source tree.
const (
	tableFile  = "docs/compatibility.md"
	resultFile = "testdata/compat.json"
)

// unmeasured stands in the table for a cell that has no result.
const unmeasured = "not measured"

// Table is all that was measured.
type Table struct {
	Machine string   `json:"machine"`
	Results []Result `json:"results"`
}

func readTable(path string) (Table, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Table{}, err
	}
	var t Table
	if err := json.Unmarshal(data, &t); err != nil {
		return Table{}, fmt.Errorf("reading %s: %v", path, err)
	}
	return t, nil
}

// cell names the cell that r is of.
func (r Result) cell() string {
	return cell{r.Version, situation{name: r.Situation}, r.Mode, r.Hooks}.name()
}

func (t Table) has(c cell) bool {
	return slices.ContainsFunc(t.Results, func(r Result) bool { return r.cell() == c.name() })
}

// with returns the table with these results in place of those of their cells, without the versions that do not stand in it
// any more.
func (t Table) with(results []Result) Table {
	all := slices.Clone(results)
	for _, r := range t.Results {
		measured := slices.ContainsFunc(results, func(other Result) bool { return other.cell() == r.cell() })
		if !measured && slices.Contains(versions, r.Version) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Result) int { return strings.Compare(a.place(), b.place()) })
	t.Results = all
	return t
}

// write puts the table and the captures of cells, which were measured now, into the source tree.
func write(t Table, cells []cell, keep store) error {
	if len(cells) > 0 {
		t.Machine = fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	}
	data, err := t.encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(resultFile, data, 0o644); err != nil {
		return err
	}
	page, err := t.page()
	if err != nil {
		return err
	}
	if err := os.WriteFile(tableFile, page, 0o644); err != nil {
		return err
	}
	return captures(t, cells, keep)
}

// encode has a line for each result, so that a diff shows which cells changed.
func (t Table) encode() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"machine\": %q, \"results\": [\n", t.Machine)
	for i, r := range t.Results {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		b.Write(line)
		if i < len(t.Results)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]}\n")
	return b.Bytes(), nil
}

// place orders results: by version, situation, mode and hooks.
func (r Result) place() string {
	v, _ := claude.ParseVersion(r.Version) // it was installed by that name
	s := slices.IndexFunc(situations, func(s situation) bool { return s.name == r.Situation })
	return fmt.Sprintf("%06d%06d%06d %2d %2d %v", v.Major, v.Minor, v.Patch, s+1, slices.Index(modes, r.Mode), !r.Hooks)
}

//go:embed compatibility.md.tmpl
var pageText string

// page returns docs/compatibility.md.
func (t Table) page() ([]byte, error) {
	tmpl, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = tmpl.Execute(&b, t)
	return b.Bytes(), err
}

// Versions and Dates are those that stand in the results, in their order.
func (t Table) Versions() []string { return t.each(func(r Result) string { return r.Version }) }
func (t Table) Dates() string {
	return strings.Join(slices.Sorted(slices.Values(t.each(func(r Result) string { return r.Measured }))), ", ")
}
func (t Table) Cells() int { return len(t.Results) }

func (t Table) each(of func(Result) string) (list []string) {
	for _, r := range t.Results {
		if s := of(r); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// Legend says of each column what the API does.
func (t Table) Legend() string {
	var b strings.Builder
	for _, s := range situations {
		fmt.Fprintf(&b, "- **%s**: %s\n", s.title, s.what)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Terminal returns the table of sessions on a terminal, Print that of those with -p.
func (t Table) Terminal(hooks bool) string { return t.grid([]string{interactive}, hooks) }
func (t Table) Print(hooks bool) string    { return t.grid(modes[1:], hooks) }

func (t Table) grid(modes []string, hooks bool) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, s := range situations {
		fmt.Fprintf(&b, " %s |", s.title)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(situations)) + "\n")
	for _, v := range t.Versions() {
		fmt.Fprintf(&b, "| %s |", v)
		for _, s := range situations {
			var cells []Result
			for _, r := range t.Results {
				if r.Version == v && r.Situation == s.name && r.Hooks == hooks && slices.Contains(modes, r.Mode) {
					cells = append(cells, r)
				}
			}
			fmt.Fprintf(&b, " %s |", together(cells))
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// together returns what the formats of -p have in common, or each where they differ.
func together(cells []Result) string {
	by := make(map[string][]Result)
	for _, r := range cells {
		words := strings.Join(append([]string{r.outcome()}, r.amiss()...), ", ")
		by[words] = append(by[words], r)
	}
	if len(cells) == 0 {
		return unmeasured
	}
	var parts []string
	for _, words := range slices.Sorted(maps.Keys(by)) {
		part := words + late(by[words])
		if len(by) > 1 {
			var names []string
			for _, r := range by[words] {
				names = append(names, r.Mode)
			}
			part = strings.Join(names, ", ") + ": " + part
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// late returns how many seconds after the limit the task went on.
func late(cells []Result) string {
	if !cells[0].Answered {
		return ""
	}
	least, most := cells[0].Late, cells[0].Late
	for _, r := range cells {
		least, most = min(least, r.Late), max(most, r.Late)
	}
	if fmt.Sprintf("%.0f", least) == fmt.Sprintf("%.0f", most) {
		return fmt.Sprintf(", %+.0f s", least)
	}
	return fmt.Sprintf(", %+.0f to %+.0f s", least, most)
}

// Hooks returns the table of the hooks that ran.
func (t Table) Hooks() string {
	var b strings.Builder
	b.WriteString("| | gates, on a terminal | gates, with `-p` | other events |\n| --- | --- | --- | --- |\n")
	for _, v := range t.Versions() {
		gates := map[string]string{interactive: unmeasured, "text": unmeasured}
		var others []string
		for _, r := range t.Results {
			if r.Version != v || r.Situation != settings.name {
				continue
			}
			gates[r.Mode] = strings.Join(r.Gates, ", ")
			for _, e := range r.Events {
				if !slices.Contains(r.Gates, e) && !slices.Contains(others, e) {
					others = append(others, e)
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", v, gates[interactive], gates["text"], strings.Join(others, ", "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// captures copies what was captured with hooks on to testdata, by version and situation, and removes what is there of
// versions that do not stand in the table any more.
func captures(t Table, cells []cell, keep store) error {
	for _, c := range cells {
		if _, ok := keep.load(c); !ok || !c.hooks || c.situation.name == settings.name {
			continue
		}
		dir := filepath.Join("testdata", "claude-"+c.version, "compat")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for from, to := range c.captures() {
			data, err := os.ReadFile(filepath.Join(keep.dir(c), from))
			if err != nil && !os.IsNotExist(err) {
				return err
			}
			to = filepath.Join(dir, c.situation.name+"."+to)
			if len(data) > 0 {
				err = os.WriteFile(to, data, 0o644)
			} else if err = os.Remove(to); os.IsNotExist(err) {
				err = nil
			}
			if err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "README.md"), t.readme(c.version), 0o644); err != nil {
			return err
		}
	}
	dirs, err := filepath.Glob("testdata/claude-*/compat")
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		version := strings.TrimPrefix(filepath.Base(filepath.Dir(dir)), "claude-")
		if slices.Contains(t.Versions(), version) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// captures returns the names of a cell's files in the store, with their names in testdata.
func (c cell) captures() map[string]string {
	switch c.mode {
	case interactive:
		return map[string]string{"pty": "pty", "jsonl": "jsonl"}
	case "text":
		return map[string]string{"text": "text", "jsonl": "print.jsonl"}
	case "json":
		return map[string]string{"json": "json"}
	}
	return map[string]string{"stream-json": "stream"}
}

// readme returns the text beside the captures of a version.
func (t Table) readme(version string) []byte {
	var list strings.Builder
	for _, s := range situations {
		fmt.Fprintf(&list, "| %s | %s |\n", s.name, s.what)
	}
	return fmt.Appendf(nil, captureText, version, t.measured(version), list.String())
}

// measured returns when a version's cells were measured last.
func (t Table) measured(v string) string {
	last := time.Time{}.Format(time.DateOnly)
	for _, r := range t.Results {
		if r.Version == v {
			last = max(last, r.Measured)
		}
	}
	return last
}

const captureText = `# What Claude Code %s does at a limit

Recorded by ` + "`make compat`" + ` on %s, through afteryou, against a stand-in API on loopback. The prompt was always "hello";
a tool ran, and the next call met the limit.

` + "`NAME.pty`" + ` is what the terminal (100 x 30) was sent up to 5 s after that, ` + "`NAME.jsonl`" + ` the rows of its transcript
that tell of errors, ` + "`NAME.print.jsonl`" + ` those of a session with -p; ` + "`NAME.text`, `NAME.json` and `NAME.stream`" + ` are what -p
printed, of a stream only what tells of errors and the result.

| name | what the server did |
| --- | --- |
%s`
