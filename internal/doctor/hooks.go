package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"afteryou/internal/claude"
)

// source is a settings file of Claude Code that exists.
type source struct {
	path     string
	settings claude.Settings
	handlers []claude.Handler
}

// read takes what matters from the settings file at path, if there is one.
func (e *examination) read(path string) (source, bool) {
	s := source{path: path}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false
	}
	if err == nil {
		s.handlers, err = claude.Handlers(data)
	}
	if err == nil && len(bytes.TrimSpace(data)) > 0 {
		// A key of another type says nothing to us.
		_ = json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &s.settings)
	}
	if err != nil {
		says, _ := fault(err)
		e.say("hooks", Broken, "correct "+path, "%s: %s: Claude Code reads nothing of it", path, says)
		return s, false
	}
	return s, true
}

// hooks looks at what the settings files of Claude Code say of hooks.
func (e *examination) hooks() {
	project := func(name string) string { return filepath.Join(e.Dir, ".claude", name) }
	var all []source
	for _, path := range []string{e.Managed, e.Settings(), project("settings.json"), project("settings.local.json")} {
		if path == "" || slices.ContainsFunc(all, func(s source) bool { return same(s.path, path) }) {
			continue
		}
		if s, ok := e.read(path); ok {
			all = append(all, s)
		}
	}
	off := false
	for _, s := range all {
		if s.settings.DisableAllHooks {
			off = true
			e.say("hooks", Broken, "take disableAllHooks out of "+s.path, "%s switches all hooks off", s.path)
		}
		if s.path == e.Managed && s.settings.AllowManagedHooksOnly {
			switch ours := slices.ContainsFunc(s.handlers, e.Ours); {
			case ours:
				all = []source{s} // no other counts
			case e.Config.Gateway == "on":
				off = true
				e.say("hooks", Note, "", "%s allows no hooks but its own: sessions started by run take turns at the gateway, others none", s.path)
			default:
				off = true
				e.say("hooks", Broken, "ask who manages it to put afteryou's hooks there, or set gateway = \"on\"", "%s allows no hooks but its own", s.path)
			}
		}
		e.unknown(s)
	}
	where, right := e.handlers(all)
	if !off {
		switch e.plugin(all); {
		case right:
			e.say("hooks", OK, "", "every session of yours has them (%s)", where)
		case e.plugged:
			e.say("hooks", OK, "", "every session of yours has them, by the plugin")
		}
	}
	helpers := make(map[string]bool)
	for _, s := range all {
		if s.settings.APIKeyHelper != "" {
			helpers[s.settings.APIKeyHelper] = true
		}
	}
	if len(helpers) > 1 {
		e.say("accounts", Broken, "give the projects' sessions keys in ANTHROPIC_API_KEY, or a CLAUDE_CONFIG_DIR of their own",
			"apiKeyHelper differs between settings files: keys of two accounts share one line (%s)", strings.Join(slices.Sorted(maps.Keys(helpers)), "; "))
	}
}

// plugin looks at the other way to get our hooks.
func (e *examination) plugin(all []source) {
	i := slices.IndexFunc(all, func(s source) bool { return s.settings.Plugin() })
	if i < 0 {
		return
	}
	_, err := exec.LookPath("afteryou")
	if _, local := os.Stat(filepath.Join(e.Getenv("HOME"), ".local/bin/afteryou")); err != nil && local != nil {
		e.say("hooks", Broken, "put "+filepath.Dir(e.Self)+" on PATH", "%s switches the plugin on, which finds no afteryou on PATH or in ~/.local/bin", all[i].path)
		return
	}
	e.plugged = all[i].path == e.Settings()
	if e.hooked {
		e.say("hooks", Note, "afteryou uninstall hooks, or: claude plugin uninstall afteryou@afteryou", "the plugin brings the same hooks: each event comes twice and counts once")
	}
	if !e.version.IsZero() && e.version.Less(claude.ToolBatch()) {
		e.say("hooks", Note, "claude update, or: afteryou install hooks", "the plugin gates every call from %v on only, and %v's just at prompts and subagents", claude.ToolBatch(), e.version)
	}
}

