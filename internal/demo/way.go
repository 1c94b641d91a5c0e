package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"afteryou/internal/realclaude"
)

// Way is a way to run the sessions of a race.
type Way struct {
	Title string
	realclaude.Session
	// Settings, if any, are those of an organization, under which the sessions run (see realclaude.Managed).
	Settings string
	// Front, if any, puts something between the sessions and the API at that URL, and returns its own. Stop ends it.
	Front func(ctx context.Context, api string) (url string, stop func(), err error)
	Drive Drive // nil: with -p
	// Client is the command line that runs a script of Node which is a client.
	Client []string
}

// Drive runs one session with that id from its start to its end.
type Drive func(ctx context.Context, s realclaude.Session, id string) Outcome

// Outcome is how a session ended.
type Outcome struct {
	Code int
	Says []string // lines that nobody wants to see: on stderr, or on a screen
	Err  error    // it did not do its work
}

// Native starts Claude Code as it is.
func Native(claude string, env ...string) Way {
	return Way{Title: "each for itself", Session: realclaude.Session{Path: claude, Env: env}, Client: []string{"node"}}
}

// Afteryou starts Claude Code through afteryou, with settings as environment variables.
func Afteryou(self, claude string, env ...string) Way {
	return Way{Title: "with afteryou", Session: realclaude.Session{
		Path: self, Args: []string{"run", "--"}, Env: append([]string{"AFTERYOU_CLAUDE=" + claude}, env...)},
		Client: []string{self, "exec", "--", "node"}}
}

// Gateway returns the setting that turns the gateway on or off.
func Gateway(on bool) string {
	return "AFTERYOU_GATEWAY=" + map[bool]string{true: "on", false: "off"}[on]
}

// Gate says what holds the calls of sessions that run through afteryou.
type Gate string

const (
	Default Gate = ""        // what run takes by itself
	Module  Gate = "module"  // the module, which holds each request; 2.1.321 and later
	Steps   Gate = "steps"   // the module where an organization guards the requests: it holds steps of turns
	Hooks   Gate = "hooks"   // those of the settings, without the module
	Through Gate = "gateway" // the proxy
)

// Gates are all that can be asked for.
var Gates = []string{string(Module), string(Steps), string(Hooks), string(Through)}

// Way returns how sessions are run through afteryou so that this gate holds their calls.
func (g Gate) Way(self, claude string, env ...string) Way {
	w := Afteryou(self, claude, append([]string{Gateway(g == Through)}, env...)...)
	switch g {
	case Steps:
		w.Settings = realclaude.Guarded
	case Hooks:
		w.Env = append(w.Env, "AFTERYOU_MODULE=off")
	}
	return w
}

// printed runs sessions with -p.
func printed(s Scenario) Drive {
	mode := "bypassPermissions"
	if s.Checks {
		mode = "auto"
	}
	return func(ctx context.Context, one realclaude.Session, id string) Outcome {
		out, err := realclaude.Print(ctx, one, "--session-id", id, "--permission-mode", mode, Prompt)
		if err == nil && (out.Code != 0 || strings.TrimSpace(out.Stdout) != Finished) {
			err = fmt.Errorf("exit code %d, %s", out.Code, strings.TrimSpace(out.Stdout+out.Stderr))
		}
		return Outcome{Code: out.Code, Says: slices.Collect(strings.Lines(out.Stderr)), Err: err}
	}
}
