package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// state looks at the state that the sessions share, and at the sessions that do not.
func (e *examination) state() {
	if _, err := os.Lstat(e.State); errors.Is(err, fs.ErrNotExist) {
		e.say("state", OK, "", "%s is not there yet: no session took a turn", e.State)
		e.fleet(turn.NewState())
		e.sessions(turn.NewState())
		return
	}
	s, ok := e.open()
	if ok {
		e.say("state", OK, "", "%s is yours alone", e.State)
	}
	if s == nil {
		return
	}
	now := time.Now()
	for _, session := range s.Sessions {
		if ahead := session.Seen.Sub(now); ahead > time.Minute {
			e.say("clock", Note, "nothing: turns go on when the clock is there", "a session was seen %v from now: the clock was set back", ahead.Round(time.Second))
			break
		}
	}
	e.accounts(s)
	e.fleet(s)
	e.sessions(s)
}

// open reads the state and takes the lock once.
func (e *examination) open() (*turn.State, bool) {
	store, err := lockfile.Open(e.State)
	if err != nil {
		cure := "see what stands in its way"
		for part, c := range map[string]string{
			"is a symlink": "rm " + e.State + ", or set XDG_STATE_HOME to where it leads", "not a directory": "mv " + e.State + " " + e.State + ".old",
			"belongs to uid": "sudo chown -R $(id -u) " + e.State, "writable by others": "chmod 700 " + e.State,
		} {
			if strings.Contains(err.Error(), part) {
				cure = c
			}
		}
		e.say("state", Broken, cure, "%v", err)
		return nil, false
	}
	v, err := store.View()
	switch {
	case errors.As(err, new(*lockfile.CorruptError)):
		e.say("state", Broken, "mv "+filepath.Join(e.State, "state.json")+" "+filepath.Join(e.State, "state.old")+" (the next session does as much)", "%v", err)
		return nil, false
	case errors.As(err, new(*lockfile.NewerError)):
		e.say("state", Broken, "update this afteryou", "%v", err)
		return nil, false
	case err != nil:
		e.say("state", Broken, "mv "+e.State+" "+e.State+".old", "%v", err)
		return nil, false
	}
	v.Close()
	if _, err := store.Update(context.Background(), func(*turn.State) error { return errLooked }); !errors.Is(err, errLooked) {
		e.say("state", Broken, "rm -r "+filepath.Join(e.State, "lock")+"; is a process stopped (^Z) that holds it?", "%v", err)
		return v.State, false
	}
	return v.State, true
}

// errLooked ends a change that changes nothing.
var errLooked = errors.New("looked")

// accounts looks for sessions of one account that get their keys from different programs: it can't tell them apart.
func (e *examination) accounts(s *turn.State) {
	mine, _ := e.quiet(e.Settings())
	for id, a := range s.Accounts {
		if strings.Contains(a.Name, "API key") || strings.Contains(a.Name, "token") {
			continue // told apart by the credential itself
		}
		helpers := make(map[string]string) // what gives the key: where
		for _, session := range s.Sessions {
			if session.Account != id || session.Dir == "" {
				continue
			}
			helper := mine.settings.APIKeyHelper
			for _, name := range []string{"settings.json", "settings.local.json"} {
				if one, ok := e.quiet(filepath.Join(session.Dir, ".claude", name)); ok && one.settings.APIKeyHelper != "" {
					helper = one.settings.APIKeyHelper
				}
			}
			helpers[helper] = session.Dir
		}
		if len(helpers) > 1 {
			var where []string
			for helper, dir := range helpers {
				where = append(where, fmt.Sprintf("%s by %s", dir, cmp.Or(helper, "the login")))
			}
			e.say("accounts", Broken, "give one of them its key in ANTHROPIC_API_KEY, or a CLAUDE_CONFIG_DIR of its own",
				"two accounts share the line %q: sessions get their keys in %s", a.Name, strings.Join(where, ", in "))
		}
	}
}

// sessions looks for running sessions that take no turns.
func (e *examination) sessions(s *turn.State) {
	all, err := e.Programs()
	if err != nil {
		e.say("sessions", Note, "", "what runs can't be told: %v", err)
		return
	}
	known := make(map[int]*turn.Session)
	for _, session := range s.Sessions {
		if lockfile.Alive(session.Process) {
			known[session.Process.PID] = session
		}
	}
	parents := make(map[int]int)
	session := make(map[int]bool)
	for _, p := range all {
		parents[p.PID] = p.Parent
		session[p.PID] = e.isSession(p)
	}
	taking, not := 0, []string{}
	for _, p := range all {
		switch {
		case !session[p.PID]:
		case known[p.PID] != nil:
			taking++
		case within(p.Parent, parents, session): // a session's own helper
		default:
			not = append(not, e.named(p))
		}
	}
	switch {
	case len(not) > 0:
		e.say("sessions", Broken, "end them, and go on with claude --continue", "%d of %d running sessions take no turns: they began without hooks, or have not got to their prompt yet (pid %s)", len(not), len(not)+taking, strings.Join(not, ", "))
	case taking > 0:
		e.say("sessions", OK, "", "all %d running sessions take turns", taking)
	}
	e.gates(known, all)
}

// named is the pid of a session without a gate, with what keeps it from one.
func (e *examination) named(p Program) string {
	if why := e.start(p, claude.Modules()).NoModule(); why != "" {
		return fmt.Sprintf("%d: %s", p.PID, why)
	}
	return fmt.Sprint(p.PID)
}

// within reports whether pid or what started it is a session.
func within(pid int, parents map[int]int, session map[int]bool) bool {
	for range 64 {
		if session[pid] {
			return true
		}
		pid = parents[pid] // 0 is nobody's
	}
	return false
}

// isSession reports whether a program is Claude Code in a session, going by its command line.
func (e *examination) isSession(p Program) bool {
	args := p.Args
	if len(args) > 1 && strings.HasPrefix(filepath.Base(args[0]), "node") && strings.Contains(args[1], "claude") {
		args = args[1:]
	}
	if len(args) == 0 || p.Exe != "" && same(p.Exe, e.Self) {
		return false
	}
	if p.Home != "" && (!same(p.Home, e.Getenv("HOME")) || p.StateHome != e.Getenv("XDG_STATE_HOME")) {
		return false // it belongs to another state
	}
	switch filepath.Base(args[0]) {
	case "claude", "claude.exe", "cli.js":
		return claude.Sort(args[1:]) != claude.Other
	}
	return false
}
