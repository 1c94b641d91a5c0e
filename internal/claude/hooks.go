package claude

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// MaxWait is the longest that a gate may be told to wait: that of a week, as its timeout must be longer, and the same in
// every settings file, whoever wrote it with whichever settings of ours. Else one handler would be taken for two.
const MaxWait = 7 * 24 * time.Hour

// Seconds that a hook may take. A gate waits for the turn; a timeout lets the call through. No maximum is documented
// (2.1.330 takes 10,000,000); timers of JavaScript end at 24 days.
const (
	gateTimeout  = int(MaxWait/time.Second) + 60
	shortTimeout = 10
	// wakeTimeout is that of the handler which waits in the background for a limit to end (2.1.330 keeps to it): as long as
	// a week's usage limit may last, and the quiet hours after it.
	wakeTimeout = 8 * 24 * 60 * 60
)

// wakeSummary is the line that Claude Code shows when it goes on because of that handler (2.1.330; 2.1.78 shows the
// message for the model).
const wakeSummary = "afteryou: the limit is over, going on"

// gateStatus stands beside Claude Code's spinner while a gate waits.
const gateStatus = "afteryou: waiting for a turn"

// events lists those we hook, with the first version that knows each. A settings file that names an event unknown to a
// version loses all of its hooks there, the user's own too, so a version is named late rather than early:
//
//   - those without one were all seen in 2.0.55, the oldest that is supported;
//   - PostCompact: in 2.1.76 by the changelog; not in 2.0.76, in 2.1.78;
//   - StopFailure: in 2.1.78 by the changelog; not in 2.0.76, in 2.1.78. It wakes the session there (asyncRewake), as in
//     2.1.330;
//   - PostToolBatch: not in 2.1.116, in 2.1.118.
var events = []struct {
	name  string
	since Version // zero: all that are supported
	until Version // zero: to this day
	gate  bool
}{
	{name: "SessionStart"},
	{name: "UserPromptSubmit", gate: true},
	{name: "PreToolUse"},
	// The nearest gate before the next call where PostToolBatch is not known.
	{name: "PostToolUse", until: postToolBatch, gate: true},
	{name: "PostToolBatch", since: postToolBatch, gate: true},
	{name: "PreCompact", gate: true},
	{name: "PostCompact", since: Version{2, 1, 78}},
	{name: "SubagentStart", gate: true},
	{name: "SubagentStop"},
	{name: "Stop"},
	{name: "StopFailure", since: Version{2, 1, 78}},
	{name: "SessionEnd"},
}

var postToolBatch = Version{2, 1, 118}

// execForm is the first version that takes a hook's arguments apart from its command and runs it without a shell: not
// in 2.1.138, in 2.1.139. Older ones run the bare command and ignore "args".
var execForm = Version{2, 1, 139}

type handler struct {
	Type          string   `json:"type"`
	Command       string   `json:"command"`
	Args          []string `json:"args,omitempty"`
	Timeout       int      `json:"timeout"`
	StatusMessage string   `json:"statusMessage,omitempty"`
	AsyncRewake   bool     `json:"asyncRewake,omitempty"`
	RewakeMessage string   `json:"rewakeMessage,omitempty"`
	RewakeSummary string   `json:"rewakeSummary,omitempty"`
}

type group struct {
	Hooks []handler `json:"hooks"`
}

// Hooks returns our handlers in the shape of a settings file's "hooks" object, for the events that v knows. The zero
// Version counts as the newest; what is not supported has none. The same handler written in two settings files runs once, so
// everyone must write them from here.
func Hooks(self string, v Version) json.RawMessage { return hooks(self, v, "") }

// DeathHooks are those of Hooks that matter where the module holds the calls: a turn that died all the same is told of, and the
// session woken.
func DeathHooks(self string, v Version) json.RawMessage { return hooks(self, v, "StopFailure") }

// hooks is Hooks, for one event where only names it.
func hooks(self string, v Version, only string) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, e := range events {
		if only != "" && e.name != only {
			continue
		}
		if !v.IsZero() && (v.Less(e.since) || !e.until.IsZero() && !v.Less(e.until)) || v.IsZero() && !e.until.IsZero() {
			continue
		}
		h := handler{Type: "command", Command: self, Args: []string{"hook"}, Timeout: shortTimeout}
		if e.gate {
			h.Timeout, h.StatusMessage = gateTimeout, gateStatus
		}
		if !v.IsZero() && v.Less(execForm) {
			// With exec, the hook's parent is Claude Code and not a shell that is gone when the hook is: these versions do
			// not say CLAUDE_PID, and Debian's sh runs even its only command as a child.
			h.Command, h.Args = "exec "+Quote(self)+" hook", nil
		}
		hooks := []handler{h}
		if e.name == "StopFailure" {
			hooks = append(hooks, wake(h))
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", e.name, compact([]group{{Hooks: hooks}}))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Wakes reports whether our hooks can make a session of that version go on after a limit. The zero Version counts as the
// newest.
func Wakes(v Version) bool { return v.IsZero() || v.AtLeast(Version{2, 1, 78}) }

// wake returns a handler like h that waits in the background and wakes the session.
func wake(h handler) handler {
	if h.Args == nil {
		h.Command += " wake"
	} else {
		h.Args = append(h.Args[:len(h.Args):len(h.Args)], "wake")
	}
	h.Timeout = wakeTimeout
	h.AsyncRewake, h.RewakeMessage, h.RewakeSummary = true, "afteryou:", wakeSummary
	return h
}

// Quote makes s one word of a POSIX shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// compact returns v as JSON on one line, with < > & as they are.
func compact(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings and numbers always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
