// Package hook is what Claude Code runs at each step of a session that no module of ours is inside of: one before 2.1.286, or where
// modules are switched off. It holds a model call back until the session has the turn, gives the turn back after the call, and
// passes on what the transcripts say of limits. To the module it gives way, but for a session that comes, goes or died.
//
// One command serves all events; the event comes as JSON on standard input. A hook that exits 0 without output changes
// nothing, and that is all this one ever does, whatever is wrong with our own files: it fails open. It starts no
// session, draws nothing, and blocks only before a model call.
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"afteryou/internal/budget"
	"afteryou/internal/line"
	"afteryou/internal/notify"
	"afteryou/internal/outside/observe"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// Hook is one run of the hook.
type Hook struct {
	// Store is the shared state; nil where Trouble says why it can't be used.
	Store   *lockfile.Store
	Trouble error
	Rules   turn.Rules
	Getenv  func(string) string
	// Pool names the limit that the session shares: a name to show, and the secret that its id is made from.
	Pool func() (name, secret string)
	// MaxWait bounds how long a call is held back; then it goes on as it would have without us.
	MaxWait time.Duration
	// Status writes what StatusPrompt asks for.
	Status func(io.Writer) error
	// Notify is whether the person is told that a session goes on after a long wait.
	Notify bool
	// Tell tells notify_command; nil: there is none.
	Tell   func(notify.Note)
	Budget budget.Watch
	// Ask asks the API how it stands with a model: of Kind ratelimit.None where it answers. Nil: nothing is asked.
	Ask func(ctx context.Context, model string) (ratelimit.Limit, error)
	// Limits asks the API what the limits of a model are, and says whether it took the request. Nil: nothing is asked.
	Limits func(ctx context.Context, model string) (limits []ratelimit.Rate, accepted bool, err error)
	// Fleet makes what meets other machines on the limit.
	Fleet line.Fleets
}

// StatusPrompt is the command of our plugin. It is answered here, without a call to the model and so without a turn; its
// text for the model is for sessions without hooks.
const StatusPrompt = "/afteryou:status"

// event is what Claude Code writes on standard input, as far as turns care (2.1.330).
type event struct {
	Name       string `json:"hook_event_name"`
	Session    string `json:"session_id"`
	Agent      string `json:"agent_id"`
	Transcript string `json:"transcript_path"`
	Dir        string `json:"cwd"`
	Source     string `json:"source"`
	Error      string `json:"error"`
	Said       string `json:"last_assistant_message"`
	Prompt     string `json:"prompt"`

	// id tells one delivery from the next. The same event delivered twice, by two settings files, has it twice.
	id string
}

func (e event) key() turn.Key { return turn.Key{Session: e.Session, Agent: e.Agent} }

// read takes the event from in.
func read(in io.Reader) (event, error) {
	var e event
	data, err := io.ReadAll(in)
	if err != nil {
		return e, fmt.Errorf("reading hook event: %w", err)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("reading hook event: %w", err)
	}
	if e.Name == "" || e.Session == "" {
		return e, errors.New("reading hook event: hook_event_name or session_id is missing")
	}
	h := fnv.New64a()
	h.Write(data)
	e.id = strconv.FormatUint(h.Sum64(), 36)
	if e.Name == "PostToolUse" {
		// The gate of versions without PostToolBatch runs once for each tool of an answer: one call, one turn.
		e.id = e.Name
	}
	return e, nil
}

// Run serves one event. It blocks while the session waits for its turn, and else only as long as a busy lock takes.
// What goes wrong goes into the log and, once a session, to the person; the session goes on all the same.
func (h *Hook) Run(ctx context.Context, in io.Reader, out io.Writer) {
	e, err := read(in)
	if err == nil && e.asksStatus() {
		h.status(out)
		return
	}
	if err == nil && gates(e.Name) && h.overBudget(ctx, e, out) {
		return
	}
	if err == nil {
		err = h.serve(ctx, e, out)
	}
	if err == nil {
		return
	}
	if h.Store != nil {
		h.Store.Log("hook %s: %v", e.Name, err)
	}
	if e.Name == "SessionStart" && h.Getenv(WarnedEnv) == "" {
		json.NewEncoder(out).Encode(map[string]string{"systemMessage": fmt.Sprintf("afteryou: %v; this session takes no turns", err)})
	}
}

// status answers the prompt that asks for it. Where it can't, the prompt goes to the model.
func (h *Hook) status(out io.Writer) {
	var text strings.Builder
	if h.Status(&text) != nil {
		return
	}
	// A prompt that is blocked goes nowhere, and its reason is shown to the person alone (2.0.76, 2.1.330).
	json.NewEncoder(out).Encode(map[string]any{
		"decision": "block", "reason": text.String(),
		"hookSpecificOutput": map[string]any{"hookEventName": "UserPromptSubmit", "suppressOriginalPrompt": true},
	})
}

