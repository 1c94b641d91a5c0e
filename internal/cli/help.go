package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// overview is what afteryou --help prints.
func overview(all []command) string {
	var b strings.Builder
	b.WriteString("usage: afteryou COMMAND …\n\n")
	for _, c := range all {
		fmt.Fprintf(&b, "  %-11s %s\n", c.name, c.summary)
	}
	b.WriteString("\nafteryou COMMAND --help says more; afteryou --version says which this is.\nTo use it for every session: afteryou install, or alias claude='afteryou run --'\n")
	return b.String()
}

// help is what afteryou COMMAND --help prints.
func (c command) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s\n\n%s\n", strings.TrimSpace("afteryou "+c.usage()), sentence(c.summary))
	if c.about != "" {
		b.WriteString(wrapped(c.about, 80))
	}
	if len(c.options) > 0 {
		b.WriteByte('\n')
	}
	width := 0
	for _, o := range c.options {
		width = max(width, len(o.usage()))
	}
	for _, o := range c.options {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, o.usage(), o.tells())
	}
	fmt.Fprintf(&b, "\nexample: %s\n", c.example)
	return b.String()
}

func (c command) usage() string { return strings.TrimSpace(c.name + " " + c.args) }

func (o option) usage() string { return strings.TrimSpace("--" + o.name + " " + o.value) }

// tells is the line of help for the flag, with its default.
func (o option) tells() string {
	if o.unset == "" {
		return o.help
	}
	return fmt.Sprintf("%s (default %s)", o.help, o.unset)
}

// sentence is text with a capital and a full stop.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

// wrapped is text in lines of at most so many letters.
func wrapped(text string, width int) string {
	lines, line := "", ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > width {
			lines, line = lines+line+"\n", ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return lines + line + "\n"
}
