package claude

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"time"

	"afteryou/internal/ratelimit"
)

// tail is the number of bytes at a transcript's end in which the stop of a session is looked for. Its row is among the last.
const tail = 4 << 20

// Stopped is the end of a session's main conversation in an error.
type Stopped struct {
	// Limit is the limit that ended the turn; of Kind ratelimit.None where another error did.
	Limit ratelimit.Limit
	At    time.Time
	// Answered is the time of the model's last answer before that; zero where that is too long ago to be seen.
	Answered time.Time
	// Prompted is the time of the prompt that it died over; zero where that is too long ago to be seen.
	Prompted time.Time
	// Model was called last; "" where that is too long ago to be seen.
	Model string
	// next is the offset in the transcript behind the error.
	next int64
}

// ReadStopped finds out from a transcript whether the main conversation stopped with an error and did nothing since: no
// prompt, command, request or answer came behind it. Bookkeeping rows do not count, nor do subagents'.
func ReadStopped(path string) (Stopped, bool, error) {
	var s Stopped
	ok := false
	from := int64(0)
	if fi, err := os.Stat(path); err == nil {
		from = max(0, fi.Size()-tail)
	}
	// The first line may be the rest of one, which is no JSON.
	_, err := readLines(path, from, 4*tail, func(line []byte, end int64) {
		var r idleRow
		if !r.read(line) {
			return
		}
		switch {
		case r.Type == "assistant" && r.IsError:
			ok = true
			s.At, s.next = r.Timestamp, end
			s.Limit, _, _ = ratelimit.Row(line, time.Local) // not ok is no limit
		case r.goesOn():
			ok = false
			switch {
			case r.Type == "api-request":
				s.Model = r.Params.Model
			case r.Type == "assistant":
				s.Answered, s.Model = r.Timestamp, r.Message.Model
			case r.Type == "user" && !bytes.Contains(line, toolMark):
				s.Prompted = r.Timestamp
			}
		}
	})
	return s, ok, err
}

// WentOn reports whether the conversation went on since: by the person, or by Claude Code itself.
func (s Stopped) WentOn(path string) (bool, error) {
	on := false
	_, err := readLines(path, s.next, 4*tail, func(line []byte, _ int64) {
		var r idleRow
		on = on || r.read(line) && (r.goesOn() || r.IsError)
	})
	return on, err
}

// toolMark stands in the row of a tool's result, which is of type user too; in a text its quotes would be escaped.
var toolMark = []byte(`"tool_result"`)

// idleRow is a row of a transcript as far as it tells whether a session does anything.
type idleRow struct {
	Type        string    `json:"type"`
	Operation   string    `json:"operation"`
	Timestamp   time.Time `json:"timestamp"`
	AgentID     string    `json:"agentId"`
	QuerySource string    `json:"querySource"`
	IsSidechain bool      `json:"isSidechain"`
	IsMeta      bool      `json:"isMeta"`
	IsError     bool      `json:"isApiErrorMessage"`
	Params      modelled  `json:"params"`
	Message     modelled  `json:"message"`
}

type modelled struct {
	Model string `json:"model"`
}

func (r *idleRow) read(line []byte) bool {
	return json.Unmarshal(line, r) == nil && !r.IsSidechain && r.AgentID == ""
}

func (r *idleRow) goesOn() bool {
	switch r.Type {
	case "user":
		return !r.IsMeta
	case "assistant":
		return !r.IsError
	case "api-request":
		return r.QuerySource == "" || r.QuerySource == "sdk" || strings.HasPrefix(r.QuerySource, "repl_main_thread")
	case "queue-operation":
		return r.Operation == "enqueue"
	}
	return false
}
