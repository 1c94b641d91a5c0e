package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

func statuslineCommand() command {
	return command{
		name: "statusline", args: "[--] [COMMAND [ARGS…]]", summary: "a segment for Claude Code's status line: turn 2 of 4 · limit 34s",
		about:   "COMMAND is the status line that you have: it gets its input, and the segment comes behind what it prints. It is run as it stands, without a shell; but one word that names no program is a line for /bin/sh. Without a turn or limit to wait for there is no segment. Without a refreshInterval Claude Code asks for a new line when the conversation goes on, and not while it waits.",
		example: `{"statusLine":{"type":"command","command":"afteryou statusline -- ~/line.sh","refreshInterval":1}}`,
		wraps:   true, run: printStatusline,
	}
}

// maxInput bounds what is read of Claude Code's description of a session.
const maxInput = 1 << 20

// printStatusline prints a segment for Claude Code's status line, behind what the person's own command prints. Whatever is
// wrong with our files, that line is printed.
func printStatusline(c call) (int, error) {
	input, err := io.ReadAll(io.LimitReader(c.in, maxInput))
	if err != nil {
		return exitFailure, fmt.Errorf("reading the session: %w", err)
	}
	var own bytes.Buffer
	var cmd *exec.Cmd // it runs while we look
	if len(c.args) > 0 {
		if cmd, err = startOwn(c.args, input, &own, c.errs); err != nil {
			return exitFailure, fmt.Errorf("starting your status line: %w", err)
		}
	}
	ours := segmentFor(input)
	code := 0
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
		fmt.Fprintln(c.out, line)
	}
	return code, broken
}

func startOwn(args []string, input []byte, out, errs io.Writer) (*exec.Cmd, error) {
	if len(args) == 1 && !isProgram(args[0]) {
		args = []string{"/bin/sh", "-c", args[0]}
	}
	start := func(args ...string) (*exec.Cmd, error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), out, errs
		return cmd, cmd.Start()
	}
	cmd, err := start(args...)
	if errors.Is(err, syscall.ENOEXEC) { // a script without #!, which a shell would run too
		return start(slices.Concat([]string{"/bin/sh"}, args)...)
	}
	return cmd, err
}

// isProgram is whether text names a program or file as it stands, spaces and all.
func isProgram(text string) bool {
	if _, err := exec.LookPath(text); err == nil {
		return true
	}
	_, err := os.Stat(text)
	return err == nil
}

// described is what Claude Code says of a session, as far as we care. How much of its windows is used its last answer said (2.1.330),
// which may be long ago.
type described struct {
	Session string `json:"session_id"`
	Windows map[string]struct {
		Used     float64 `json:"used_percentage"`
		ResetsAt float64 `json:"resets_at"`
	} `json:"rate_limits"`
}

// told are the windows, as the headers name them.
func (e described) told() (list []turn.Told) {
	for name, ours := range map[string]string{"five_hour": "5h", "seven_day": "7d"} {
		if w, ok := e.Windows[name]; ok {
			list = append(list, turn.Told{Name: ours, Used: w.Used / 100, ResetsAt: time.Unix(int64(w.ResetsAt), 0)})
		}
	}
	return list
}

// tell lets all sessions of the account know of the windows: where hooks hold calls, nobody else does.
func (e described) tell(store *lockfile.Store, account string) {
	v, err := line.Change(context.Background(), store, nil, func(now time.Time, s *turn.State) {
		s.Open(account).Windowed(now, time.Time{}, e.told())
	})
	v.Close()
	if err != nil {
		store.Log("statusline: %v", err)
	}
}

// segmentFor is the segment for the session that Claude Code describes, as the state is now.
func segmentFor(input []byte) (text string) {
	var e described
	_ = json.Unmarshal(input, &e) // of no session we know, there is nothing to say
	store, err := lockfile.Open(stateDir())
	if err != nil {
		return ""
	}
	guard.Run(func() {
		if s, err := snapshot(store); err == nil {
			now := time.Now()
			if one := s.Sessions[e.Session]; one != nil && s.Account(one.Account).Lacks(now, e.told()) {
				e.tell(store, one.Account)
				s.Open(one.Account).Windowed(now, time.Time{}, e.told())
			}
			s.Forget(now, lockfile.Alive)
			text = segment(s, e.Session, now)
		}
	}, func(panicked string) { store.Log("statusline: %s", panicked) })
	return text
}