// LauncherEnv marks the environment of what a launcher started: the launcher's depth, and the Claude Code above it.
const LauncherEnv = "AFTERYOU_LAUNCHER"

// WarnedEnv is set by a launcher that has told the person already what is wrong.
const WarnedEnv = "AFTERYOU_WARNED"

func (h *Hook) serve(ctx context.Context, e event, out io.Writer) error {
	if h.Store == nil {
		return h.Trouble
	}
	w := waiter{Hook: h, event: e, process: h.process(), self: lockfile.Self()}
	behind := Gated(h.Getenv)
	partner, inside := module(h.Getenv)
	inside = inside && (minded(e.Name) || lockfile.Alive(partner))
	switch {
	case inside && !behind && e.Name == "StopFailure":
		return w.died(ctx)
	case inside || behind:
		return w.visit(ctx)
	}
	v, err := h.Store.View()
	if err != nil && !errors.As(err, new(*lockfile.CorruptError)) { // that one is set aside below
		return err
	}
	var reports []observe.Report
	if v != nil {
		_, secret := h.Pool()
		w.account = v.State.AccountID(secret)
		if v.State.Sessions[e.Session] == nil {
			w.alive = line.Census(v.State)
		}
		keys := []turn.Key{e.key()}
		if gates(e.Name) {
			keys = append(keys, observe.Callers(v.State, w.account)...)
		}
		reports = observe.Read(v.State, keys...)
	}
	if gates(e.Name) {
		return w.wait(ctx, v, reports)
	}
	news, err := w.report(ctx, v, reports)
	if err == nil {
		w.tellPerson(out, news)
	}
	if e.Name == "SessionStart" || e.Name == "SessionEnd" {
		h.Store.Sweep()
	}
	return err
}

// report tells the state of an event that no model call comes after, if there is something to tell. It closes v.
func (w *waiter) report(ctx context.Context, v *lockfile.View, reports []observe.Report) (news news, err error) {
	var finished map[string]int64 // subagents
	if s := known(v, w.event.Session); s != nil && w.event.Name == "SubagentStop" {
		finished = observe.Finished(time.Now(), s, w.event.Session)
	}
	g := line.GiveBack{Account: w.account, Key: w.event.key(), How: w.event.gives()}
	change := w.change(reports, func(now time.Time, s *turn.State, a *turn.Account) {
		news = w.goesOn(now, s, a)
		observe.Forget(s.Sessions[w.event.Session], finished)
		w.after(now, s, a, g.How, reports)
	})
	if len(reports)+len(finished) == 0 && w.mayBeIdle(v) {
		idle := line.Idle(w.Store, v, w.account, change)
		if v.Close(); idle {
			return news, nil
		}
		v = nil // the trial used it up
	}
	defer func() { w.tellFleet(ctx, reports) }()
	if g.How != "" {
		err = line.Tell(ctx, w.Store, v, g, change)
	} else if v, err = line.Change(ctx, w.Store, v, change); err == nil {
		v.Close()
	}
	return news, err
}

// known is what the view knows of a session; nil: nothing.
func known(v *lockfile.View, session string) *turn.Session {
	if v == nil {
		return nil
	}
	return v.State.Sessions[session]
}

// mayBeIdle says whether it is worth trying whether the event has nothing to tell: one of several tools of an answer, say, or
// an event that nobody waits for.
func (w *waiter) mayBeIdle(v *lockfile.View) bool {
	switch w.event.Name {
	case "SessionStart", "StopFailure", "SessionEnd":
		return false
	}
	s := known(v, w.event.Session)
	return s != nil && s.Stop == (turn.Stop{}) && !v.State.Account(w.account).Holds(w.event.key())
}

// gates says whether a model call comes right after the event, so that it waits for the turn (2.1.330; SubagentStart
// stands before a subagent's first call).
func gates(name string) bool {
	switch name {
	case "UserPromptSubmit", "PostToolBatch", "PostToolUse", "PreCompact", "SubagentStart":
		return true
	}
	return false
}

// process names Claude Code itself. Versions that do not say CLAUDE_PID are the hook's parent: it is started in exec
// form, or by a shell's exec.
func (h *Hook) process() turn.Process {
	pid, err := strconv.Atoi(h.Getenv("CLAUDE_PID"))
	if err != nil {
		pid = os.Getppid()
	}
	return lockfile.Identify(pid)
}
