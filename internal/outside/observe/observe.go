// Package observe tells the shared state what the sessions' transcripts say: which requests were sent, which were
// rejected and when Claude Code tries again, which turns died of a limit.
//
// Reading happens without the lock, telling happens under it: [Read] takes the new rows, [Report.Apply] tells them. Each
// row is told once, however many processes read it: a report that starts elsewhere than where the state stands is
// dropped, and its rows are read again. The package decides nothing about turns.
package observe

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/limit"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
)

// maxRead bounds, in bytes, what one look takes from one transcript, so that a hook stays quick: the rest comes with
// the next look. One request writes some hundred kilobytes at most (2.1.330: its own text once, then what changed).
const maxRead = 4 << 20

// Report is what one transcript said since it was last read.
type Report struct {
	Key      turn.Key
	from, to int64
	rows     []claude.Row
}

// Limited is the last limit in the report that ended a turn.
func (r Report) Limited() (ratelimit.Limit, bool) {
	for i := len(r.rows) - 1; i >= 0; i-- {
		if r.rows[i].Kind == claude.Error && r.rows[i].Limit.Kind != ratelimit.None {
			return r.rows[i].Limit, true
		}
	}
	return ratelimit.Limit{}, false
}

// Transcript is the file that tells about k: a subagent writes its own beside its session's.
func Transcript(s *turn.Session, k turn.Key) string {
	if k.Agent == "" || s.Transcript == "" {
		return s.Transcript
	}
	return strings.TrimSuffix(s.Transcript, ".jsonl") + "/subagents/agent-" + k.Agent + ".jsonl"
}

// Read takes what is new in the transcripts of keys. A transcript that can't be read says nothing.
func Read(s *turn.State, keys ...turn.Key) []Report {
	var reports []Report
	for _, k := range keys {
		session := s.Sessions[k.Session]
		if session == nil {
			continue
		}
		path, from := Transcript(session, k), session.Offsets[k.Agent]
		fi, err := os.Stat(path)
		if err != nil || fi.Size() == from {
			continue
		}
		r := Report{Key: k, from: from}
		r.to, err = claude.ReadRows(path, from, maxRead, func(row claude.Row) { r.rows = append(r.rows, row) })
		if err == nil && r.to != from {
			reports = append(reports, r)
		}
	}
	return reports
}

const (
	// over is how long nothing must be written to a subagent's transcript for it to be forgotten. Should it go on all the
	// same, its transcript is read from the start,
	over = time.Hour
	// past and what is older than this was told then.
	past = over / 2
)

// Finished are the subagents of the session, of those that the state remembers, that are over: their transcript is gone, or
// was not written to for an hour. With each stands up to which byte it was read.
func Finished(now time.Time, s *turn.Session, id string) map[string]int64 {
	finished := maps.Clone(s.Offsets)
	maps.DeleteFunc(finished, func(agent string, _ int64) bool {
		fi, err := os.Stat(Transcript(s, turn.Key{Session: id, Agent: agent}))
		return agent == "" || !errors.Is(err, fs.ErrNotExist) && (err != nil || now.Sub(fi.ModTime()) <= over)
	})
	return finished
}

// Forget drops what the session remembers of the subagents that are finished, but for those that went on since.
func Forget(s *turn.Session, finished map[string]int64) {
	for agent, read := range finished {
		if s.Offsets[agent] == read {
			delete(s.Offsets, agent)
		}
	}
}

// Callers are those of whom news may come: the sessions of the account, one of which may have called without a gate, and
// the subagents that have a turn or wait for their next try.
func Callers(s *turn.State, account string) []turn.Key {
	var keys []turn.Key
	for id, session := range s.Sessions {
		if session.Account == account && !session.Exact() {
			keys = append(keys, turn.Key{Session: id})
		}
	}
	for _, c := range s.Account(account).Calls {
		if c.Agent != "" && c.Class == "" && (c.Phase == turn.Granted || c.Retry != nil) && !slices.Contains(keys, c.Key) {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// Apply tells s what the report says. It must run under the lock, on a state as fresh as can be.
func (r Report) Apply(now time.Time, s *turn.State) {
	session := s.Sessions[r.Key.Session]
	if session == nil || session.Offsets[r.Key.Agent] != r.from {
		return
	}
	if session.Offsets == nil {
		session.Offsets = make(map[string]int64)
	}
	session.Offsets[r.Key.Agent] = r.to
	account := s.Open(session.Account)
	account.SeenAlive(now, r.Key)
	for _, row := range r.rows {
		row.At = s.Local(session.Process, row.At)
		if r.Key.Agent != "" && now.Sub(row.At) > past && !row.At.IsZero() {
			continue
		}
		r.tell(now, session, account, row)
	}
}

// tell tells one row.
func (r Report) tell(now time.Time, session *turn.Session, account *turn.Account, row claude.Row) {
	if r.Key.Agent == "" && row.Model != "" {
		session.Model, session.Class = row.Model, limit.Class(row.Model)
	}
	if row.Kind != claude.Request {
		account.Heard(r.Key)
	}
	switch row.Kind {
	case claude.Request:
		account.Sent(now, r.Key, row.At)
	case claude.Answer:
		account.Answered(now, r.Key, row.At, row.MessageID, costs(row.Usage))
	case claude.Retry:
		if row.Limit.Kind != ratelimit.None {
			account.Retrying(now, r.Key, turn.Retry{Rejected: row.At, In: row.Limit.RetryIn, Attempt: row.Limit.Attempt, Named: Named(row.Limit.Rate)})
			if r.Key.Agent == "" {
				session.Stopped(row.At, row.At.Add(row.Limit.RetryIn), row.Limit.Kind.String())
			}
		}
	case claude.Error, claude.Interrupted:
		account.Died(now, r.Key, turn.Death{At: row.At, Limit: row.Limit.Kind.String(), Lifts: row.Limit.Wait, Reset: row.Limit.Reset()})
	case claude.Prompt:
		if r.Key.Agent == "" { // what a subagent is told may stand there before it is let go
			account.Prompted(r.Key)
		}
	}
}

// Named is a limit that a message names, as turns count it.
func Named(r ratelimit.Rate) (h limit.Headers) {
	h.Set(r.Name, r.Limit, 0)
	return h
}

// costs is what an answer says that its call took.
func costs(u claude.Usage) limit.Costs {
	cached := float64(u.CacheWrite + u.CacheRead)
	return limit.Costs{Input: float64(u.Input + u.CacheWrite), Output: float64(u.Output), Whole: float64(u.Input) + cached, Cached: cached, Hour: u.CacheWrite1h > 0}
}
