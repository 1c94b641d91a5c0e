package claude

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"afteryou/internal/ratelimit"
)

// RowKind says which event a transcript row records.
type RowKind int

const (
	// Request: a request is sent at this moment, a retry too. Compaction writes none (2.1.330), and 2.1.200 does not
	// know these rows.
	Request RowKind = iota + 1
	// Retry: a request was rejected and will be sent again. Written in -p only (2.1.330).
	Retry
	// Answer: one block of an answer. The blocks of one answer share MessageID.
	Answer
	// Error: the turn died of an error.
	Error
	// Interrupted: the user stopped the turn with Esc. Not written where nothing of the turn had been shown yet: then
	// the prompt goes back to the input box.
	Interrupted
	// Prompt: a person's words are put to the model. Written once the prompt's hooks have ended, and before the request
	// (2.0.76, 2.1.78, 2.1.330). Of its row nothing else is told.
	Prompt
)

// Usage is the cost of an answer in tokens, and what else it is paid by. Only Input and CacheWrite count against the limit on input
// tokens.
type Usage struct {
	Input, CacheWrite, CacheRead, Output int

	CacheWrite1h int  // of CacheWrite, what is kept for an hour
	Searches     int  // of the web
	Fast         bool // answered in fast mode
	US           bool // answered in the United States, as was asked for
}

// Merge returns what an answer took of which one row tells u and another one v: each tells as much as was known then.
func (u Usage) Merge(v Usage) Usage {
	return Usage{max(u.Input, v.Input), max(u.CacheWrite, v.CacheWrite), max(u.CacheRead, v.CacheRead), max(u.Output, v.Output),
		max(u.CacheWrite1h, v.CacheWrite1h), max(u.Searches, v.Searches), u.Fast || v.Fast, u.US || v.US}
}

// Row is a row of a transcript that matters to turns.
type Row struct {
	Kind RowKind
	At   time.Time
	// Limit says why a request was rejected or a turn died; of Kind ratelimit.None where that was no limit (a lost
	// connection, a wrong key).
	Limit     ratelimit.Limit
	MessageID string // of Answer
	// RequestID is the id of a Request, and of the Request that an Answer answers; "" where it is not known.
	RequestID   string
	QuerySource string // of Request: repl_main_thread, sdk, agent:…
	Model       string // of Request and Answer
	Usage       Usage  // of Answer: the same in each block's row, final in the last one
	Sidechain   bool   // written by a subagent
	// Session sent the request: a fork's transcript begins with the rows of the session that it was taken from.
	Session    string
	Dir        string
	Unattended bool // nobody sat before the session: -p and the SDKs
}

const (
	// readSize is the number of bytes read from a transcript at a time.
	readSize = 256 << 10
	// maxRow bounds what is kept of one row; a longer one is passed over. Those that matter have some kilobytes.
	maxRow = 8 << 20
)

// ReadRows calls f with those rows of a transcript that matter, and returns where the rest begins, as readLines does. Lines
// that are no JSON, or no row we know, are passed over.
func ReadRows(path string, offset, limit int64, f func(Row)) (newOffset int64, err error) {
	return readLines(path, offset, limit, func(line []byte, _ int64) {
		if row, ok := parseRow(line); ok {
			f(row)
		}
	})
}

