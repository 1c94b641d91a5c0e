package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"afteryou/internal/claude"
	"afteryou/internal/turn"
)

// module looks at whether sessions find the module that holds their calls, and whether Claude Code loads it.
func (e *examination) module() {
	if e.version.IsZero() || e.version.Less(claude.Modules()) || e.Config.Off {
		return // that there are none is said of the version
	}
	if e.Fault == nil && !e.Config.Module {
		e.say("module", Note, "set module to auto", "it is switched off: hooks hold the calls")
		return
	}
	start := e.start(Program{Dir: e.Dir, Getenv: e.Getenv}, e.version)
	if why := start.NoModule(); why != "" {
		e.say("module", Note, "", "Claude Code loads none here: %s", why)
		return
	}
	right, any := e.HasModule()
	e.inside = right || e.plugged
	switch {
	case any && !right:
		e.say("module", Broken, "afteryou install hooks", "%s leads to that of another afteryou", claude.SkillLink(e.Getenv))
	case !any && !e.plugged:
		e.say("module", Note, "afteryou install hooks", "only sessions that afteryou run starts find it")
	case start.Guarded():
		e.say("module", Note, "", "your organization's settings hide requests from modules: it holds the steps of a turn, and learns less of the limit")
	default:
		e.say("module", OK, "", "every session of yours finds it")
	}
}

// start is how a program was started, if it is a session.
func (e *examination) start(p Program, v claude.Version) claude.Start {
	o := claude.Managed(e.Getenv)
	o.Dir = filepath.Dir(e.Managed)
	args := p.Args
	if len(args) > 0 {
		args = args[1:]
	}
	getenv := p.Getenv
	if getenv == nil {
		getenv = e.Getenv
	}
	return claude.Start{Version: v, Args: args, Getenv: getenv, Dir: cmp.Or(p.Dir, e.Dir), Organization: o}
}

// gates says what holds the calls of each running session, and why nothing better does.
func (e *examination) gates(sessions map[int]*turn.Session, all []Program) {
	pids := make(map[string][]string)
	for _, p := range all {
		if s := sessions[p.PID]; s != nil {
			what := s.HeldBy()
			if why := e.why(s, p); why != "" {
				what += ": " + why
			}
			pids[what] = append(pids[what], fmt.Sprint(p.PID))
		}
	}
	for _, what := range slices.Sorted(maps.Keys(pids)) {
		grade := Note
		if what == turn.GateModule || what == turn.ByGateway {
			grade = OK
		}
		e.say("gate", grade, "", "pid %s by %s", strings.Join(pids[what], ", "), what)
	}
}

// why says why a session's gate is not the module, or not all of it; "": it is, or was wished for otherwise.
func (e *examination) why(s *turn.Session, p Program) string {
	v := e.version
	if p.Exe != "" {
		if own, err := (claude.Binary{Path: p.Exe}).Version(e.Cache); err == nil {
			v = own
		}
	}
	start := e.start(p, v)
	switch by := s.HeldBy(); {
	case by == turn.GateModule || by == turn.ByGateway:
		return ""
	case by == turn.GateSteps && v.Less(claude.Fetches()):
		return fmt.Sprintf("before %v modules see no requests", claude.Fetches())
	case by == turn.GateSteps && start.Guarded():
		return "your organization's settings hide requests from modules"
	case by == turn.GateSteps:
		return "the account's organization hides requests from modules"
	case start.NoModule() != "":
		return start.NoModule()
	case e.Fault == nil && !e.Config.Module:
		return "module is off"
	case !e.inside:
		return "it finds no module"
	}
	return "it began before the module was there"
}
