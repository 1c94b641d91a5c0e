// Package doctor looks at everything that can keep sessions from taking turns, and says what cures it.
//
// It only looks: it starts the user's shell to see what "claude" is there, asks Claude Code for its version, takes the
// lock once, and changes nothing. What it can't look at is said, not guessed.
package doctor

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"afteryou/internal/claude"
	"afteryou/internal/config"
	"afteryou/internal/install"
)

// Grade is how bad a finding is.
type Grade int

const (
	OK     Grade = iota
	Note         // worth knowing; turns work
	Broken       // turns do not work, or not for all sessions
)

func (g Grade) String() string { return [...]string{"ok", "note", "broken"}[g] }

// MarshalText writes the grade as a word.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Finding is what one look found.
type Finding struct {
	Check string `json:"check"`
	Grade Grade  `json:"grade"`
	Says  string `json:"says"`
	Cure  string `json:"cure,omitempty"`
}

// Patient is what is looked at.
type Patient struct {
	install.User
	Dir      string                                     // where the person is: projects have settings of their own
	State    string                                     // state directory
	Cache    string                                     // what was found out about Claude Code
	Managed  string                                     // settings file of the organization
	Measured claude.Version                             // the newest version of Claude Code that afteryou was tried with
	Config   config.Settings                            // our own
	Fault    error                                      // what is wrong with them
	Shell    func(shell, script string) (string, error) // runs a script in a new interactive shell
	Programs func() ([]Program, error)                  // what runs on this machine
}

// Program is a running program of the user's.
type Program struct {
	PID, Parent int
	Args        []string
	// Where they can be told, else empty: the program's file, and two variables of its environment.
	Exe, Home, StateHome string
	Dir                  string                   // where it works; empty: not to be told
	Getenv               func(name string) string // nil: not to be told
}

// Examine looks at everything.
func (p Patient) Examine() []Finding {
	e := &examination{Patient: p}
	e.config()
	e.claude()
	e.hooks()
	e.module()
	e.command()
	e.watchdog()
	e.state()
	return e.found
}

type examination struct {
	Patient
	found   []Finding
	version claude.Version // zero: unknown
	hooked  bool           // the user's settings have our hooks
	plugged bool           // or our plugin, which brings them
	inside  bool           // every session finds our module
}

func (e *examination) say(check string, g Grade, cure, format string, args ...any) {
	e.found = append(e.found, Finding{check, g, fmt.Sprintf(format, args...), cure})
}

// fault splits an error into what is wrong and its hint.
func fault(err error) (says, cure string) {
	says, cure, _ = strings.Cut(err.Error(), "\nhint: ")
	return says, cure
}

func (e *examination) config() {
	if e.Fault != nil {
		says, cure := fault(e.Fault)
		e.say("settings", Broken, cmp.Or(cure, "correct it; until then what is wrong counts as not said, and run does not start"), "%s", says)
	}
	if e.Config.Off {
		e.say("settings", Note, "take off = true out of config.toml, or unset AFTERYOU_OFF", "afteryou is switched off: no session takes turns")
	}
	switch elsewhere := claude.Elsewhere(claude.WithSettings(e.Getenv)); {
	case e.Config.Gateway == "on" && elsewhere != "":
		e.say("gateway", Broken, "set gateway to auto or off, or unset "+elsewhere, "the gateway stands before the Anthropic API only, and %s sends calls elsewhere", elsewhere)
	case e.Config.Gateway == "on":
		e.say("gateway", Note, "set gateway to auto or off if you need them", "the gateway is on: Remote Control and server-managed settings are off in sessions started by run")
	}
}

// claude looks for the real Claude Code and its version.
func (e *examination) claude() {
	bin, err := claude.Find(e.Self, e.Config.Getenv(e.Getenv))
	if err != nil {
		says, cure := fault(err)
		e.say("claude", Broken, cmp.Or(cure, "set AFTERYOU_CLAUDE to the path of the real claude, or unset it"), "%s", says)
		return
	}
	if e.version, err = bin.Version(e.Cache); err != nil {
		says, _ := fault(err)
		e.say("claude", Broken, "see what "+bin.Path+" --version says; install Claude Code anew", "%s", says)
		return
	}
	v := e.version
	switch {
	case v.Supported() != nil:
		says, cure := fault(v.Supported())
		e.say("claude", Broken, cure, "%s: %s", bin.Path, says)
	case v.Less(claude.ToolBatch()):
		e.say("claude", Note, "claude update", "%s is %v: before %v a session waits for its turn after the first tool of an answer, and before %v a retry-after above 60 s ends its turn", bin.Path, v, claude.ToolBatch(), claude.Watchdog())
	case v.Less(claude.Watchdog()):
		e.say("claude", Note, "claude update", "%s is %v: before %v a retry-after above 60 s ends its turn", bin.Path, v, claude.Watchdog())
	case e.Measured.Less(v):
		e.say("claude", Note, "", "%s is %v, newer than what was measured (%v); treated alike", bin.Path, v, e.Measured)
	default:
		e.say("claude", OK, "", "%s is %v", bin.Path, v)
	}
	for _, other := range claude.All(e.Self, e.Getenv) {
		if same(other.Path, bin.Path) {
			continue
		}
		text := "of unknown version"
		if v, err := other.Version(e.Cache); err == nil {
			text = v.String()
		}
		e.say("claude", Note, "remove one of them, or set AFTERYOU_CLAUDE to the one you mean", "there is another Claude Code: %s, %s", other.Path, text)
	}
}

// same reports whether two paths lead to the same file.
func same(a, b string) bool {
	x, err := filepath.EvalSymlinks(a)
	if err != nil {
		return a == b
	}
	y, err := filepath.EvalSymlinks(b)
	return err == nil && x == y
}
