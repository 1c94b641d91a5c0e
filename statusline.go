package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"afteryou/lockfile"
	"afteryou/turn"
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
	if len(args) == 1 {
		cmd = exec.Command("/bin/sh", "-c", args[0])
	} else if len(args) > 1 {
		cmd = exec.Command(args[0], args[1:]...)
	}
	code := 0
	if cmd != nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &own, errs
		if err := cmd.Start(); err != nil {
			return exitFailure, fmt.Errorf("starting your status line: %w", err)
		}
	}
	ours := ""
	if store, err := lockfile.Open(stateDir()); err == nil {
		if v, err := store.View(); err == nil {
			v.Close()
			now := time.Now()
			v.State.Forget(now, lockfile.Alive)
			ours = segment(v.State, e.Session, now, wishes())
		}
	}
	if cmd != nil {
		if err := cmd.Wait(); cmd.ProcessState == nil || err != nil && cmd.ProcessState.ExitCode() < 0 {
			return exitFailure, fmt.Errorf("running your status line: %w", err)
		}
		code = cmd.ProcessState.ExitCode()
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
	return code, nil
}

// segment says in a few words what a session waits for; nothing where it does not wait.
func segment(s *turn.State, id string, now time.Time, rules turn.Rules) string {
	session := s.Sessions[id]
	if session == nil {
		return ""
	}
	var parts []string
	for pool, p := range s.Pools {
		if pool != session.Pool && !(session.Gateway && strings.HasPrefix(pool, turn.ClassPool(session.Pool, ""))) {
			continue
		}
		for i, t := range p.Line(rules) {
			if t.Session == id {
				parts = append(parts, fmt.Sprintf("turn %d of %d", i+1, len(p.Queue)))
				break
			}
		}
		if until, ok := p.Cooling(now); ok {
			parts = append(parts, fmt.Sprintf("limit %s", span(until.Sub(now).Seconds())))
		}
		if p.Usage.Until.After(now) {
			parts = append(parts, "usage limit until "+clock(p.Usage.Until, now))
		}
	}
	return strings.Join(parts, " · ")
}
