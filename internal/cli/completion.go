package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// runCompletion prints the completions for a shell.
func runCompletion(args []string, out, errs io.Writer) (int, error) {
	c, _ := lookup("completion")
	if len(args) == 1 && isHelp(args[0]) {
		fmt.Fprint(out, c.help())
		return 0, nil
	}
	if len(args) == 1 && slices.Contains(c.words, args[0]) {
		fmt.Fprint(out, completions(args[0]))
		return 0, nil
	}
	return exitUsage, fmt.Errorf("completion takes the name of a shell: %s", strings.Join(c.words, ", "))
}

// completions is the script for a shell that we know.
func completions(shell string) string {
	switch shell {
	case "zsh":
		return zshCompletion()
	case "fish":
		return fishCompletion()
	}
	return bashCompletion()
}

// runMan prints the manual page.
func runMan(args []string, out, errs io.Writer) (int, error) {
	if len(args) == 1 && isHelp(args[0]) {
		c, _ := lookup("man")
		fmt.Fprint(out, c.help())
		return 0, nil
	}
	if len(args) > 0 {
		return exitUsage, fmt.Errorf("man takes no argument %q", args[0])
	}
	fmt.Fprint(out, manual())
	return 0, nil
}

// all is what may follow a command.
func (c command) all() string {
	list := append([]string(nil), c.words...)
	for _, o := range c.options {
		list = append(list, "--"+o.name)
	}
	return strings.Join(append(list, "--help"), " ")
}

func bashCompletion() string {
	var b strings.Builder
	b.WriteString("# completions of afteryou for bash\n_afteryou() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n\tCOMPREPLY=()\n")
	b.WriteString("\tif ((COMP_CWORD == 1)); then\n\t\twords=\"")
	for _, c := range allCommands() {
		b.WriteString(c.name + " ")
	}
	b.WriteString("--help --version\"\n\telse\n\t\tcase ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]} in\n")
	for _, c := range allCommands() {
		for _, o := range c.options {
			switch {
			case o.words != nil:
				fmt.Fprintf(&b, "\t\t%s:--%s) words=\"%s\" ;;\n", c.name, o.name, strings.Join(o.words, " "))
			case o.value != "":
				fmt.Fprintf(&b, "\t\t%s:--%s) return ;;\n", c.name, o.name)
			}
		}
		fmt.Fprintf(&b, "\t\t%s:*) words=\"%s\" ;;\n", c.name, c.all())
	}
	b.WriteString("\t\tesac\n\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _afteryou afteryou\n")
	return b.String()
}

// inQuotes is text as it may stand between single quotes of zsh and fish.
func inQuotes(text string) string { return strings.ReplaceAll(text, "'", `'\''`) }

func zshCompletion() string {
	var b strings.Builder
	b.WriteString("#compdef afteryou\n# completions of afteryou for zsh\n_afteryou() {\n\tif ((CURRENT == 2)); then\n\t\tlocal -a list=(\n")
	for _, c := range allCommands() {
		fmt.Fprintf(&b, "\t\t\t'%s:%s'\n", c.name, inQuotes(strings.ReplaceAll(c.summary, ":", `\:`)))
	}
	b.WriteString("\t\t)\n\t\t_describe command list\n\t\treturn\n\tfi\n\tlocal command=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $command in\n")
	for _, c := range allCommands() {
		fmt.Fprintf(&b, "\t%s)\n\t\t_arguments '--help[say more]'", c.name)
		for _, o := range c.options {
			fmt.Fprintf(&b, " \\\n\t\t\t'--%s[%s]", o.name, inQuotes(strings.NewReplacer("[", `\[`, "]", `\]`).Replace(o.help)))
			switch {
			case o.words != nil:
				fmt.Fprintf(&b, ":%s:(%s)", o.name, strings.Join(o.words, " "))
			case o.value == "DIR":
				b.WriteString(":directory:_directories")
			case o.value == "PATH":
				b.WriteString(":file:_files")
			case o.value != "":
				fmt.Fprintf(&b, ":%s: ", o.name)
			}
			b.WriteByte('\'')
		}
		if c.words != nil {
			fmt.Fprintf(&b, " \\\n\t\t\t'*:what:(%s)'", strings.Join(c.words, " "))
		}
		b.WriteString("\n\t\t;;\n")
	}
	b.WriteString("\tesac\n}\nif [ \"$funcstack[1]\" = _afteryou ]; then _afteryou \"$@\"; else compdef _afteryou afteryou; fi\n")
	return b.String()
}

func fishCompletion() string {
	var b strings.Builder
	b.WriteString("# completions of afteryou for fish\ncomplete -c afteryou -f\n")
	for _, c := range allCommands() {
		fmt.Fprintf(&b, "complete -c afteryou -n __fish_use_subcommand -a %s -d '%s'\n", c.name, inQuotes(c.summary))
		seen := "complete -c afteryou -n '__fish_seen_subcommand_from " + c.name + "'"
		if c.words != nil {
			fmt.Fprintf(&b, "%s -a '%s'\n", seen, strings.Join(c.words, " "))
		}
		for _, o := range c.options {
			fmt.Fprintf(&b, "%s -l %s -d '%s'", seen, o.name, inQuotes(o.help))
			switch {
			case o.words != nil:
				fmt.Fprintf(&b, " -x -a '%s'", strings.Join(o.words, " "))
			case o.value == "DIR" || o.value == "PATH":
				b.WriteString(" -r -F")
			case o.value != "":
				b.WriteString(" -x")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// manual is the manual page in the language of man(7).
func manual() string {
	var b strings.Builder
	text := func(s string) string {
		s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\&...`, "'", `\(aq`).Replace(s)
		if strings.HasPrefix(s, ".") {
			s = `\&` + s
		}
		return s
	}
	b.WriteString(".TH AFTERYOU 1\n.SH NAME\nafteryou \\- let several Claude Code sessions share one rate limit\n.SH SYNOPSIS\n.B afteryou\n.I COMMAND\n\\&...\n" +
		".SH DESCRIPTION\nClaude Code sessions that share an account take turns at its API, and when one of them is told to wait, all of them do, and go on by themselves.\n.SH COMMANDS\n")
	for _, c := range allCommands() {
		fmt.Fprintf(&b, ".SS %s\n", text(strings.TrimSpace(c.name+" "+c.args)))
		fmt.Fprintf(&b, "%s.\n", text(strings.ToUpper(c.summary[:1])+c.summary[1:]))
		if c.about != "" {
			b.WriteString(text(c.about) + "\n")
		}
		for _, o := range c.options {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", text(strings.TrimSpace("--"+o.name+" "+o.value)), text(o.help))
		}
		fmt.Fprintf(&b, ".PP\nExample:\n.PP\n.EX\n%s\n.EE\n", text(c.example))
	}
	b.WriteString(".SH SETTINGS\nThe flags of run stand also in config.toml and, in upper case behind AFTERYOU_, in the environment; a flag beats the environment, and that the file. A dash in a flag is an underscore there.\n")
	b.WriteString(".SH EXIT STATUS\nThat of Claude Code for run; else 0, 1 when something failed or is broken, 64 for a wrong command line or setting, 75 for limits where the API is limited.\n")
	b.WriteString(".SH FILES\n.TP\n.I ~/.config/afteryou/config.toml\nthe settings\n.TP\n.I ~/.local/state/afteryou\nthe state that sessions share, and a log\n")
	return b.String()
}
