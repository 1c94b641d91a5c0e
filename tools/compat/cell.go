package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/fakeapi"
	"afteryou/internal/ratelimit"
	"afteryou/internal/realclaude"
	"afteryou/internal/turn"
	"afteryou/plugin"
)

// homes is the directory of the sessions' homes: it stands in the captures, so it says nothing about the machine.
const homes = "/tmp/claude-compat"

const (
	// startup bounds what comes before the limit.
	startup = 2 * time.Minute
	// prompt is the prompt of every session.
	prompt = "hello"
	// goOn begins what a session is told that is made to go on.
	goOn = "The API limit that stopped you is over"
)

// lab holds the programs of all cells.
type lab struct {
	afteryou string
	binaries map[string]string // Claude Code by version
}

// bench holds one cell while it is measured.
type bench struct {
	cell
	home    string
	api     *fakeapi.Server
	limit   *limit
	session realclaude.Session
	args    []string
	hooked  bool   // set when the limit begins
	met     func() // called then, if set
	began   time.Time
}

// measure sees how a cell ends. The captures are by name.
func (l lab) measure(ctx context.Context, c cell) (r Result, caught map[string][]byte, err error) {
	b := &bench{cell: c, home: filepath.Join(homes, c.name()), began: time.Now()}
	if err := b.makeHome(); err != nil {
		return Result{}, nil, err
	}
	defer plugin.Remove(b.home) // parts of it are read-only
	b.limit = &limit{situation: c.situation, begins: b.limited}
	if b.api, err = fakeapi.Start(fakeapi.Config{Manner: fakeapi.Late(), Answer: b.limit.answer}); err != nil {
		return Result{}, nil, err
	}
	defer b.api.Close()
	// The gateway is off, as it is for users whose base URL is the usual one.
	extra := append(realclaude.XDG(b.home), "AFTERYOU_CLAUDE="+l.binaries[c.version], "AFTERYOU_GATEWAY=off")
	if c.login {
		extra = append(extra, realclaude.Login)
	}
	b.session = realclaude.Session{Path: l.afteryou, Args: []string{"run", "--"}, Dir: b.work(), Env: realclaude.Env(b.home, b.api.URL(), extra...)}
	b.args = []string{"--permission-mode", "bypassPermissions"}
	events := filepath.Join(b.home, "events")
	if c.situation.name == settings.name {
		b.args = append(b.args, "--settings", recorder(c.version, events))
	}

	r = Result{Version: c.version, Situation: c.situation.name, Mode: c.mode, Hooks: c.hooks, Measured: b.began.UTC().Format(time.DateOnly)}
	if c.mode == interactive {
		caught, err = b.onTerminal(ctx, &r)
	} else {
		caught, err = b.withPrint(ctx, &r)
	}
	if err != nil {
		return Result{}, nil, err
	}
	r.Hooked, r.Elapsed = b.hooked, seconds(time.Since(b.began))
	ran, err := os.ReadFile(filepath.Join(b.work(), "count"))
	if err != nil {
		return Result{}, nil, err
	}
	r.Ran = bytes.Count(ran, []byte("ran"))
	b.calls(&r, caught)
	if err := b.transcript(&r, caught); err != nil {
		return Result{}, nil, err
	}
	if c.situation.name == settings.name {
		r.Events, r.Gates, err = recorded(c.version, events)
	}
	return r, caught, err
}

// work returns the directory in which the session works.
func (b *bench) work() string { return filepath.Join(b.home, "work") }

// makeHome makes the home anew, with hooks switched off there if the cell says so.
func (b *bench) makeHome() error {
	if err := plugin.Remove(b.home); err != nil {
		return err
	}
	if err := realclaude.Home(b.home, b.work()); err != nil || b.hooks {
		return err
	}
	dir := filepath.Join(b.home, ".claude")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "settings.json"), []byte(`{"disableAllHooks":true}`), 0o600)
}

// limited is called when the limit begins.
func (b *bench) limited() {
	b.hooked = b.registered()
	if b.met != nil {
		b.met()
	}
}

// registered reports whether a hook of the session has told the state of it.
func (b *bench) registered() bool {
	data, err := os.ReadFile(filepath.Join(b.home, "state", "afteryou", "state.json"))
	var s turn.State
	return err == nil && json.Unmarshal(data, &s) == nil && len(s.Sessions) > 0
}

// logged returns afteryou's log.
func (b *bench) logged() string {
	data, err := os.ReadFile(filepath.Join(b.home, "state", "afteryou", "log"))
	if err != nil {
		return "" // nothing was said
	}
	return string(data)
}

