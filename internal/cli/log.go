package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"afteryou/lockfile"
)

func logCommand() command {
	lines := 40
	return command{
		name: "log", args: "[--lines N]", summary: "which sessions a limit stopped, and how they went on",
		example: "afteryou log --lines 5",
		options: []option{number(&lines, "lines", 0, "print the last N lines; 0 prints all")},
		run:     func(c call) (int, error) { return printLog(c.text(), lines) },
	}
}

// printLog prints the last lines of our log: which sessions were stopped by which limit, when they went on, and what went
// wrong.
func printLog(out io.Writer, last int) (int, error) {
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
	if last > 0 && len(lines) > last {
		lines = lines[len(lines)-last:]
	}
	_, err = out.Write(bytes.Join(lines, nil))
	return 0, err
}
