// Package notify tells a command of the user's own what happened to a session: that it goes on after a long wait, or that a budget is
// used up.
//
// Nothing waits for the command. A process of its own runs it (afteryou hook notify), which outlives whoever has something to tell,
// and ends the command after a while.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Note is what the command is told, as JSON on its standard input. Nothing is in it of what was said in the session.
type Note struct {
	Event      string    `json:"event"` // GoesOn or OverBudget
	Text       string    `json:"text"`  // for a person, in a line
	At         time.Time `json:"at"`
	Session    string    `json:"session,omitempty"`
	Dir        string    `json:"dir,omitempty"` // of the session, or of the budget
	Unattended bool      `json:"unattended"`    // -p, or an SDK
	Waited     float64   `json:"waited_seconds,omitempty"`
	Why        string    `json:"why,omitempty"` // the limit that it waited for
}

// What a note may be about.
const (
	GoesOn     = "goes_on"
	OverBudget = "over_budget"
)

// Longest is how long the command may run.
const Longest = 30 * time.Second

// Send hands a note to a process that runs the command, self with the arguments "hook notify". It returns once that has started.
func Send(self string, n Note) error {
	data, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("telling notify_command: %w", err)
	}
	r, w, err := os.Pipe() // it has room for a note
	if err != nil {
		return fmt.Errorf("telling notify_command: %w", err)
	}
	defer r.Close()
	if _, err := w.Write(data); err != nil {
		w.Close()
		return fmt.Errorf("telling notify_command: %w", err)
	}
	w.Close()
	// A shell between makes it nobody's child: Claude Code ends what descends from it when it ends.
	cmd := exec.Command("/bin/sh", "-c", `test -x "$0" && exec 3<&0 && { "$0" hook notify <&3 3<&- & }`, self)
	cmd.Stdin, cmd.Dir = r, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("telling notify_command: %w", err)
	}
	return nil
}

// Run runs the command in a shell, with the note that in holds, and ends it and what it started after [Longest]. It gets no
// credential that Claude Code's calls are made with, and what it prints is lost.
func Run(ctx context.Context, command string, in *os.File, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, Longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stdin, cmd.Env, cmd.WaitDelay = in, without(env), time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.New("it took too long")
	}
	if err != nil {
		return fmt.Errorf("notify_command: %w", err)
	}
	return nil
}

// without is an environment without what Claude Code pays with, and without what it tells its own programs.
func without(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		return slices.ContainsFunc([]string{"ANTHROPIC_", "CLAUDE", "AFTERYOU_", "AWS_", "GOOGLE_", "VERTEX_"}, func(prefix string) bool {
			return strings.HasPrefix(entry, prefix)
		})
	})
}
