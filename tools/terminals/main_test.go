package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"afteryou/internal/demo"
	"afteryou/internal/fakeapi"
)

func TestTheSpinnerAloneMaySpeakOfLimits(t *testing.T) {
	screen := "● Bash(sh -c 'echo step 1')\n✻ afteryou: turn 2 of 4, limit 34 s (34s)\n" +
		"  ⎿  429 Too many requests · Retrying in 3 seconds… (attempt 1/10)\n"
	says := speaks(nil, screen)
	says = speaks(says, screen+"  ⎿  429 Too many requests · Retrying in 2 seconds… (attempt 2/10)\n⚠ afteryou: waiting\n")
	want := []string{"⎿  # Too many requests · Retrying in # seconds… (attempt #/#)", "⚠ afteryou: waiting"}
	if !slices.Equal(says, want) {
		t.Errorf("the screen speaks of %q, want %q", says, want)
	}
}

// Two sessions begin at once, do their work in auto mode, and show nothing.
func TestRealRaceInTerminals(t *testing.T) {
	if testing.Short() {
		t.Skip("drives the real Claude Code")
	}
	self := filepath.Join(t.TempDir(), "afteryou")
	if out, err := exec.Command("go", "build", "-o", self, "afteryou").CombinedOutput(); err != nil {
		t.Fatalf("building afteryou: %v: %s", err, out)
	}
	c := demo.Config{
		Scenario: demo.Scenario{Sessions: 2, Calls: 2, RPM: 120, Burst: 2, Server: fakeapi.Manner{FirstToken: 100 * time.Millisecond}},
		Self:     self, NoNative: true, Drive: (&crowd{size: 2}).drive,
	}
	results, err := demo.Compare(t.Context(), c, &demo.View{Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	run := results[0].Afteryou
	if run.Answers != 4 || run.Dead != 0 || run.Exits[0] != 2 || run.Refused != 0 || len(run.Says) != 0 {
		t.Errorf("the race ended so: %+v", run)
	}
}
