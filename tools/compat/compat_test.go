package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"afteryou/internal/realclaude"
)

// measured is the table that lies in git.
func measured(t *testing.T) Table {
	t.Helper()
	table, err := readTable(filepath.Join("..", "..", resultFile))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// The page says what was measured, and nothing else.
func TestPageIsWhatWasMeasured(t *testing.T) {
	page, err := measured(t).page()
	if err != nil {
		t.Fatal(err)
	}
	lies, err := os.ReadFile(filepath.Join("..", "..", tableFile))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, lies) {
		t.Errorf("%s is not what %s makes; run make compat", tableFile, resultFile)
	}
}

// A new version takes its own cells and no other, and one that has some of them takes the rest.
func TestOnlyWhatTheTableLacksIsMeasured(t *testing.T) {
	var full Table
	for _, c := range matrix(versions) {
		full.Results = append(full.Results, Result{Version: c.version, Situation: c.situation.name, Mode: c.mode, Hooks: c.hooks})
	}
	newest := versions[len(versions)-1]
	without := func(name string) Table {
		return Table{Results: slices.DeleteFunc(slices.Clone(full.Results), func(r Result) bool { return strings.HasPrefix(r.cell(), name) })}
	}
	for _, tt := range []struct {
		name  string
		table Table
		again string
		want  []cell
	}{
		{"nothing lacks", full, "", nil},
		{"a version", without(newest), "", matrix([]string{newest})},
		{"one cell", without(newest + "-spend-json-hooks"), "", []cell{{newest, situation{name: "spend"}, "json", true}}},
		{"measured anew", full, "^" + newest + "-usage-text-hooks$", []cell{{newest, situation{name: "usage"}, "text", true}}},
		{"no table", Table{}, "", matrix(versions)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := lacking(tt.table, tt.again)
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("%d cells, %v; want %d", len(got), err, len(tt.want))
			}
			for i, c := range got {
				if c.name() != tt.want[i].name() {
					t.Errorf("%s, want %s", c.name(), tt.want[i].name())
				}
			}
		})
	}
}

// What is measured now stands in place of what was, and a version that is out of the list leaves the table.
func TestTableTakesWhatWasMeasuredNow(t *testing.T) {
	of := func(version string, ran int) Result {
		return Result{Version: version, Situation: "short", Mode: "text", Hooks: true, Ran: ran}
	}
	got := Table{Results: []Result{of(versions[0], 1), of(versions[1], 1), of("2.1.333333", 1)}}.with([]Result{of(versions[1], 2), of(versions[2], 2)})
	want := []Result{of(versions[0], 1), of(versions[1], 2), of(versions[2], 2)}
	if !reflect.DeepEqual(got.Results, want) {
		t.Errorf("got %+v, want %+v", got.Results, want)
	}
}

// A version of which only one cell was measured has a row that says so.
func TestWhatWasNotMeasuredIsSaid(t *testing.T) {
	page, err := Table{Results: []Result{{Version: "2.1.340", Situation: "short", Mode: interactive, Hooks: true, Answered: true, Ran: 1, Hooked: true}}}.page()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n| 2.1.340 | waited natively, +0 s |" + strings.Repeat(" not measured |", len(situations)-1) + "\n",
		"\n| 2.1.340 |" + strings.Repeat(" not measured |", len(situations)) + "\n",
		"\n| 2.1.340 | not measured | not measured |",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// What must not be is not: no session is stuck, does its work twice or is made to go on over a spend limit, and hooks run
// where they are on.
func TestNothingIsAmiss(t *testing.T) {
	for _, r := range measured(t).Results {
		name := r.cell()
		good := r.Answered || r.UserTold
		if r.Situation == "spend" {
			good = !r.Answered && r.outcome() != "stuck" && r.Woken+r.Typed+r.Rerun == 0
		}
		if !good || len(r.amiss()) > 0 {
			t.Errorf("%s: %s", name, r.words())
		}
		if r.Answered && (r.Late < -1 || r.Mode != interactive && r.Exit != 0) {
			t.Errorf("%s: %s, exit %d", name, r.words(), r.Exit)
		}
		if r.Situation == settings.name && len(r.Gates) < 2 {
			t.Errorf("%s: only %q ran as gates", name, r.Gates)
		}
	}
}

func TestOutcome(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Result
		want string
	}{
		{"an answer without help", Result{Answered: true, Late: 1.6, Ran: 1}, "waited natively +2 s"},
		{"an answer before the end", Result{Answered: true, Late: -0.6, Ran: 1}, "waited natively -1 s"},
		{"woken", Result{Answered: true, Woken: 1, Ran: 1, Prompts: 1, Mode: interactive, Hooks: true, Hooked: true}, "woken +0 s"},
		{"typed", Result{Answered: true, Typed: 1, Ran: 1, Prompts: 1, Mode: interactive}, "typed +0 s"},
		{"re-run twice", Result{Answered: true, Rerun: 2, Ran: 1, Prompts: 2, Mode: "text"}, "re-run +0 s"},
		{"told", Result{UserTold: true, Ran: 1}, "told the user"},
		{"told by a menu, which the wake-up waits for", Result{UserTold: true, Menu: true, Woken: 1, Ran: 1}, "told the user by a menu"},
		{"neither", Result{Ran: 1}, "stuck"},
		{"woken twice", Result{Answered: true, Woken: 2, Ran: 1, Prompts: 2, Mode: interactive}, "woken +0 s, made to go on 2 times"},
		{"done again from the start", Result{Answered: true, Rerun: 1, Ran: 2}, "re-run +0 s, tool ran 2 times"},
		{"hooks that did not run", Result{Answered: true, Ran: 1, Hooks: true}, "waited natively +0 s, no hook ran"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.words(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The captures say nothing about the machine they were made on.
func TestCapturesAreNobodys(t *testing.T) {
	files, err := filepath.Glob("../../testdata/claude-*/compat/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("captures: %v, %v", files, err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{home + "/", `"` + host + `"`, realclaude.Token, realclaude.Key} {
			if strings.Contains(string(data), private) {
				t.Errorf("%s contains %q", file, private)
			}
		}
	}
}