// unknown looks for events that the version at hand does not know: it drops all hooks of such a file.
func (e *examination) unknown(s source) {
	if e.version.IsZero() {
		return
	}
	theirs := make(map[string]bool)
	ours := make(map[string]bool)
	for _, h := range s.handlers {
		if e.version.Knows(h.Event) {
			continue
		}
		if e.Ours(h) {
			ours[h.Event] = true
		} else {
			theirs[h.Event] = true
		}
	}
	for _, one := range []struct {
		events map[string]bool
		cure   string
	}{{ours, e.hooksCure(s)}, {theirs, "take it out of " + s.path + ", or run: claude update"}} {
		if len(one.events) > 0 {
			e.say("hooks", Broken, one.cure, "%s names %s, which %v does not know: it drops all hooks of that file, and says nothing",
				s.path, strings.Join(slices.Sorted(maps.Keys(one.events)), ", "), e.version)
		}
	}
}

func (e *examination) hooksCure(s source) string {
	if s.path == e.Settings() {
		return "afteryou install hooks"
	}
	return "take afteryou's hooks out of " + s.path + ": those of your own settings do"
}

// handlers looks at our hooks in all settings files, and reports the first that has them, and whether every session does
// and they are right.
func (e *examination) handlers(all []source) (first string, right bool) {
	right = true
	for _, s := range all {
		programs := make(map[string]int)
		events := make(map[string]int)
		for _, h := range s.handlers {
			if path, _ := h.Program(); e.Ours(h) {
				programs[path]++
				events[h.Event+h.Command+strings.Join(h.Args, " ")]++
			}
		}
		if len(programs) == 0 {
			continue
		}
		if s.path == e.Settings() || s.path == e.Managed {
			e.hooked = true
		}
		bad := func(format string, args ...any) {
			right = false
			e.say("hooks", Broken, e.hooksCure(s), "%s: %s", s.path, fmt.Sprintf(format, args...))
		}
		if first != "" {
			bad("afteryou's hooks are there a second time, beside %s", first)
			continue
		}
		first = s.path
		for _, path := range slices.Sorted(maps.Keys(programs)) {
			if fi, err := os.Stat(path); err != nil || fi.Mode()&0o111 == 0 {
				bad("%d hooks run %s, which is not there", programs[path], path)
			} else if path != e.Self && !same(path, e.Self) {
				bad("%d hooks run another afteryou, %s", programs[path], path)
			}
		}
		switch {
		case !right:
		case len(programs) > 1 || slices.ContainsFunc(slices.Collect(maps.Values(events)), func(n int) bool { return n > 1 }):
			bad("afteryou's hooks are there twice")
		case s.path == e.Settings() && !e.version.IsZero():
			if c, err := e.Hooks(e.version, false); err == nil && !c.Empty() {
				bad("afteryou's hooks are written for another version than %v", e.version)
			}
		}
	}
	return first, right && e.hooked
}

// watchdog looks at Claude Code's own long wait. Where every session finds the module, that one waits.
func (e *examination) watchdog() {
	if e.inside {
		return
	}
	const name = claude.WatchdogEnv
	value, where := e.Getenv(name), "your environment"
	if s, ok := e.quiet(e.Settings()); ok && s.settings.Env[name] != "" {
		value, where = s.settings.Env[name], e.Settings()
	}
	switch {
	case value == "":
		if e.hooked || e.plugged {
			e.say("watchdog", Note, "afteryou install hooks --watchdog, or start sessions by the alias",
				"sessions that start without afteryou run die of a retry-after above 60 s")
		}
	case claude.WatchdogOn(value):
		e.say("watchdog", OK, "", "every session waits out a retry-after of any length")
	default:
		e.say("watchdog", Broken, "take it out of "+where+", or set it to 1", "%s is %q in %s: a retry-after above 60 s ends a session's turn", name, value, where)
	}
}

// quiet reads a settings file without a word about what is wrong with it.
func (e *examination) quiet(path string) (source, bool) {
	silent := &examination{Patient: e.Patient}
	return silent.read(path)
}
