package fakeapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Request is one call as it arrived, and what became of it.
type Request struct {
	Seq     int // order of arrival, from 1
	Method  string
	Path    string
	Query   url.Values
	Header  http.Header
	Session string // x-claude-code-session-id; of versions that do not send it (2.0.76), from metadata.user_id
	Agent   string // x-claude-code-agent-id; empty outside subagents
	Arrived time.Time

	Kind      Kind
	Model     string // of the body; of clouds, of the path
	Stream    bool
	MaxTokens int
	Tools     int    // tools offered; none in side calls such as titles
	Messages  int    // in the conversation
	Prompts   int    // of them, prompts (see LastText)
	Results   int    // tool results in the whole conversation
	Since     int    // tool results since the last prompt
	Refused   int    // tool results in the whole conversation that say that the tool did not run, or failed
	Checked   bool   // auto mode asks whether the tools that the answer calls are safe
	LastText  string // the last prompt: user text that is neither a tool result nor a system reminder
	Body      []byte // empty in the log, which would grow large

	dialect dialect

	Status     int           // 0: not decided yet
	Scripted   bool          // the answer function chose that status, no bucket did
	RetryAfter time.Duration // of a 429; 0: none given
	Cost       Usage         // what it took from the buckets; a 429 takes nothing
	ID         string        // request-id
	Cut        Cut           // how the answer broke off
	// Ended is taken just before the end of the answer is written: whatever a client does because of the answer, it does
	// later. Zero while the call runs.
	Ended time.Time
}

// OK reports whether the call was answered.
func (r Request) OK() bool { return r.Status == http.StatusOK && r.Cut == Whole }

// Usage counts tokens.
type Usage struct {
	Input, Output            int
	CacheCreation, CacheRead int // cache reads are free of the limits
	CacheHour                int // of CacheCreation, what is kept for an hour
}

func (u Usage) limited() int { return u.Input + u.CacheCreation }

// reserved is what a call with such a max_tokens takes of a quota until it is answered, settled what it takes in the end.
func (u Usage) reserved(most int) float64 { return float64(u.limited() + u.CacheRead + most) }

func (u Usage) settled() float64 { return float64(u.limited() + 5*u.Output) }

// Overlapping lists the calls of a log that arrived while an earlier, accepted call was still being answered. Rejected
// calls count neither way: they occupied nobody.
func Overlapping(log []Request) []Request {
	var found []Request
	var busy time.Time // when the last accepted call so far ends
	open := false
	for _, r := range log { // in order of arrival
		if r.Status != http.StatusOK {
			continue
		}
		if open || r.Arrived.Before(busy) {
			found = append(found, r)
		}
		if r.Ended.IsZero() {
			open = true
		}
		if r.Ended.After(busy) {
			busy = r.Ended
		}
	}
	return found
}

// body is the part of a Messages API request that is read.
type body struct {
	Model     string            `json:"model"`
	Stream    bool              `json:"stream"`
	MaxTokens int               `json:"max_tokens"`
	Tools     []json.RawMessage `json:"tools"`
	// System, ToolChoice and OutputConfig tell kinds apart.
	System       json.RawMessage `json:"system"`
	ToolChoice   json.RawMessage `json:"tool_choice"`
	OutputConfig outputConfig    `json:"output_config"`
	// Safeguards asks for auto mode's safety check along with the answer, a beta that a header must name (2.1.332).
	Safeguards []struct {
		Type string `json:"type"`
	} `json:"safeguards"`
	Metadata struct {
		UserID string `json:"user_id"`
	} `json:"metadata"`
	Messages []struct {
		Role    string  `json:"role"`
		Content content `json:"content"`
	} `json:"messages"`
}

type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	IsError      bool            `json:"is_error"` // of a tool result
	CacheControl json.RawMessage `json:"cache_control"`
}

// content is a list of blocks, or a string that stands for one text block.
type content []block

func (c *content) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*c = content{{Type: "text", Text: text}}
		return nil
	}
	return json.Unmarshal(data, (*[]block)(c))
}

func (r *Request) parse(data []byte) error {
	var b body
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	r.Body = data
	if r.dialect == firstParty {
		r.Model, r.Stream = b.Model, b.Stream
	}
	r.Kind, r.MaxTokens, r.Tools, r.Messages = b.kind(r.Agent), b.MaxTokens, len(b.Tools), len(b.Messages)
	asks := strings.Contains(r.Header.Get("anthropic-beta"), "dangerous-tool-use-")
	for _, g := range b.Safeguards {
		r.Checked = r.Checked || asks && g.Type == toolCheck
	}
	if _, id, ok := strings.Cut(b.Metadata.UserID, "_session_"); ok && r.Session == "" {
		r.Session = id
	}
	for _, m := range b.Messages {
		if m.Role != "user" {
			continue
		}
		results, text := 0, ""
		for _, c := range m.Content {
			switch c.Type {
			case "tool_result":
				results++
				if c.IsError {
					r.Refused++
				}
			case "text":
				if !strings.HasPrefix(strings.TrimSpace(c.Text), "<system-reminder>") {
					text = c.Text
				}
			}
		}
		switch {
		case results > 0:
			r.Results += results
			r.Since += results
		case text != "":
			r.Prompts++
			r.Since = 0
			r.LastText = text
		}
	}
	return nil
}
