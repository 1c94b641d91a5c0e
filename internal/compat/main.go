// Compat measures what becomes of a session that a limit stops: every version of Claude Code that it is told of, from
// npm, through afteryou, against a stand-in API, in every situation; on a terminal and with -p, with hooks and without.
// It writes what it saw to testdata and docs/compatibility.md. It judges nothing: what went wrong stands in the table.
//
// Each cell of the table has an API, a home and a state directory of its own. Its result is kept, so that a run that was
// interrupted goes on where it was. Once the table is written the next run begins anew, but for -again, which measures some
// cells and leaves the others as they are.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"

	"afteryou/internal/realclaude"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run() error {
	jobs := flag.Int("jobs", 8, "cells that are measured at once")
	only := flag.String("only", "", "measure only the cells whose name this regular expression finds, and write no table")
	again := flag.String("again", "", "measure anew the cells whose name this regular expression finds")
	versions := flag.String("versions", "", "measure these versions instead, separated by commas, and write no table")
	kept := flag.String("kept", defaultKept(), "where the results of the cells are kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	list, err := chooseVersions(*versions)
	if err != nil {
		return err
	}
	cells := matrix(list)
	if *only != "" {
		if cells, err = matching(cells, *only); err != nil {
			return err
		}
	}
	unlock, err := alone()
	if err != nil {
		return err
	}
	defer unlock()
	keep := store{*kept}
	part := *only != "" || *versions != ""
	if !part && *again == "" {
		if err := keep.begin(); err != nil {
			return err
		}
	}
	if *again != "" {
		old, err := matching(cells, *again)
		if err != nil {
			return err
		}
		for _, c := range old {
			if err := os.RemoveAll(keep.dir(c)); err != nil {
				return err
			}
		}
	}
	l := lab{binaries: make(map[string]string)}
	for _, v := range list {
		if l.binaries[v], err = realclaude.Install(ctx, v); err != nil {
			return err
		}
	}
	if l.afteryou, err = build(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(l.afteryou))
	results, err := measure(ctx, l, cells, keep, *jobs)
	if err != nil || part {
		return err
	}
	if err := write(results, keep); err != nil {
		return err
	}
	return keep.end()
}

// alone keeps two runs from measuring in the same homes. The end of the process gives the lock back too.
func alone() (unlock func(), err error) {
	f, err := os.OpenFile(homes+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another run is measuring: locking %s: %v", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// build makes the afteryou of this source tree.
func build(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "afteryou-compat-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "afteryou")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building afteryou: %v\n%s", err, out)
	}
	return path, nil
}

func matching(cells []cell, expr string) (found []cell, err error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	for _, c := range cells {
		if re.MatchString(c.name()) {
			found = append(found, c)
		}
	}
	return found, nil
}

// measure gets the results of all cells, in their order, from where they are kept or by measuring. A cell that can't be
// measured is said, and the others go on.
func measure(ctx context.Context, l lab, cells []cell, keep store, jobs int) ([]Result, error) {
	results := make([]Result, len(cells))
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed, done := 0, 0
	free := make(chan struct{}, jobs)
	for i, c := range cells {
		if r, ok := keep.load(c); ok {
			results[i] = r
			done++
			continue
		}
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			if ctx.Err() != nil {
				return
			}
			r, caught, err := l.measure(ctx, c)
			if err == nil {
				err = keep.save(c, r, caught)
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			if err != nil {
				failed++
				if ctx.Err() == nil {
					fmt.Printf("%s: %.2000s\n", c.name(), err.Error())
				}
				return
			}
			results[i] = r
			fmt.Printf("%3d/%d  %-45s %s\n", done, len(cells), c.name(), r.words())
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if failed > 0 {
		return nil, fmt.Errorf("%d cells could not be measured", failed)
	}
	return results, nil
}
