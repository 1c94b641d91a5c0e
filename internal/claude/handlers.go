package claude

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// Handler is one command hook of a settings file.
type Handler struct {
	Event   string
	Group   int    // which of the event's, from 0
	Matcher string // of its group
	Command string
	Args    []string
	Raw     json.RawMessage // without spaces
}

// Program returns the path of the afteryou that the handler runs, in either form that Hooks writes, wherever it stands.
// It is not ok for a handler of somebody else.
func (h Handler) Program() (path string, ok bool) {
	path = h.Command
	if len(h.Args) == 0 { // the form for a shell
		if path, ok = strings.CutSuffix(strings.TrimSuffix(path, " wake"), " hook"); !ok {
			return "", false
		}
		path = strings.TrimPrefix(path, "exec ")
		if len(path) > 1 && path[0] == '\'' && path[len(path)-1] == '\'' {
			path = strings.ReplaceAll(path[1:len(path)-1], `'\''`, "'")
		}
	} else if h.Args[0] != "hook" || len(h.Args) > 1 && !slices.Equal(h.Args[1:], []string{"wake"}) {
		return "", false
	}
	return path, filepath.Base(path) == "afteryou"
}

// Handlers lists the command hooks of a settings file. An empty file has none.
func Handlers(settings []byte) ([]Handler, error) {
	s, err := readSettings(settings)
	if err != nil {
		return nil, err
	}
	var list []Handler
	err = s.eachHandler(func(_ *hujson.Value, h Handler) { list = append(list, h) })
	return list, err
}

// eachHandler calls visit for every command hook, in order, with its place. Of an event named twice the last one counts,
// as in JavaScript.
func (s *settingsFile) eachHandler(visit func(*hujson.Value, Handler)) error {
	at := index(s.top, "hooks")
	if at < 0 {
		return nil
	}
	hooks, ok := s.top.Members[at].Value.Value.(*hujson.Object)
	if !ok {
		return s.wrong(&s.top.Members[at].Value, "hooks", "an object")
	}
	for i, event := range hooks.Members {
		groups, ok := event.Value.Value.(*hujson.Array)
		if !ok {
			return s.wrong(&event.Value, "hooks of "+nameOf(event), "a list")
		}
		if index(hooks, nameOf(event)) != i {
			continue
		}
		for j, group := range groups.Elements {
			var g struct{ Matcher string }
			list := handlerList(group)
			if list == nil || json.Unmarshal(group.Pack(), &g) != nil {
				continue // not ours to judge
			}
			for k := range list.Elements {
				var raw bytes.Buffer
				var fields struct {
					Type, Command string
					Args          []string
				}
				text := list.Elements[k].Pack()
				if json.Unmarshal(text, &fields) != nil || fields.Type != "command" || json.Compact(&raw, text) != nil {
					continue
				}
				visit(&list.Elements[k], Handler{nameOf(event), j, g.Matcher, fields.Command, fields.Args, raw.Bytes()})
			}
		}
	}
	return nil
}

// handlerList returns the handlers of a group, nil where it has no list of them.
func handlerList(group hujson.Value) *hujson.Array {
	if o, ok := group.Value.(*hujson.Object); ok {
		if i := index(o, "hooks"); i >= 0 {
			list, _ := o.Members[i].Value.Value.(*hujson.Array)
			return list
		}
	}
	return nil
}

// AddHooks puts hooks (see Hooks) into the settings file with this content: behind the user's own and in the file's own
// indentation and line ends. No other byte changes. Handlers of ours that are there already must be taken out first.
func AddHooks(settings []byte, hooks json.RawMessage) ([]byte, error) {
	if string(hooks) == "{}" {
		return settings, nil
	}
	s, err := addTo(settings, `{"hooks":`+string(hooks)+`}`)
	if err != nil {
		return nil, err
	}
	return s.tree.Pack(), nil
}

// RemoveHooks takes those handlers out of a settings file that are ours, with the groups, events and the object that
// get empty by it. before is the file as it was without our hooks, nil where it is not known: what was empty there
// already stays, as it was written. No other byte changes.
func RemoveHooks(settings, before []byte, ours func(Handler) bool) ([]byte, error) {
	return removeFrom(settings, before, "hooks", func(s *settingsFile, hooks, was *hujson.Object) (found bool, err error) {
		err = s.eachHandler(func(place *hujson.Value, h Handler) {
			if ours(h) {
				place.Value, found = nil, true
			}
		})
		if err != nil || !found {
			return false, err
		}
		for i := range slices.Backward(hooks.Members) {
			groups := hooks.Members[i].Value.Value.(*hujson.Array)
			for j, group := range groups.Elements {
				if list := handlerList(group); list != nil && cutMarked(list) {
					groups.Elements[j].Value = nil
				}
			}
			if cutMarked(groups) {
				removeEmpty(hooks, i, was)
			}
		}
		return true, nil
	})
}

// cutMarked cuts the elements whose value is nil, and reports whether no others are left.
func cutMarked(a *hujson.Array) (emptied bool) {
	for i, e := range slices.Backward(a.Elements) {
		if e.Value == nil {
			a.Elements = cut(a.Elements, i, aroundElement)
			emptied = len(a.Elements) == 0
		}
	}
	return emptied
}

// Variable is one of the environment that a settings file gives its sessions.
type Variable struct{ Name, Value string }

// AddEnv puts variables, which must not be there yet, into the settings file with this content, as AddHooks does.
func AddEnv(settings []byte, list ...Variable) ([]byte, error) {
	var env []string
	for _, v := range list {
		env = append(env, string(compact(v.Name))+":"+string(compact(v.Value)))
	}
	s, err := addTo(settings, `{"env":{`+strings.Join(env, ",")+`}}`)
	if err != nil {
		return nil, err
	}
	return s.tree.Pack(), nil
}

// RemoveEnv takes variables out of a settings file, with the object that gets empty by it, as RemoveHooks does.
func RemoveEnv(settings, before []byte, names ...string) ([]byte, error) {
	return removeFrom(settings, before, "env", func(_ *settingsFile, env, _ *hujson.Object) (found bool, err error) {
		for i, m := range slices.Backward(env.Members) {
			if slices.Contains(names, nameOf(m)) {
				env.Members = cut(env.Members, i, aroundMember)
				found = true
			}
		}
		return found, nil
	})
}
