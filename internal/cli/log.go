package cli

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"afteryou/lockfile"
)

// runLog prints the end of our log: which sessions were stopped by which limit, when they went on, and what went wrong.
func runLog(args []string, out, errs io.Writer) (int, error) {
	flags := flag.NewFlagSet("log", flag.ContinueOnError)
	last := flags.Int("lines", 40, "print the last `N` lines; 0 prints all")
	if code, ok := parse(flags, args, errs); !ok {
		return code, nil
	}
	store, err := lockfile.Open(stateDir())
	if err != nil {
		return exitFailure, err
	}
	var all []byte
	for _, name := range []string{"log.old", "log"} {
		data, err := os.ReadFile(filepath.Join(store.Dir(), name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return exitFailure, err
		}
		all = append(all, data...)
	}
	lines := bytes.SplitAfter(all, []byte("\n"))
	if len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	if n := *last; n > 0 && len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	_, err = out.Write(bytes.Join(lines, nil))
	return 0, err
}
