// Package guard bounds what a panic costs: a line for the log and the function it came from, never the process. Go ends
// a program that panics with exit code 2, which Claude Code takes for a hook's word to block the prompt, and which takes
// the person's session down with the launcher.
//
// What the Go runtime throws (out of memory, a stack that overflows, a map written to by two at once) can't be caught.
package guard

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

const (
	maxFrames = 12  // of a stack, the innermost first
	maxValue  = 300 // bytes of what was panicked with
)

// Run calls f and reports whether it returned. Where f panicked instead, failed gets what happened and where, in one line.
// What f deferred is done by then: locks and files that it holds are its own business.
func Run(f func(), failed func(text string)) (ok bool) {
	defer func() {
		if value := recover(); value != nil {
			failed(describe(value))
		}
	}()
	f()
	return true
}

// Go calls Run in a goroutine of its own. All of hook, gateway and launcher start theirs by it.
func Go(f func(), failed func(text string)) { go Run(f, failed) }

// describe returns one line that says what a panic was and where. The function that recovered it must call it.
func describe(value any) string {
	what := fmt.Sprint(value)
	if len(what) > maxValue {
		what = what[:maxValue] + "…"
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	var at []string
	for panicked := false; len(at) < maxFrames; {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicked = true
		case panicked && !strings.HasPrefix(f.Function, "runtime."):
			at = append(at, fmt.Sprintf("%s (%s:%d)", path.Base(f.Function), path.Base(f.File), f.Line))
		}
		if !more {
			break
		}
	}
	return strings.ReplaceAll(fmt.Sprintf("panic: %s; in %s", what, strings.Join(at, " < ")), "\n", " ")
}
