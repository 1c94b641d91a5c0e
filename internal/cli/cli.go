// Package cli is the command line of afteryou: commands, paths, messages and exit codes.
package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"afteryou/internal/typo"
	"afteryou/wrapper"
)

// Main does what the command line says and returns the exit code.
func Main(args []string, in, out, errs *os.File) int {
	if wrapper.Monitor() {
		return 0
	}
	code, err := dispatch(args, in, out, errs)
	if err != nil {
		say(errs, err)
	}
	return code
}

// say writes a message for the person: one line, and a hint on a line of its own where there is one.
func say(w io.Writer, err error) { fmt.Fprintf(escaper{w}, "afteryou: %v\n", err) }

// Exit codes of our own, beside those of Claude Code (sysexits.h for the last ones).
const (
	exitFailure = 1
	exitWake    = 2 // of the hook, to Claude Code
	exitUsage   = 64
	exitLimited = 75 // of limits: the API is limited now (EX_TEMPFAIL)
)

// dispatch runs the command that the command line names and returns the exit code.
func dispatch(args []string, in, out, errs *os.File) (int, error) {
	c := call{in: in, out: out, errs: errs, commands: commands()}
	if filepath.Base(args[0]) == "claude" {
		c.args = args[1:]
		return launchClaude(c, nil, false)
	}
	if len(args) < 2 {
		fmt.Fprint(errs, overview(c.commands))
		return exitUsage, nil
	}
	name, rest := args[1], args[2:]
	forHelp := name == "help" || isHelp(name)
	if forHelp && len(rest) > 0 && !isHelp(rest[0]) && rest[0] != "help" {
		forHelp, name, rest = false, rest[0], []string{"--help"}
	}
	switch {
	case forHelp:
		fmt.Fprint(out, overview(c.commands))
		return 0, nil
	case slices.Contains([]string{"-v", "--version", "version"}, name):
		fmt.Fprintln(out, "afteryou", version())
		return 0, nil
	}
	one, ok := find(c.commands, name)
	if !ok {
		return exitUsage, c.unknown(name)
	}
	var help bool
	var err error
	if c.args, help, err = one.parse(rest); err == nil && !help {
		err = one.accept(c.args)
	}
	switch {
	case err != nil:
		return exitUsage, err
	case help:
		fmt.Fprint(out, one.help())
		return 0, nil
	}
	return one.run(c)
}

// unknown is the error for a word in the place of the command.
func (c call) unknown(word string) error {
	kind, known := "flag", []string{"--help", "--version"}
	if !strings.HasPrefix(word, "-") {
		kind, known = "command", []string{"help", "version"}
		for _, one := range c.commands {
			known = append(known, one.name)
		}
	}
	return typo.Unknown(kind, word, known, "\nhint: afteryou --help shows what there is")
}
