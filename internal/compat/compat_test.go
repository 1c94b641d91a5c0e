package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/realclaude"
)

// measured is the table that lies in git.
func measured(t *testing.T) Table {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", resultFile))
	if err != nil {
		t.Fatal(err)
	}
	var table Table
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatalf("%s: %v", resultFile, err)
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

// Every version has every cell.
func TestTableIsComplete(t *testing.T) {
	table := measured(t)
	have := make(map[string]bool)
	for _, r := range table.Results {
		have[cell{r.Version, situation{name: r.Situation}, r.Mode, r.Hooks}.name()] = true
	}
	for _, v := range versions {
		for _, c := range matrix([]string{v}) {
			if !have[c.name()] {
				t.Errorf("%s was not measured", c.name())
			}
		}
	}
}

// What must not be is not: no session is stuck, does its work twice or is made to go on over a spend limit, and hooks run
// where they are on.
func TestNothingIsAmiss(t *testing.T) {
	for _, r := range measured(t).Results {
		name := cell{r.Version, situation{name: r.Situation}, r.Mode, r.Hooks}.name()
		good := r.Answered || r.Told
		if r.Situation == "spend" {
			good = !r.Answered && r.outcome() != "stuck" && r.Woken+r.Typed+r.Rerun == 0
		}
		if !good || len(r.amiss()) > 0 {
			t.Errorf("%s: %s", name, r.words())
		}
		if r.Answered && (r.Late < -1 || r.Mode != terminal && r.Exit != 0) {
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
		{"woken", Result{Answered: true, Woken: 1, Ran: 1, Prompts: 1, Mode: terminal, Hooks: true, Hooked: true}, "woken +0 s"},
		{"typed", Result{Answered: true, Typed: 1, Ran: 1, Prompts: 1, Mode: terminal}, "typed +0 s"},
		{"re-run twice", Result{Answered: true, Rerun: 2, Ran: 1, Prompts: 2, Mode: "text"}, "re-run +0 s"},
		{"told", Result{Told: true, Ran: 1}, "told the user"},
		{"told by a menu, which the wake-up waits for", Result{Told: true, Menu: true, Woken: 1, Ran: 1}, "told the user by a menu"},
		{"neither", Result{Ran: 1}, "stuck"},
		{"woken twice", Result{Answered: true, Woken: 2, Ran: 1, Prompts: 2, Mode: terminal}, "woken +0 s, made to go on 2 times"},
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
