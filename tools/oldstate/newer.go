package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// ran is a hook of the old program that met a state of a newer one.
type ran struct {
	Event  string `json:"event"`
	Exit   int    `json:"exit"`
	Output string `json:"output,omitempty"`
	Before string `json:"before"` // SHA-256 of the state
	After  string `json:"after"`
}

// newer: the program is replaced by a newer one while sessions run. One has the turn, one waits; the newer one's hook takes the state
// over, whereupon the old one's leaves. Then come all events, to hooks of the old one.
func newer(m *machine) {
	if m.newer == "" {
		return
	}
	const rules = "AFTERYOU_TURNS=strict"
	holds, waits, comes := m.session("holds", rules), m.session("waits", rules), m.session("comes", rules)
	holds.hook("UserPromptSubmit", "prompt", "go on")
	var out bytes.Buffer
	left := waits.command(m.program, nil, "UserPromptSubmit", "prompt", "go on")
	left.Stdout = &out
	old := m.start(left)
	m.until("one waits", func(p pool) bool { return has(p.Queue, "session", waits.id) > 0 })
	before := m.sum()
	taking := m.start(comes.command(m.newer, nil, "UserPromptSubmit", "prompt", "go on"))
	<-old.ended
	for end := time.Now().Add(patience); !m.alone(comes.id); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			panic("the newer one does not stand in line alone")
		}
	}
	taking.cmd.Process.Kill() // it writes no more
	<-taking.ended
	hooks := []ran{{"UserPromptSubmit, in line", left.ProcessState.ExitCode(), out.String(), before, m.sum()}}
	for _, event := range []string{"SessionStart", "Notification", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch", "PreCompact", "PostCompact",
		"SubagentStart", "SubagentStop", "Stop", "StopFailure", "StopFailure wake", "SessionEnd"} {
		name, args, _ := strings.Cut(event, " ")
		cmd := holds.command(m.program, strings.Fields(args), name, "prompt", "go on", "agent_id", "a1", "error", "rate_limit", "source", "startup")
		before := m.sum()
		out, err := cmd.Output()
		if cmd.ProcessState == nil {
			panic(err)
		}
		hooks = append(hooks, ran{event, cmd.ProcessState.ExitCode(), strings.ReplaceAll(string(out), m.dir, home), before, m.sum()})
	}
	state, err := os.ReadFile(m.state())
	check(err)
	data, err := json.MarshalIndent(map[string]any{"hooks": hooks, "state": json.RawMessage(strings.ReplaceAll(string(state), m.dir, home))}, "", "\t")
	check(err)
	m.save("", append(data, '\n'))
}

// alone reports whether the state is the newer one's, and that session alone waits in it.
func (m *machine) alone(session string) bool {
	var state struct {
		Accounts map[string]struct{ Calls []entry }
	}
	data, _ := os.ReadFile(m.state())
	json.Unmarshal(data, &state) // of another layout there are no accounts
	for _, a := range state.Accounts {
		var line []any
		for _, c := range a.Calls {
			if c["phase"] == nil {
				line = append(line, c["session"])
			}
		}
		if len(line) == 1 && line[0] == session {
			return true
		}
	}
	return false
}

func (m *machine) sum() string {
	data, err := os.ReadFile(m.state())
	check(err)
	return fmt.Sprintf("%x", sha256.Sum256(data))
}
