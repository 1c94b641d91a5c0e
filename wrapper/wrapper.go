// Package wrapper is Claude Code's terminal: a pane of glass between the program and the user's terminal.
//
// The program runs in a pty of its own. What it prints is written to the user's terminal as it comes, what is typed is
// written to the pty as it comes, and size, signals, stops, hang-ups and the end are passed on, so that nobody can tell
// it from the program run directly. A copy of both streams can be read on the side. The package draws nothing,
// interprets nothing and changes no byte; it knows nothing of rate limits or of Claude Code.
//
// Three processes take part. This one stays in the shell's job and owns the user's terminal: the shell must see it stop
// and end. The program is in a session whose terminal is the pty. Between them stands a [Monitor], this executable
// started again, because the kernel stops a program at ^Z only if its process group has a parent in the same session,
// as a shell would be; a program that is itself the leader of the new session could never be stopped from the keyboard.
//
// What it does not do: keys typed ahead that the program never read are not given back to the shell; what a grandchild
// prints after the program's end is not shown, and its terminal is hung up; a signal that this process had ignored when
// it was started stays ignored in the program only for SIGHUP, SIGINT and the job control signals, because the Go runtime
// replaces the rest before anyone can look; and SIGTSTP sent to us from outside stops us alone, for a Go program that has
// once caught it could no longer stop by it.
package wrapper

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Command says what to start: Claude Code, or a test program in its place.
type Command struct {
	Path string   // the executable; not looked up on PATH
	Args []string // with argv[0]
	Env  []string // nil: ours
	Dir  string   // "": ours
}

func (c Command) env() []string {
	if c.Env == nil {
		return os.Environ()
	}
	return c.Env
}

// Options say where the program is shown and who reads along.
type Options struct {
	// In and Out are the user's terminal, usually os.Stdin and os.Stdout. Both must be the same terminal.
	In, Out *os.File

	// Err becomes the program's standard error if it is anything but the user's terminal (2>log). Nil: the pty.
	Err *os.File

	// Watch gets a copy of what the program prints, in order, always from the same goroutine. The slice is the
	// watcher's until it returns. A slow watcher never slows the program: up to 1 MiB waits for it, then the copy,
	// and only the copy, loses data, and Watch(nil) is called in the place of what was lost. Nil: no copy.
	Watch func(p []byte)

	// Keys gets a copy of what the person types, not of what Type types, by the same rules.
	Keys func(p []byte)

	// Failed is told of a panic in any goroutine of the session, in one line. Where Watch or Keys panics it is not called
	// again. Nil: nobody is told.
	Failed func(text string)
}

// Status tells how a program ended.
type Status struct {
	Code   int            // the exit code, if Signal is 0
	Signal syscall.Signal // the signal it died of; 0: it exited

	byKey bool // ^C or ^\, typed on its pty: nobody but the program has got the signal yet
}

// ExitCode returns the code that a shell would show: the exit code, or 128+n for death by signal n.
func (s Status) ExitCode() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

// Die ends this process by the signal that the program died of. So a shell sees of us what it would have seen of the
// program: after a death by SIGINT a loop ends, after an exit with 130 it goes on. A script in our process group gets
// the signal of a key too, as it would from the terminal. Die returns if the program exited, or after a second if we can't
// die of the signal.
func (s Status) Die() {
	if s.Signal == 0 {
		return
	}
	signal.Reset(s.Signal) // the runtime would set its own handler again
	setDefault(s.Signal)
	pid := syscall.Getpid()
	if s.byKey {
		pid = 0
	}
	_ = syscall.Kill(pid, s.Signal) // we may signal ourselves
	time.Sleep(time.Second)         // another thread may be the one that gets it
}

// Exec replaces this process by the program: no pty, no copies, bytes untouched. It returns only where that fails, with the
// reason.
func Exec(cmd Command) error {
	if cmd.Dir != "" {
		if err := os.Chdir(cmd.Dir); err != nil {
			return err
		}
	}
	if err := syscall.Exec(cmd.Path, cmd.Args, cmd.env()); err != nil {
		return fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return nil
}
