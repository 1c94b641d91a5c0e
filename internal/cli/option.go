package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"afteryou/internal/typo"
)

// option is a flag of a command. Parsing, help, completions and the manual page are made from it.
type option struct {
	name  string
	value string // what stands for its value in help; empty: it is a switch
	help  string
	unset string                 // what it is without the flag, as help shows it; empty: not shown
	takes string                 // what its value may be, for whoever gave another
	words []string               // values that are words
	set   func(text string) bool // reports whether it takes the value
}

func toggle(on *bool, name, help string) option {
	return option{name: name, help: help, takes: "true or false", set: func(text string) bool {
		var err error
		*on, err = strconv.ParseBool(text)
		return err == nil
	}}
}

// jsonToggle is the switch of all commands that can print for a program.
func jsonToggle(on *bool) option {
	return toggle(on, "json", "print JSON; fields may be added, and none is taken away or renamed")
}

func text(s *string, name, value, help string) option {
	return option{name: name, value: value, help: help, set: func(text string) bool { *s = text; return true }}
}

// number is an option of a number or a time from least on. What n holds is its default; 0 is not told.
func number[T int | float64 | time.Duration](n *T, name string, least T, help string) option {
	o := option{name: name, value: "N", help: help, unset: fmt.Sprint(*n), takes: fmt.Sprint("a number from ", least)}
	var parse func(text string) error
	switch n := any(n).(type) {
	case *int:
		o.takes = fmt.Sprint("a whole number from ", least)
		parse = func(text string) (err error) { *n, err = strconv.Atoi(text); return err }
	case *float64:
		parse = func(text string) (err error) { *n, err = strconv.ParseFloat(text, 64); return err }
	case *time.Duration:
		o.value, o.unset = "DURATION", strings.TrimSuffix(n.String(), "0m0s") // of whole hours
		o.takes = fmt.Sprintf("a duration from %v, such as %s", least, o.unset)
		parse = func(text string) (err error) { *n, err = time.ParseDuration(text); return err }
	}
	if *n == 0 {
		o.unset = ""
	}
	o.set = func(text string) bool { return parse(text) == nil && *n >= least }
	return o
}

func isHelp(arg string) bool { return arg == "-h" || arg == "--help" || arg == "-help" || arg == "--h" }

// parse takes the options off the arguments of a command and sets them. It returns the arguments that are left, or that
// they ask for help.
func (c command) parse(args []string) (rest []string, help bool, err error) {
	if c.wraps && len(args) == 1 && isHelp(args[0]) {
		return nil, true, nil
	}
	for len(args) > 0 {
		arg := args[0]
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		o, known := c.option(name)
		switch {
		case arg == "--":
			return append(rest, args[1:]...), false, nil
		case c.wraps && (!known || !strings.HasPrefix(arg, "--")):
			return args, false, nil
		case len(arg) < 2 || arg[0] != '-':
			rest, args = append(rest, arg), args[1:]
			continue
		case isHelp(arg):
			return nil, true, nil
		case !known:
			return nil, false, c.unknown(arg)
		}
		args = args[1:]
		switch {
		case given:
		case o.value == "":
			value = "true"
		case len(args) == 0:
			return nil, false, fmt.Errorf("--%s needs a value", name)
		default:
			value, args = args[0], args[1:]
		}
		if !o.set(value) {
			return nil, false, fmt.Errorf("--%s is %q; it takes %s", name, value, o.takes)
		}
	}
	return rest, false, nil
}

func (c command) option(name string) (o option, known bool) {
	i := slices.IndexFunc(c.options, func(o option) bool { return o.name == name })
	if i >= 0 {
		o = c.options[i]
	}
	return o, i >= 0
}

func (c command) unknown(arg string) error {
	known := []string{"--help"}
	for _, o := range c.options {
		known = append(known, "--"+o.name)
	}
	name, _, _ := strings.Cut(arg, "=")
	return typo.Unknown("flag", name, known, fmt.Sprintf("\nhint: afteryou %s --help shows what there is", c.name))
}
