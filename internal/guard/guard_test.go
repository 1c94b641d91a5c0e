package guard

import (
	"regexp"
	"strings"
	"testing"
)

// nowhere goes wrong as policy does: by what a state holds.
func nowhere(list []int, at int) int { return list[at] }

func note(in map[string]int) { in["a"] = 1 }

func TestAPanicIsOneLineThatSaysWhatAndWhere(t *testing.T) {
	var said []string
	failed := func(text string) { said = append(said, text) }
	if !Run(func() {}, failed) || said != nil {
		t.Errorf("Run of what returns says %q", said)
	}
	for name, c := range map[string]struct {
		f    func()
		want string
	}{
		"an index":     {func() { nowhere(nil, 1-2) }, `^panic: runtime error: index out of range \[-1\]; in guard\.nowhere \(guard_test\.go:10\) < guard\.`},
		"a nil map":    {func() { note(nil) }, `^panic: assignment to entry in nil map; in guard\.note \(guard_test\.go:\d+\) < guard\.`},
		"nil":          {func() { panic(nil) }, `^panic: panic called with nil`},
		"lines":        {func() { panic("a\nb") }, `^panic: a b; in guard\.`},
		"a long value": {func() { panic(strings.Repeat("x", 1000)) }, `^panic: x{300}…; in guard\.`},
	} {
		said = nil
		if Run(c.f, failed) || len(said) != 1 || !regexp.MustCompile(c.want).MatchString(said[0]) || strings.Contains(said[0], "\n") {
			t.Errorf("Run of a panic with %s says %q, want %s", name, said, c.want)
		}
	}
}

func TestAPanicInAGoroutineIsToldAndEndsIt(t *testing.T) {
	said := make(chan string)
	Go(func() { nowhere(nil, 0) }, func(text string) { said <- text })
	if text := <-said; !strings.Contains(text, "guard.nowhere") {
		t.Errorf("Go tells %q", text)
	}
}