// readLines calls f with the whole lines of a transcript from offset on, and where each ends. It returns where the rest
// begins: after the last whole line, or after the line in which limit bytes were exceeded (0: no limit); within one that is
// passed over because it is too long. A file that is shorter than offset is another one, and read from its start.
func readLines(path string, offset, limit int64, f func(line []byte, end int64)) (newOffset int64, err error) {
	file, fi, err := open(path)
	if err != nil {
		return offset, err
	}
	defer file.Close()
	if offset < 0 || fi.Size() < offset {
		offset = 0
	}
	start := offset
	buf := make([]byte, 0, min(readSize, fi.Size()-offset+1))
	skipped := int64(0) // of a row that is too long, what is no longer in buf
	for {
		n, err := file.ReadAt(buf[len(buf):cap(buf)], offset+skipped+int64(len(buf)))
		if err != nil && err != io.EOF {
			return offset, fmt.Errorf("reading transcript: %w", err)
		}
		end := err == io.EOF
		buf = buf[:len(buf)+n]
		rest := buf
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			offset += skipped + int64(i) + 1
			if skipped == 0 {
				f(rest[:i], offset)
			}
			skipped = 0
			rest = rest[i+1:]
			if limit > 0 && offset-start >= limit {
				return offset, nil
			}
		}
		if end {
			return offset, nil
		}
		switch {
		case len(rest) < cap(buf):
		case cap(buf) < maxRow:
			grown := make([]byte, 0, 2*cap(buf)+readSize)
			buf = append(grown, rest...)
			continue
		default:
			skipped += int64(len(rest))
			rest = nil
			if limit > 0 && offset+skipped-start >= limit {
				return offset + skipped, nil // the end of a row is none
			}
		}
		buf = append(buf[:0], rest...)
	}
}

var (
	requestHead     = []byte(`{"type":"api-request",`)
	typeHead        = []byte(`{"type":"`)
	attachmentMark  = []byte(`"attachment":{`)
	userMark        = []byte(`"type":"user"`)
	assistantMark   = []byte(`"type":"assistant"`)
	retryMark       = []byte(`"subtype":"api_error"`)
	metaMark        = []byte(`"isMeta":true`)
	interruptedMark = []byte(`[Request interrupted by user`)
)

// wanted passes over most rows by their bytes: some have 200 KB, and decoding costs ten times as much as searching. An
// inner quote is escaped in JSON, so a mark with quotes never stands in a text.
func wanted(line []byte) bool {
	if bytes.HasPrefix(line, typeHead) {
		if bytes.HasPrefix(line, requestHead) {
			return true
		}
		// A row of bookkeeping, unless an older version began its messages thus.
		return len(line) < 64<<10 && (bytes.Contains(line, assistantMark) || bytes.Contains(line, retryMark) || bytes.Contains(line, interruptedMark))
	}
	head := line[:min(len(line), 400)]
	if bytes.Contains(head, attachmentMark) {
		return false
	}
	if bytes.Contains(head, userMark) {
		return len(line) < 8<<10 && bytes.Contains(line, interruptedMark)
	}
	if bytes.Contains(line, assistantMark) || bytes.Contains(line, retryMark) {
		return true
	}
	return len(line) < 8<<10 && bytes.Contains(line, interruptedMark)
}

// prompt reports whether a row is a prompt, by its bytes too. Results of tools, and what Claude Code adds to the prompts,
// are rows of type user as well.
func prompt(line []byte) bool {
	head := line[:min(len(line), 400)]
	return bytes.Contains(head, userMark) && !bytes.Contains(head, attachmentMark) &&
		!bytes.Contains(line, toolMark) && !bytes.Contains(line, metaMark) && !bytes.Contains(line, assistantMark)
}

