package install

import (
	"fmt"
	"regexp"
	"strings"
)

// Diff shows the change as diff -U1 does, with what looks like a credential left out. Of a file that is ours as a whole
// it shows the name.
func (c Change) Diff() string {
	switch {
	case c.unlink:
		return fmt.Sprintf("--- %s -> %s\n+++ no file\n", c.Path, c.link)
	case c.link != "":
		return fmt.Sprintf("--- no file\n+++ %s -> %s\n", c.Path, c.link)
	}
	from, to := c.Path, c.Path
	if c.was == nil {
		from = "no file"
	}
	if c.will == nil {
		to = "no file"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", from, to)
	if c.whole {
		return b.String()
	}
	for _, line := range hunks(lines(c.was), lines(c.will)) {
		line = hide(line)
		b.WriteString(strings.TrimSuffix(line, "\n"))
		b.WriteByte('\n')
		if line[0] != '@' && !strings.HasSuffix(line, "\n") {
			b.WriteString("\\ no line end\n")
		}
	}
	return b.String()
}

// hide leaves out what looks like a credential: the diff may end up in a log.
func hide(line string) string {
	line = regexp.MustCompile(`("[^"]*(?i:key|token|secret|password|authorization)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"`).ReplaceAllString(line, `$1"…"`)
	return regexp.MustCompile(`sk-ant-[\w-]+`).ReplaceAllString(line, "sk-ant-…")
}

func lines(data []byte) (list []string) {
	for line := range strings.Lines(string(data)) {
		list = append(list, line)
	}
	return list
}

// step is one line of a diff: ' ' stays, '-' goes, '+' comes.
type step struct {
	kind byte
	line string
}

// hunks are the lines of a diff with one line around each difference.
func hunks(a, b []string) (out []string) {
	steps := compare(a, b)
	shown := make([]bool, len(steps))
	for i, s := range steps {
		if s.kind != ' ' {
			for j := max(0, i-1); j <= min(len(steps)-1, i+1); j++ {
				shown[j] = true
			}
		}
	}
	oldLine, newLine := 1, 1
	for i, s := range steps {
		if shown[i] {
			if i == 0 || !shown[i-1] {
				var olds, news int
				for j := i; j < len(steps) && shown[j]; j++ {
					if steps[j].kind != '+' {
						olds++
					}
					if steps[j].kind != '-' {
						news++
					}
				}
				// A side without lines stands before its place, as diff has it.
				out = append(out, fmt.Sprintf("@@ -%d,%d +%d,%d @@\n", oldLine-btoi(olds == 0), olds, newLine-btoi(news == 0), news))
			}
			out = append(out, string(s.kind)+s.line)
		}
		if s.kind != '+' {
			oldLine++
		}
		if s.kind != '-' {
			newLine++
		}
	}
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compare finds the longest common subsequence, after what both have in common at their ends. Our changes are small, so
// what is left of one side is too; beyond a bound the rest is shown as replaced.
func compare(a, b []string) (steps []step) {
	var tail []step
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		steps = append(steps, step{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, step{' ', a[len(a)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	// most[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	var most [][]int
	if len(a)*len(b) <= 4<<20 {
		most = make([][]int, len(a)+1)
		for i := range most {
			most[i] = make([]int, len(b)+1)
		}
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					most[i][j] = most[i+1][j+1] + 1
				} else {
					most[i][j] = max(most[i+1][j], most[i][j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && most != nil && a[i] == b[j]:
			steps = append(steps, step{' ', a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || most == nil || most[i+1][j] >= most[i][j+1]):
			steps = append(steps, step{'-', a[i]})
			i++
		default:
			steps = append(steps, step{'+', b[j]})
			j++
		}
	}
	for len(tail) > 0 {
		steps = append(steps, tail[len(tail)-1])
		tail = tail[:len(tail)-1]
	}
	return steps
}
