package hook

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// ModEnv is set by our module inside Claude Code for all that it starts: a [Mark] of that Claude Code, whose calls the module
// holds, and of the module's partner.
const ModEnv = "AFTERYOU_MOD"

// mark is the pid of Claude Code, that of the partner, and when the partner started.
const mark = "%d/%d/%d"

// Mark is what [ModEnv] holds.
func Mark(claude, partner turn.Process) string {
	return fmt.Sprintf(mark, claude.PID, partner.PID, partner.Start)
}

// module reports whether the module is, or was, at work in the hook's own Claude Code, and its partner. A session that a tool of
// another starts is given the other's mark; and a module that was unloaded, or crashed, leaves its mark and no partner (2.1.332).
// At the end of a session the partner may be gone first.
func module(getenv func(string) string) (partner turn.Process, inside bool) {
	var pid int
	n, _ := fmt.Sscanf(getenv(ModEnv), mark, &pid, &partner.PID, &partner.Start)
	return partner, n == 3 && strconv.Itoa(pid) == cmp.Or(getenv("CLAUDE_PID"), strconv.Itoa(os.Getppid()))
}

// GivesWay reports whether nothing is to be done for an event, as its JSON has it, because the module holds the session's
// calls. It opens no file of ours. An event that can't be read is for Run to complain of.
func GivesWay(getenv func(string) string, data []byte) bool {
	if partner, inside := module(getenv); !inside || !lockfile.Alive(partner) {
		return false
	}
	e, err := read(strings.NewReader(string(data)))
	return err == nil && !minded(e.Name) && !e.asksStatus()
}

// minded reports whether an event matters though the module is at work: the session comes or goes, or its turn died.
func minded(name string) bool {
	return name == "SessionStart" || name == "SessionEnd" || name == "StopFailure"
}

func (e event) asksStatus() bool {
	return e.Name == "UserPromptSubmit" && strings.TrimSpace(e.Prompt) == StatusPrompt
}

// died tells that the turn of a session died whose calls the module holds. Its transcript is not read: its calls are told.
func (w *waiter) died(ctx context.Context) error {
	v, err := w.Store.View()
	if err != nil {
		return err
	}
	_, secret := w.Pool()
	w.account = v.State.AccountID(secret)
	_, err = w.report(ctx, v, nil)
	return err
}

// gateOf is what a module holds of the calls of a session, by what its partner wrote of it: that is of one process.
func gateOf(s *turn.Session, process turn.Process) string {
	if s.Process != process {
		return ""
	}
	return s.Gate
}
