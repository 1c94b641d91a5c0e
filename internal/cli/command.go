package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// command is one command of the command line. Help, completions and the manual page are made from it.
type command struct {
	name    string
	args    string // as help shows what may follow the name
	summary string // one line
	about   string // what more there is to know
	example string
	options []option
	words   []string // what an argument may be; nil: there are no arguments
	names   bool     // arguments behind the first word are names of things: the command checks them itself
	wraps   bool     // the first argument that is no option, and all after it, is another program's
	run     func(c call) (exit int, err error)
}

// commands are all there are, in the order in which they are told. None of them knows the list but by its call.
func commands() []command {
	return []command{
		runCommand(), execCommand(), statusCommand(), limitsCommand(), statuslineCommand(), usageCommand(), batchCommand(), logCommand(),
		installCommand(), uninstallCommand(), doctorCommand(), configCommand(), demoCommand(), hookCommand(),
		completionCommand(), manCommand(),
	}
}

type call struct {
	args          []string // without the options
	in, out, errs *os.File
	commands      []command // all there are
}

// text is the output for text that may come from elsewhere. It reaches the terminal as letters.
func (c call) text() io.Writer { return escaper{c.out} }

func (c call) say(err error) { say(c.errs, err) }

func (c call) note(format string, args ...any) {
	fmt.Fprintf(escaper{c.errs}, "afteryou: "+format+"\n", args...)
}

func (c call) json(v any) error {
	e := json.NewEncoder(c.text())
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func find(all []command, name string) (c command, ok bool) {
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i >= 0 {
		c = all[i]
	}
	return c, i >= 0
}

// accept checks the arguments of a command that wraps no other.
func (c command) accept(args []string) error {
	i := slices.IndexFunc(args, func(arg string) bool { return !slices.Contains(c.words, arg) })
	switch {
	case i < 0 || c.wraps || c.names && i > 0:
		return nil
	case c.words == nil:
		return fmt.Errorf("%s takes no argument %q", c.name, args[i])
	}
	return fmt.Errorf("%s takes no argument %q; there are %s", c.name, args[i], strings.Join(c.words, ", "))
}
