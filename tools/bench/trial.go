package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"afteryou/internal/demo"
)

// trial is a bench that is not published: on another server, or with another afteryou beside this one. All of it is
// measured anew, and shown; the documents stay as they are.
type trial struct {
	vs    string // the other afteryou
	ttft  time.Duration
	speed float64
	words string
	cloud string
}

func (t *trial) flags() {
	flag.StringVar(&t.vs, "vs", "", "a trial: run the afteryou of this `file` too, in each way")
	flag.DurationVar(&t.ttft, "ttft", -1, "a trial: when an answer begins, in place of what the scenario says")
	flag.Float64Var(&t.speed, "speed", 0, "a trial: how many tokens a second come from then on")
	flag.StringVar(&t.words, "server", "", "a trial: what else the server does, in the `words` of afteryou demo")
	flag.StringVar(&t.cloud, "cloud", "", "a trial: the API that is spoken instead, vertex or bedrock")
}

// none reports that this is no trial.
func (t trial) none() bool { return t == trial{ttft: -1} }

// check finds what cannot be, and where the other afteryou is.
func (t *trial) check() error {
	if err := t.on(demo.Usual()).Check(); err != nil {
		return err
	}
	if t.words != "" {
		if err := new(demo.Scenario).Server.Set(t.words); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	if t.vs == "" {
		return nil
	}
	path, err := exec.LookPath(t.vs)
	if err != nil {
		return fmt.Errorf("vs: %w", err)
	}
	t.vs, err = filepath.Abs(path)
	return err
}

// on returns the work on the trial's server.
func (t trial) on(work demo.Scenario) demo.Scenario {
	if t.ttft >= 0 {
		work.Server.FirstToken = t.ttft
	}
	work.Server.Speed = cmp.Or(t.speed, work.Server.Speed)
	if t.words != "" {
		work.Server.Set(t.words) // which check found right
	}
	work.Cloud = cmp.Or(t.cloud, work.Cloud)
	return work
}

// ways returns those with this afteryou, and each that has one with the other, right behind it.
func (t trial) ways(list []way) (both []way) {
	for _, w := range list {
		both = append(both, w)
		if t.vs == "" || w.peer || slices.Contains([]string{native, watchdog}, w.name) {
			continue
		}
		other := w
		other.name += " vs"
		other.start = func(_, claude string, work demo.Scenario) demo.Way { return w.start(t.vs, claude, work) }
		both = append(both, other)
	}
	return both
}

// show prints a table for each scenario.
func (t trial) show(out io.Writer, r Results, ways []way) {
	for _, sc := range scenarios {
		if runs := r.of(sc.name, true); len(runs) > 0 {
			fmt.Fprintf(out, "\n%s: %v. The ideal is %.1f s.\n%s", sc.name, runs[0].Work, runs[0].Ideal, table(runs, ways))
		}
	}
}
