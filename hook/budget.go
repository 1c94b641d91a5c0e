package hook

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"syscall"
	"time"

	"afteryou/internal/claude"
)

const (
	// mostRead is how many bytes of transcripts a hook reads at most to know what was spent; the next reads on.
	mostRead = 16 << 20
	// ending is how long Claude Code is given to end.
	ending = 10 * time.Second
)

// overBudget ends Claude Code before a call where nobody sits before it and today's budget of its directory is used up, and reports
// that. A person is told so, once in each session.
func (h *Hook) overBudget(ctx context.Context, e event, out io.Writer) (ends bool) {
	if len(h.Budget.Budgets) == 0 {
		return false
	}
	now := time.Now()
	s, over := h.Budget.Over(now, cmp.Or(h.Getenv("CLAUDE_PROJECT_DIR"), e.Dir), mostRead)
	if !over {
		return false
	}
	unattended := claude.Unattended(h.Getenv)
	if h.Tell != nil && h.Budget.First(now, "command", s.Dir) {
		h.Tell(s.Note(now, e.Session, unattended))
	}
	if unattended {
		h.log("session %s ends: %s", e.Session, s.UsedUp())
		if pid := h.process().PID; pid <= 1 || syscall.Kill(pid, syscall.SIGTERM) != nil {
			return false
		}
		select { // it would make its call while it ends
		case <-ctx.Done():
		case <-time.After(ending):
		}
		return true
	}
	if h.Budget.First(now, "person", s.Dir, e.Session) {
		h.log("session %s is told that %s", e.Session, s.UsedUp())
		json.NewEncoder(out).Encode(map[string]string{"systemMessage": "afteryou: " + s.UsedUp()})
	}
	return false
}

func (h *Hook) log(format string, args ...any) {
	if h.Store != nil {
		h.Store.Log(format, args...)
	}
}
