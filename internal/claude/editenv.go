package claude

import (
	"encoding/json"
	"slices"
)

// Variable is one of the environment that a settings file gives its sessions.
type Variable struct{ Name, Value string }

// AddEnv puts variables, which must not be there yet, into the settings file with this content: behind the user's own
// and in the file's own indentation and line ends. No other byte changes.
func AddEnv(settings []byte, list ...Variable) ([]byte, error) {
	f, err := readFile(settings)
	if err != nil {
		return nil, err
	}
	sep, unit := f.sep(f.top, f.newline(), "  ")
	env := f.top.kid("env")
	if env == nil {
		var o object
		for _, v := range list {
			o.set(v.Name, compact(v.Value))
		}
		f.add(f.top, sep, f.newline(), f.member("env", o.bytes(), sep, unit))
		return f.result(), nil
	}
	if err := f.wants(env, '{', "env"); err != nil {
		return nil, err
	}
	envSep, _ := f.sep(env, sep, unit)
	var items []string
	for _, v := range list {
		items = append(items, f.member(v.Name, json.RawMessage(compact(v.Value)), envSep, unit))
	}
	f.add(env, envSep, sep, items...)
	return f.result(), nil
}

// RemoveEnv takes variables out of a settings file, with the object that gets empty by it. before is the file as it was
// without them, where it is known: what was empty there already stays, as it was written. No other byte changes.
func RemoveEnv(settings, before []byte, names ...string) ([]byte, error) {
	f, err := readFile(settings)
	if err != nil {
		return nil, err
	}
	was, err := readFile(before)
	if err != nil {
		was, _ = readFile(nil)
	}
	env, old := f.top.kid("env"), was.top.kid("env")
	if env == nil || f.data[env.start] != '{' {
		return settings, nil
	}
	var gone []*node
	for _, v := range env.kids {
		if slices.Contains(names, v.key) {
			gone = append(gone, v)
		}
	}
	switch {
	case len(gone) == 0:
		return settings, nil
	case len(gone) < len(env.kids):
		f.cut(map[*node][]*node{env: gone})
	case old != nil && len(old.kids) == 0:
		f.replace(env.start, env.end, was.text(old))
	case len(f.top.kids) > 1:
		f.cut(map[*node][]*node{f.top: {env}})
	case before != nil && len(was.top.kids) == 0:
		return before, nil
	default:
		f.replace(f.top.start+1, f.top.end-1, "")
	}
	return f.result(), nil
}