type rawRow struct {
	Type        string    `json:"type"`
	Subtype     string    `json:"subtype"`
	Timestamp   time.Time `json:"timestamp"`
	ID          string    `json:"id"`
	AgentID     string    `json:"agentId"`
	QuerySource string    `json:"querySource"`
	RequestRef  string    `json:"requestRef"`
	IsSidechain bool      `json:"isSidechain"`
	Session     string    `json:"sessionId"`
	RequestOf   string    `json:"requestSessionId"` // of a row that was copied (2.1.330)
	Forked      struct {
		Session string `json:"sessionId"`
	} `json:"forkedFrom"`
	Dir        string `json:"cwd"`
	Entrypoint string `json:"entrypoint"`
	IsError    bool   `json:"isApiErrorMessage"`
	Params     struct {
		Model string `json:"model"`
	} `json:"params"`
	RetryInMs    float64 `json:"retryInMs"`
	RetryAttempt int     `json:"retryAttempt"`
	MaxRetries   int     `json:"maxRetries"`
	Message      struct {
		ID      string          `json:"id"`
		Model   string          `json:"model"`
		Content json.RawMessage `json:"content"`
		Usage   struct {
			Input      int `json:"input_tokens"`
			CacheWrite int `json:"cache_creation_input_tokens"`
			CacheRead  int `json:"cache_read_input_tokens"`
			Output     int `json:"output_tokens"`
			Kept       struct {
				Hour int `json:"ephemeral_1h_input_tokens"`
			} `json:"cache_creation"`
			Tools struct {
				Searches int `json:"web_search_requests"`
			} `json:"server_tool_use"`
			Speed string `json:"speed"`
			Place string `json:"inference_geo"`
		} `json:"usage"`
	} `json:"message"`
}

func parseRow(line []byte) (Row, bool) {
	if !wanted(line) {
		return Row{Kind: Prompt}, prompt(line)
	}
	var raw rawRow
	if json.Unmarshal(line, &raw) != nil {
		return Row{}, false
	}
	if year := raw.Timestamp.Year(); year < 1971 || year > 2198 { // no clock showed it
		raw.Timestamp = time.Time{}
	}
	row := Row{At: raw.Timestamp, Sidechain: raw.IsSidechain || raw.AgentID != "", Dir: raw.Dir,
		Session: cmp.Or(raw.RequestOf, raw.Forked.Session, raw.Session), Unattended: unattended(raw.Entrypoint)}
	switch {
	case raw.Type == "api-request":
		row.Kind, row.RequestID, row.QuerySource, row.Model = Request, raw.ID, raw.QuerySource, raw.Params.Model
	case raw.Type == "system" && raw.Subtype == "api_error":
		row.Kind = Retry
		var ok bool
		if row.Limit, _, ok = ratelimit.Row(line, time.Local); !ok {
			row.Limit = ratelimit.Limit{Attempt: raw.RetryAttempt, MaxAttempts: raw.MaxRetries, Wait: true}
			if ms := raw.RetryInMs; ms > 0 && ms < 1e9 {
				row.Limit.RetryIn = time.Duration(ms * float64(time.Millisecond))
			}
		}
	case raw.Type == "assistant" && raw.IsError:
		row.Kind = Error
		var ok bool
		if row.Limit, _, ok = ratelimit.Row(line, time.Local); !ok {
			row.Limit = ratelimit.Limit{Dead: true}
		}
	case raw.Type == "assistant" && raw.Message.Model != "<synthetic>":
		u := raw.Message.Usage
		row.Kind, row.MessageID, row.Model, row.RequestID = Answer, raw.Message.ID, raw.Message.Model, raw.RequestRef
		row.Usage = Usage{Input: u.Input, CacheWrite: u.CacheWrite, CacheRead: u.CacheRead, Output: u.Output,
			CacheWrite1h: min(u.Kept.Hour, u.CacheWrite), Searches: u.Tools.Searches, Fast: u.Speed == "fast", US: u.Place == "us"}
	case raw.Type == "user" && interrupted(raw.Message.Content):
		row.Kind = Interrupted
	default:
		return Row{Kind: Prompt}, prompt(line)
	}
	return row, true
}

// interrupted reports whether Claude Code wrote content because the user pressed Esc. A tool's output or a prompt that
// quotes it does not count.
func interrupted(content json.RawMessage) bool {
	var blocks []struct{ Type, Text string }
	return json.Unmarshal(content, &blocks) == nil && len(blocks) == 1 && blocks[0].Type == "text" &&
		strings.HasPrefix(blocks[0].Text, string(interruptedMark)) && strings.HasSuffix(blocks[0].Text, "]")
}
