package install

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff shows the change as diff -u does, with what looks like a credential left out: it may end up in a log. Of a file that
// is ours as a whole it shows the name.
func (c Change) Diff() string {
	from, to := c.Path, c.Path
	switch {
	case c.tree:
		to = "no directory"
	case c.unlink:
		from, to = c.Path+" -> "+c.link, "no file"
	case c.old != "":
		from, to = c.Path+" -> "+c.old, c.Path+" -> "+c.link
	case c.link != "":
		from, to = "no file", c.Path+" -> "+c.link
	case c.was == nil:
		from = "no file"
	case c.will == nil:
		to = "no file"
	}
	head := fmt.Sprintf("--- %s\n+++ %s\n", from, to)
	if c.whole || c.tree || c.link != "" {
		return head
	}
	_, hunks, _ := strings.Cut(string(diff.Diff(from, c.was, to, c.will)), head)
	return head + hide(hunks)
}

func hide(text string) string {
	text = regexp.MustCompile(`("[^"]*(?i:key|token|secret|password|authorization)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"`).ReplaceAllString(text, `$1"…"`)
	return regexp.MustCompile(`sk-ant-[\w-]+`).ReplaceAllString(text, "sk-ant-…")
}
