package cli

import (
	"errors"
	"fmt"
	"strings"

	"afteryou/internal/claude"
)

func completionCommand() command {
	return command{
		name: "completion", args: "bash|zsh|fish", summary: "completions for a shell",
		example: "source <(afteryou completion bash)",
		words:   []string{"bash", "zsh", "fish"},
		run: func(c call) (int, error) {
			if len(c.args) != 1 {
				return exitUsage, errors.New("completion takes the name of a shell: bash, zsh, fish")
			}
			_, err := fmt.Fprint(c.out, completions(c.args[0], c.commands))
			return 0, err
		},
	}
}

// completions is the script for a shell that we know.
func completions(shell string, all []command) string {
	switch shell {
	case "zsh":
		return zshCompletion(all)
	case "fish":
		return fishCompletion(all)
	}
	return bashCompletion(all)
}

// follow is what may follow a command.
func (c command) follow() string {
	list := append([]string(nil), c.words...)
	for _, o := range c.options {
		list = append(list, "--"+o.name)
	}
	return strings.Join(append(list, "--help"), " ")
}

func bashCompletion(all []command) string {
	var b strings.Builder
	b.WriteString("# completions of afteryou for bash\n_afteryou() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n\tCOMPREPLY=()\n")
	b.WriteString("\tif ((COMP_CWORD == 1)); then\n\t\twords=\"")
	for _, c := range all {
		b.WriteString(c.name + " ")
	}
	b.WriteString("--help --version\"\n\telse\n\t\tcase ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]} in\n")
	for _, c := range all {
		for _, o := range c.options {
			switch {
			case o.words != nil:
				fmt.Fprintf(&b, "\t\t%s:--%s) words=\"%s\" ;;\n", c.name, o.name, strings.Join(o.words, " "))
			case o.value != "":
				fmt.Fprintf(&b, "\t\t%s:--%s) return ;;\n", c.name, o.name)
			}
		}
		fmt.Fprintf(&b, "\t\t%s:*) words=\"%s\" ;;\n", c.name, c.follow())
	}
	b.WriteString("\t\tesac\n\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _afteryou afteryou\n")
	return b.String()
}

func zshCompletion(all []command) string {
	var b strings.Builder
	b.WriteString("#compdef afteryou\n# completions of afteryou for zsh\n_afteryou() {\n\tif ((CURRENT == 2)); then\n\t\tlocal -a list=(\n")
	for _, c := range all {
		fmt.Fprintf(&b, "\t\t\t%s\n", claude.Quote(c.name+":"+strings.ReplaceAll(c.summary, ":", `\:`)))
	}
	b.WriteString("\t\t)\n\t\t_describe command list\n\t\treturn\n\tfi\n\tlocal command=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $command in\n")
	for _, c := range all {
		fmt.Fprintf(&b, "\t%s)\n\t\t_arguments '--help[say more]'", c.name)
		for _, o := range c.options {
			spec := "--" + o.name + "[" + strings.NewReplacer("[", `\[`, "]", `\]`).Replace(o.help) + "]"
			switch {
			case o.words != nil:
				spec += fmt.Sprintf(":%s:(%s)", o.name, strings.Join(o.words, " "))
			case o.value == "DIR":
				spec += ":directory:_directories"
			case o.value == "PATH":
				spec += ":file:_files"
			case o.value != "":
				spec += ":" + o.name + ": "
			}
			b.WriteString(" \\\n\t\t\t" + claude.Quote(spec))
		}
		if c.words != nil {
			fmt.Fprintf(&b, " \\\n\t\t\t'*:what:(%s)'", strings.Join(c.words, " "))
		}
		b.WriteString("\n\t\t;;\n")
	}
	b.WriteString("\tesac\n}\nif [ \"$funcstack[1]\" = _afteryou ]; then _afteryou \"$@\"; else compdef _afteryou afteryou; fi\n")
	return b.String()
}

func fishCompletion(all []command) string {
	var b strings.Builder
	b.WriteString("# completions of afteryou for fish\ncomplete -c afteryou -f\n")
	for _, c := range all {
		fmt.Fprintf(&b, "complete -c afteryou -n __fish_use_subcommand -a %s -d %s\n", c.name, claude.Quote(c.summary))
		seen := "complete -c afteryou -n '__fish_seen_subcommand_from " + c.name + "'"
		if c.words != nil {
			fmt.Fprintf(&b, "%s -a '%s'\n", seen, strings.Join(c.words, " "))
		}
		for _, o := range c.options {
			fmt.Fprintf(&b, "%s -l %s -d %s", seen, o.name, claude.Quote(o.help))
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
