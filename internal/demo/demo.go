// Package demo runs the same real Claude Code sessions on the same small rate limit in several ways, each session for
// itself or with afteryou, and compares. The server is a stand-in on loopback; nothing else is. It needs no account and
// reads nothing of the person's own Claude Code.
package demo

import (
	"cmp"
	"context"

	"afteryou/internal/realclaude"
)

// Config says what is compared.
type Config struct {
	Scenario
	Self     string   // the afteryou to be shown
	Claude   string   // the version of Claude Code; empty: realclaude.Version
	Gate     Gate     // that holds the calls
	Again    bool     // the sessions that run through it are run twice: the second time the limit is known
	NoNative bool     // they are not run without it
	Drive    Drive    // how a session is run; nil: with -p
	Env      []string // added to the environment of the sessions that run through it
}

// Result is the comparison, as --json prints it; of a race that is run again there are two.
type Result struct {
	Scenario Scenario `json:"scenario"`
	Server   string   `json:"server"` // what it does, in words
	Claude   string   `json:"claude"`
	Gate     Gate     `json:"gate,omitempty"`
	Ideal    float64  `json:"ideal_s"`
	Calls    int      `json:"calls"` // how many the work takes
	Native   *Run     `json:"native,omitempty"`
	Afteryou Run      `json:"afteryou"`
}

// Compare runs the sessions without afteryou and then with it, once or twice. It blocks until all is over or ctx ends. What
// happens is shown on view as it happens.
func Compare(ctx context.Context, c Config, view *View) ([]Result, error) {
	c.Claude = cmp.Or(c.Claude, realclaude.Version)
	view.say("getting Claude Code %s from npm, unless it is here already", c.Claude)
	claude, err := realclaude.Install(ctx, c.Claude)
	if err != nil {
		return nil, err
	}
	r := Result{
		Scenario: c.Scenario, Server: c.Server.String(), Claude: c.Claude, Gate: c.Gate, Ideal: c.Ideal(), Calls: c.Scenario.Answers(),
	}
	view.say("%v", c.Scenario)
	if !c.NoNative {
		way := Native(claude)
		way.Drive = c.Drive
		native, err := c.Run(ctx, way, view)
		if err != nil {
			return nil, err
		}
		r.Native = &native
	}
	times := 1
	if c.Again {
		times = 2
	}
	way := c.Gate.Way(c.Self, claude, c.Env...)
	way.Drive = c.Drive
	runs, err := c.Runs(ctx, way, view, times)
	var results []Result
	for i, run := range runs {
		r.Afteryou = run
		if i > 0 {
			r.Native = nil
		}
		results = append(results, r)
	}
	return results, err
}
