package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// maxInput bounds what is read of Claude Code's description of a session.
const maxInput = 1 << 20

// runStatusline prints a segment for Claude Code's status line, behind what the person's own command prints. Whatever is
// wrong with our files, that line is printed.
func runStatusline(args []string, in, out, errs *os.File) (int, error) {
	if len(args) > 0 && isHelp(args[0]) {
		c, _ := lookup("statusline")
		fmt.Fprint(out, c.help())
		return 0, nil
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	input, err := io.ReadAll(io.LimitReader(in, maxInput))
	if err != nil {
		return exitFailure, fmt.Errorf("reading the session: %w", err)
	}
	var e struct {
		Session string `json:"session_id"`
	}
	_ = json.Unmarshal(input, &e) // of no session we know, there is nothing to say
	// The command runs while we look.
	var own bytes.Buffer
	var cmd *exec.Cmd
	start := func(args ...string) error {
		cmd = exec.Command(args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &own, errs
		return cmd.Start()
	}
	code := 0
	if len(args) > 0 {
		if len(args) == 1 && !isProgram(args[0]) {
			args = []string{"/bin/sh", "-c", args[0]}
		}
		err := start(args...)
		if errors.Is(err, syscall.ENOEXEC) { // a script without #!, which a shell would run too
			err = start(slices.Concat([]string{"/bin/sh"}, args)...)
		}
		if err != nil {
			return exitFailure, fmt.Errorf("starting your status line: %w", err)
		}
	}
	ours := ""
	if store, err := lockfile.Open(stateDir()); err == nil {
		guard.Run(func() {
			if v, err := store.View(); err == nil {
				v.Close()
				now := time.Now()
				v.State.Forget(now, lockfile.Alive)
				ours = segment(v.State, e.Session, now, wishes())
			}
		}, func(text string) { store.Log("statusline: %s", text) })
	}
	var broken error
	if cmd != nil {
		err := cmd.Wait()
		if code = cmd.ProcessState.ExitCode(); err != nil && code < 0 {
			code, broken = exitFailure, fmt.Errorf("running your status line: %w", err)
		}
	}
	line := strings.TrimRight(own.String(), "\r\n")
	switch {
	case line == "":
		line = ours
	case ours != "":
		line += " | " + ours
	}
	if line != "" {
		fmt.Fprintln(out, line)
	}
	return code, broken
}

// isProgram is whether text names a program or file as it stands, spaces and all.
func isProgram(text string) bool {
	if _, err := exec.LookPath(text); err == nil {
		return true
	}
	_, err := os.Stat(text)
	return err == nil
}

// segment says in a few words what a session waits for; nothing where it does not wait. A gateway's session has a pool for
// each class of models, and a limit may be known in several: of each kind the longest is shown, once.
func segment(s *turn.State, id string, now time.Time, rules turn.Rules) string {
	session := s.Sessions[id]
	if session == nil {
		return ""
	}
	place := ""
	var cool, usage time.Time
	for _, pool := range slices.Sorted(maps.Keys(s.Pools)) {
		p := s.Pools[pool]
		if pool != session.Pool && !(session.Gateway && strings.HasPrefix(pool, turn.ClassPool(session.Pool, ""))) {
			continue
		}
		for i, t := range p.Line(rules) {
			if t.Session == id && place == "" {
				place = fmt.Sprintf("turn %d of %d", i+1, len(p.Queue))
			}
		}
		if until, ok := p.Cooling(now); ok && until.After(cool) {
			cool = until
		}
		if p.Usage.Until.After(usage) {
			usage = p.Usage.Until
		}
	}
	var parts []string
	if place != "" {
		parts = append(parts, place)
	}
	if cool.After(now) {
		parts = append(parts, "limit "+span(cool.Sub(now).Seconds()))
	}
	if usage.After(now) {
		parts = append(parts, "usage limit until "+clock(usage, now))
	}
	return strings.Join(parts, " · ")
}
