// Command oldstate records the state files of an afteryou of before, for the tests that read them: it runs that program's
// hooks and its gateway as Claude Code would run them, and copies state.json once it holds what a scenario is about.
//
//	go run ./tools/oldstate -program /path/to/afteryou -out testdata/state/dfe60d7 [-then /path/to/another/afteryou] [-newer /path/to/afteryou]
//
// Claude Code is a process that sleeps, and this program writes its transcripts; the API is internal/fakeapi. It takes a
// minute or two, and must not be broken off, or the sleepers stay for ten minutes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// scenarios are the recordings, by the name of the file that each becomes.
var scenarios = map[string]func(*machine){
	"line":         line,
	"pace":         pace,
	"faded":        faded,
	"named":        named,
	"cool-told":    coolTold,
	"cool-blind":   coolBlind,
	"usage-limit":  usageLimit,
	"woken":        woken,
	"gateway":      gateway,
	"contradicted": contradicted,
	"clocks":       clocks,
	"newer":        newer,
}

func main() {
	if os.Getenv(claudeEnv) != "" {
		claudeMain()
		return
	}
	program := flag.String("program", "", "the afteryou whose state is recorded")
	then := flag.String("then", "", "another one, which changes what the first has written")
	newer := flag.String("newer", "", "one of a newer layout, whose state the first meets")
	out := flag.String("out", "", "directory of the recordings")
	only := flag.String("only", "", "the one scenario to record")
	flag.Parse()
	if *program == "" || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := record(*program, *then, *newer, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "oldstate:", err)
		os.Exit(1)
	}
}

// record runs the scenarios side by side, each on a machine of its own.
func record(program, then, newer, out, only string) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wrong := make(chan error, len(scenarios))
	for name, run := range scenarios {
		if only != "" && only != name {
			continue
		}
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					wrong <- fmt.Errorf("%s: %v", name, v)
				}
			}()
			m := newMachine(program, then, func(label string, data []byte) {
				check(os.WriteFile(filepath.Join(out, strings.Trim(name+"-"+label, "-")+".json"), data, 0o644))
			})
			m.newer = newer
			defer m.close()
			run(m)
		})
	}
	wg.Wait()
	close(wrong)
	var all []error
	for err := range wrong {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// check ends the scenario where something went wrong.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
