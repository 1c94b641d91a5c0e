package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"afteryou/internal/claude"
)

// Settings returns the path of the user's settings file of Claude Code.
func (u User) Settings() string { return filepath.Join(claude.ConfigDir(u.Getenv), "settings.json") }

// backupOf returns where the settings without our hooks are kept: beside the name that the person knows, not beside the
// target of a link there, which may be under version control.
func backupOf(path string) string { return path + ".before-afteryou" }

// mark stands beside claude.WatchdogEnv where we set it: what has none was set by the person, and is left alone.
const mark = "AFTERYOU_SET"

// Hooks puts the hooks for version v of Claude Code into the user's settings, in place of any that an afteryou put there;
// with long also the variable that makes sessions wait for as long as they are told to. Once there it stays.
func (u User) Hooks(v claude.Version, long bool) (Change, error) {
	path := u.Settings()
	c := Change{Path: path, mode: 0o600, home: u.home()}
	err := v.Supported()
	if err != nil {
		return c, fmt.Errorf("writing hooks: %w", err)
	}
	wanted := claude.Hooks(u.Self, v)
	if c.was, err = read(path); err != nil {
		return c, err
	}
	c.will = c.was
	found, base, err := u.without(path, c.was)
	if err != nil {
		return c, err
	}
	marked := environment(c.was)[mark] != ""
	value, theirs := environment(base)[claude.WatchdogEnv]
	if long && theirs {
		c.Note = fmt.Sprintf("%s sets %s to %q already: it stays", path, claude.WatchdogEnv, value)
	}
	long = (long || marked) && !theirs
	if same(found, wanted) && long == marked {
		return c, nil
	}
	if c.will, err = claude.AddHooks(base, wanted); err == nil && long {
		c.will, err = addWatchdog(c.will)
	}
	if err != nil {
		return c, broken(path, err)
	}
	if base != nil && string(found) == "{}" && !marked {
		c.backup = backupOf(path)
	}
	return c, nil
}

// environment returns the variables that settings give their sessions.
func environment(settings []byte) map[string]string {
	var s claude.Settings
	// What is of another type is none of ours, and a broken file is told of elsewhere.
	_ = json.Unmarshal(bytes.TrimPrefix(settings, []byte("\ufeff")), &s)
	return s.Env
}

func addWatchdog(settings []byte) ([]byte, error) {
	return claude.AddEnv(settings, claude.Variable{Name: claude.WatchdogEnv, Value: "1"}, claude.Variable{Name: mark, Value: claude.WatchdogEnv})
}

// NoHooks takes our hooks out of the user's settings.
func (u User) NoHooks() (Change, error) {
	path := u.Settings()
	c := Change{Path: path, mode: 0o600, home: u.home()}
	var err error
	if c.was, err = read(path); err != nil {
		return c, err
	}
	if _, c.will, err = u.without(path, c.was); err != nil {
		return Change{}, err // and not one that removes what can't be read
	}
	if kept, err := read(backupOf(path)); err == nil && kept != nil {
		c.drop = backupOf(path)
	}
	return c, nil
}

// without returns our hooks in the settings, and the file without them; nil is no file.
func (u User) without(path string, settings []byte) (hooks, rest []byte, err error) {
	list, err := claude.Handlers(settings)
	if err != nil {
		return nil, nil, broken(path, err)
	}
	hooks = u.ours(list)
	env := environment(settings)
	marked := env[mark] != ""
	if string(hooks) == "{}" && !marked {
		return hooks, settings, nil
	}
	before, err := read(backupOf(path))
	if err != nil {
		return nil, nil, err
	}
	// What nobody touched since becomes what it was, to the last space.
	added, err := claude.AddHooks(before, hooks)
	if err == nil && marked {
		added, err = addWatchdog(added)
	}
	if err == nil && bytes.Equal(added, settings) {
		return hooks, before, nil
	}
	rest, err = claude.RemoveHooks(settings, before, u.Ours)
	if err == nil && marked {
		names := []string{mark}
		if env[claude.WatchdogEnv] == "1" { // else the person changed it since
			names = append(names, claude.WatchdogEnv)
		}
		rest, err = claude.RemoveEnv(rest, before, names...)
	}
	if err != nil {
		return nil, nil, broken(path, err)
	}
	return hooks, rest, nil
}

// same reports whether two "hooks" objects hold the same handlers, in whatever order.
func same(a, b []byte) bool {
	sorted := func(hooks []byte) []string {
		list, err := claude.Handlers([]byte(`{"hooks":` + string(hooks) + "}"))
		if err != nil {
			return nil // neither is the user's text
		}
		var all []string
		for _, h := range list {
			all = append(all, h.Event+string(h.Raw))
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(sorted(a), sorted(b))
}

// Ours reports whether a handler is one of ours.
func (u User) Ours(h claude.Handler) bool {
	path, ok := h.Program()
	return ok || path != "" && path == u.Self
}

// ours returns our handlers among list, in the shape in which claude.Hooks writes them.
func (u User) ours(list []claude.Handler) []byte {
	var b bytes.Buffer
	var last claude.Handler
	for _, h := range list {
		switch {
		case !u.Ours(h):
			continue
		case b.Len() > 0 && h.Event == last.Event && h.Group == last.Group:
			fmt.Fprintf(&b, ",%s", h.Raw)
		case b.Len() > 0 && h.Event == last.Event:
			fmt.Fprintf(&b, `]},{"hooks":[%s`, h.Raw)
		case b.Len() > 0:
			b.WriteString("]}],")
			fallthrough
		default:
			name, err := json.Marshal(h.Event)
			if err != nil {
				continue // a string always encodes
			}
			fmt.Fprintf(&b, `%s:[{"hooks":[%s`, name, h.Raw)
		}
		last = h
	}
	if b.Len() == 0 {
		return []byte("{}")
	}
	return []byte("{" + b.String() + "]}]}")
}

func broken(path string, err error) error {
	return fmt.Errorf("reading %s: %w\nhint: Claude Code can't read it either; correct it, then try again", path, err)
}
