package fakeapi

import (
	"encoding/json"
	"slices"
	"strings"
)

// Kind is what Claude Code makes a request for, told from what the request is like: 2.1.321 to 2.1.332 (testdata/claude-2.1.332/requests).
// Older versions' side requests may count as others.
type Kind string

const (
	Main     Kind = "main"     // the conversation
	Subagent Kind = "subagent" // a subagent's
	Title    Kind = "title"    // to name the session
	Check    Kind = "check"    // of auto mode, where Claude Code checks a tool by itself
	Compact  Kind = "compact"  // to sum up the conversation
	Suggest  Kind = "suggest"  // what the person might type next
	Aside    Kind = "aside"    // a question beside the conversation: /btw
	Inner    Kind = "tool"     // of a tool: WebFetch, WebSearch
	Hook     Kind = "hook"     // of a hook of type prompt
	Quota    Kind = "quota"    // at the start, of a login
	Count    Kind = "count"    // of tokens, which no bucket limits
)

// kind returns what the request was made for.
func (b *body) kind(agent string) Kind {
	var named []string // of the answer's form
	for name := range b.OutputConfig.Format.Schema.Properties {
		named = append(named, name)
	}
	switch {
	case b.Tools == nil && b.MaxTokens == 1:
		return Quota
	case b.Tools == nil && b.System != nil:
		return Check
	case b.Tools == nil:
		return Main
	case slices.Contains(named, "title"), slices.Contains(named, "name"):
		return Title
	case named != nil:
		return Hook
	case len(b.Tools) == 0, len(b.Tools) == 1 && b.ToolChoice != nil:
		return Inner
	case agent != "":
		return Subagent
	case b.fork():
		return b.forked()
	}
	return Main
}

// fork reports whether the request continues a copy of the conversation: the cache ends before what is added.
func (b *body) fork() bool {
	n := len(b.Messages)
	return n > 1 && !b.Messages[n-1].Content.cached() && b.Messages[n-2].Content.cached()
}

func (c content) cached() bool {
	return slices.ContainsFunc(c, func(b block) bool { return b.CacheControl != nil })
}

// forked returns what the copy is for: only what Claude Code asks there tells.
func (b *body) forked() Kind {
	asks := func(begin string) bool {
		return slices.ContainsFunc(b.Messages[len(b.Messages)-1].Content, func(c block) bool { return strings.HasPrefix(c.Text, begin) })
	}
	switch {
	case asks("CRITICAL: Respond with TEXT ONLY."):
		return Compact
	case asks("[SUGGESTION MODE:"):
		return Suggest
	}
	return Aside
}

// outputConfig says what form the answer shall have.
type outputConfig struct {
	Format struct {
		Schema struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"schema"`
	} `json:"format"`
}