// answered returns the first call that came through after the limit began.
func (b *bench) answered() (fakeapi.Request, bool) {
	begun, ok := b.limit.at()
	for _, r := range b.api.Log() {
		if ok && !r.Arrived.Before(begun) && r.OK() && r.Results > 0 && r.Tools > 0 {
			return r, true
		}
	}
	return fakeapi.Request{}, false
}

// calls notes when the API was called, and what it and our log said.
func (b *bench) calls(r *Result, caught map[string][]byte) {
	begun, _ := b.limit.at()
	var list bytes.Buffer
	for _, call := range b.api.Log() {
		after := call.Arrived.Sub(begun)
		if after >= 0 && call.Tools > 0 {
			r.Calls++
		}
		fmt.Fprintf(&list, "%8.1f  %d  retry-after %-4v  tools %d, results %d  %.60q\n", after.Seconds(), call.Status, call.RetryAfter, call.Tools, call.Results, call.LastText)
	}
	if call, ok := b.answered(); ok {
		r.Late = seconds(call.Arrived.Sub(begun.Add(b.lasts)))
	}
	log := b.logged()
	r.Woken = strings.Count(log, " woken ")
	r.Typed = strings.Count(log, " goes on, typed ")
	if b.mode != interactive {
		r.Rerun = strings.Count(log, "; goes on after ")
	}
	caught["calls"] = append(list.Bytes(), log...)
}

// row is a row of a transcript.
type row struct {
	raw               []byte
	Type, Subtype     string
	IsAPIErrorMessage bool
	IsSidechain       bool
	Message           struct{ Content json.RawMessage }
}

// rows reads the transcripts of the session.
func (b *bench) rows() (list []row, err error) {
	paths, err := realclaude.Transcripts(b.home)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		raws, err := realclaude.Rows(path)
		if err != nil {
			return nil, err
		}
		for _, raw := range raws {
			r := row{raw: raw}
			if json.Unmarshal(raw, &r) == nil {
				list = append(list, r)
			}
		}
	}
	return list, nil
}

// transcript reads how the turn died, and how often the session was made to go on.
func (b *bench) transcript(r *Result, caught map[string][]byte) error {
	rows, err := b.rows()
	if err != nil {
		return err
	}
	var kept bytes.Buffer
	for _, row := range rows {
		if row.IsSidechain {
			continue
		}
		if row.Type == "user" && bytes.Contains(row.raw, []byte(goOn)) {
			r.Prompts++
		}
		if !row.IsAPIErrorMessage && row.Subtype != "api_error" {
			continue
		}
		kept.Write(append(row.raw, '\n'))
		if l, _, ok := ratelimit.Row(row.raw, time.UTC); ok {
			r.Kind = l.Kind.String()
		}
	}
	if kept.Len() > 0 {
		caught["jsonl"] = kept.Bytes()
	}
	return nil
}

// died returns what Claude Code said when the last turn ended with an error, by the transcript.
func (b *bench) died() (said string) {
	rows, _ := b.rows() // it is asked while the session writes them
	for _, row := range rows {
		var blocks []struct{ Text string }
		if row.IsAPIErrorMessage && json.Unmarshal(row.Message.Content, &blocks) == nil && len(blocks) > 0 {
			said = blocks[0].Text
		}
	}
	return said
}

// recorder returns a settings file of the user's, for the command line, with hooks that write down the events that happen:
// of those that we hook in that version. It stands in one file with our hooks, and a version that doesn't take one of them
// drops them all.
func recorder(version, path string) string {
	hooks := make(map[string]any)
	for event := range ours(version) {
		hooks[event] = []any{map[string]any{"hooks": []any{map[string]any{"type": "command", "command": "echo " + event + " >> " + path}}}}
	}
	data, err := json.Marshal(map[string]any{"hooks": hooks})
	if err != nil {
		panic(err) // strings always encode
	}
	return string(data)
}

// ours returns the events we hook in a version, and of each whether it is a gate.
func ours(version string) map[string]bool {
	v, ok := claude.ParseVersion(version)
	if !ok {
		panic(version) // it was installed by that name
	}
	var events map[string][]struct {
		Hooks []struct{ StatusMessage string }
	}
	if err := json.Unmarshal(claude.Hooks("afteryou", v), &events); err != nil {
		panic(err) // our own
	}
	gates := make(map[string]bool)
	for event, groups := range events {
		gates[event] = groups[0].Hooks[0].StatusMessage != ""
	}
	return gates
}

// recorded returns the events that the recorder wrote, each once, in the order in which they happened first.
func recorded(version, path string) (events, gates []string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	seen := make(map[string]bool)
	for _, event := range strings.Fields(string(data)) {
		if seen[event] {
			continue
		}
		seen[event] = true
		events = append(events, event)
		if ours(version)[event] {
			gates = append(gates, event)
		}
	}
	return events, gates, nil
}
