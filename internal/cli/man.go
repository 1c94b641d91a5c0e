package cli

import (
	"fmt"
	"strings"

	"afteryou/internal/config"
)

func manCommand() command {
	return command{
		name: "man", summary: "the manual page",
		example: "afteryou man | man -l -",
		run: func(c call) (int, error) {
			_, err := fmt.Fprint(c.out, manual(c.commands))
			return 0, err
		},
	}
}

// manual is the manual page in the language of man(7).
func manual(all []command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH AFTERYOU 1 \"\" \"afteryou %s\"\n", roff(version()))
	b.WriteString(".SH NAME\nafteryou \\- let several Claude Code sessions share one rate limit\n.SH SYNOPSIS\n.B afteryou\n.I COMMAND\n\\&...\n" +
		".SH DESCRIPTION\nClaude Code sessions that share an account take turns at its API, and when one of them is told to wait, all of them do, and go on by themselves.\n.SH COMMANDS\n")
	entry := func(font, term, text string) {
		fmt.Fprintf(&b, ".TP\n.%s %s\n%s\n", font, roff(term), roff(text))
	}
	for _, c := range all {
		fmt.Fprintf(&b, ".SS %s\n%s\n", roff(c.usage()), roff(sentence(c.summary)))
		if c.about != "" {
			b.WriteString(roff(c.about) + "\n")
		}
		for _, o := range c.options {
			entry("B", o.usage(), o.tells())
		}
		fmt.Fprintf(&b, ".PP\nExample:\n.PP\n.EX\n%s\n.EE\n", roff(c.example))
	}
	b.WriteString(".SH EXIT STATUS\nThat of Claude Code for run, of the command for exec; else 0, 1 when something failed or is broken, 64 for a wrong command line or setting, 75 for limits where the API is limited, and for run with -p where a budget is used up.\n")
	b.WriteString(".SH ENVIRONMENT\nEach setting is a flag of run and exec, a variable, and an entry of config.toml. A flag counts before the environment, and that before the file. In the file its name has underscores and small letters.\n")
	for _, s := range config.Table() {
		name := s.Variable()
		if s.Private {
			name = s.Name + ", in the file alone"
		}
		entry("B", name, settingOption(s).tells())
	}
	entry("B", "ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, CLAUDE_CODE_OAUTH_TOKEN", "whose limit a session shares, and as whom limits asks")
	entry("B", "ANTHROPIC_BASE_URL", "where the API is; the gateway stands before it")
	entry("B", "CLAUDE_CODE_RETRY_WATCHDOG", "run sets it to 1 unless it is set: Claude Code waits out a limit of any length")
	entry("B", "CLAUDE_CONFIG_DIR", "Claude Code's own directory, ~/.claude unless it is set")
	entry("B", "XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME", "where the files below are, instead of ~/.config, ~/.local/state and ~/.cache")
	b.WriteString(".SH FILES\n")
	entry("I", "~/.config/afteryou/config.toml", "the settings")
	entry("I", "~/.local/state/afteryou", "the state that sessions share, its lock, and a log")
	entry("I", "~/.cache/afteryou", "which version Claude Code is")
	entry("I", "~/.claude/settings.json", "Claude Code's settings, into which install puts hooks")
	return b.String()
}

// roff is text as it may stand in a line of a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\&...`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
