// Compat measures what becomes of a session that a limit stops: the pinned version of Claude Code and those where something
// changed, from npm, through afteryou, against a stand-in API, in every situation; on a terminal and with -p, with hooks and
// without. It writes what it saw to testdata and docs/compatibility.md. It judges nothing: what went wrong stands in the table.
//
// Only what the table lacks is measured, so that a new version takes minutes; -again measures some cells anew. Each cell
// has an API, a home and a state directory of its own. Its result is kept until it stands in the table, so that a run that
// was interrupted goes on where it was.
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
	"slices"
	"sync"
	"syscall"

	"github.com/gofrs/flock"

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
	again := flag.String("again", "", "measure anew the cells whose name this regular expression finds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	old, err := readTable(resultFile)
	if err != nil {
		return err
	}
	cells, err := lacking(old, *again)
	if err != nil {
		return err
	}
	alone := flock.New(homes + ".lock") // two runs would measure in the same homes
	if ok, err := alone.TryLock(); err != nil || !ok {
		return fmt.Errorf("another run is measuring: locking %s: %v", alone, err)
	}
	defer alone.Close()
	l := lab{binaries: make(map[string]string)}
	for _, c := range cells {
		if l.binaries[c.version] != "" {
			continue
		}
		if l.binaries[c.version], err = realclaude.Install(ctx, c.version); err != nil {
			return err
		}
	}
	if l.afteryou, err = build(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(l.afteryou))
	keep := store{keptDir()}
	results, err := measure(ctx, l, cells, keep, *jobs)
	if err != nil {
		return err
	}
	if err := write(old.with(results), cells, keep); err != nil {
		return err
	}
	if lack := len(cells) - len(results); lack > 0 {
		return fmt.Errorf("%d of %d cells could not be measured; the next run measures them", lack, len(cells))
	}
	return os.RemoveAll(keep.path)
}

// lacking returns the cells that the table lacks, and those whose name again finds, if it is not empty.
func lacking(t Table, again string) ([]cell, error) {
	anew, err := regexp.Compile(again)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(matrix(versions), func(c cell) bool {
		return t.has(c) && (again == "" || !anew.MatchString(c.name()))
	}), nil
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

// measure gets the results of cells from where they are kept or by measuring. A cell that can't be measured is said, and
// has no result; the others go on.
func measure(ctx context.Context, l lab, cells []cell, keep store, jobs int) (results []Result, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	free := make(chan struct{}, jobs)
	for _, c := range cells {
		if r, ok := keep.load(c); ok {
			mu.Lock()
			results = append(results, r)
			done++
			mu.Unlock()
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
				if ctx.Err() == nil {
					fmt.Printf("%3d/%d  %-45s not measured: %.2000s\n", done, len(cells), c.name(), err.Error())
				}
				return
			}
			results = append(results, r)
			fmt.Printf("%3d/%d  %-45s %s\n", done, len(cells), c.name(), r.words())
		})
	}
	wg.Wait()
	return results, ctx.Err()
}
