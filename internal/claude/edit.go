package claude

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
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

// Program is the afteryou that the handler runs, in either form that Hooks writes, wherever it stands; not ok for a
// handler of somebody else.
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
	f, err := readFile(settings)
	if err != nil {
		return nil, err
	}
	var list []Handler
	err = f.walk(func(_, _, _ *node, h Handler) { list = append(list, h) })
	return list, err
}

// AddHooks puts hooks (see Hooks) into the settings file with this content: behind the user's own and in the file's own
// indentation and line ends. No other byte changes. Handlers of ours that are there already must be taken out first.
func AddHooks(settings []byte, hooks json.RawMessage) ([]byte, error) {
	ours, err := members(hooks)
	if err != nil {
		return nil, fmt.Errorf("our hooks: %w", err)
	}
	f, err := readFile(settings)
	if err != nil || len(ours) == 0 {
		return settings, err
	}
	// The indentation of a file is that of its first key. A file on one line stays on one line.
	sep, unit := f.sep(f.top, f.newline(), "  ")
	top := f.top.kid("hooks")
	if top == nil {
		f.add(f.top, sep, f.newline(), f.member("hooks", hooks, sep, unit))
		return f.result(), nil
	}
	if err := f.wants(top, '{', "hooks"); err != nil {
		return nil, err
	}
	hooksSep, _ := f.sep(top, sep, unit)
	var fresh []string
	for _, our := range ours {
		event := top.kid(our.name)
		if event == nil {
			fresh = append(fresh, f.member(our.name, our.value, hooksSep, unit))
			continue
		}
		if err := f.wants(event, '[', "hooks of "+our.name); err != nil {
			return nil, err
		}
		var groups []json.RawMessage
		if err := json.Unmarshal(our.value, &groups); err != nil {
			return nil, fmt.Errorf("our hooks: %w", err)
		}
		eventSep, _ := f.sep(event, hooksSep, unit)
		var items []string
		for _, g := range groups {
			items = append(items, f.format(g, eventSep, unit))
		}
		f.add(event, eventSep, hooksSep, items...)
	}
	if len(fresh) > 0 {
		f.add(top, hooksSep, sep, fresh...)
	}
	return f.result(), nil
}

// RemoveHooks takes those handlers out of a settings file that are ours, with the groups, events and the object that
// get empty by it. before is the file as it was without our hooks, where it is known: what was empty there already
// stays, as it was written. No other byte changes.
func RemoveHooks(settings, before []byte, ours func(Handler) bool) ([]byte, error) {
	f, err := readFile(settings)
	if err != nil {
		return nil, err
	}
	was, err := readFile(before)
	if err != nil {
		was, _ = readFile(nil)
	}
	// What goes, for each array or object.
	gone := make(map[*node][]*node)
	if err := f.walk(func(group, list, h *node, handler Handler) {
		if ours(handler) {
			gone[list] = append(gone[list], h)
		}
	}); err != nil {
		return nil, err
	}
	if len(gone) == 0 {
		return settings, nil
	}
	empty := func(n *node) bool { return len(gone[n]) > 0 && len(gone[n]) == len(n.kids) }
	hooks := f.top.kid("hooks")
	wasHooks := was.top.kid("hooks")
	for _, event := range hooks.kids {
		for _, group := range event.kids {
			if list := group.kid("hooks"); list != nil && empty(list) {
				gone[event] = append(gone[event], group)
			}
		}
		if !empty(event) {
			continue
		}
		if old := wasHooks.kid(event.key); old != nil && len(old.kids) == 0 {
			f.replace(event.start, event.end, was.text(old))
			delete(gone, event)
			for _, group := range event.kids {
				delete(gone, group.kid("hooks"))
			}
			continue
		}
		gone[hooks] = append(gone[hooks], event)
	}
	if empty(hooks) {
		if wasHooks != nil && len(wasHooks.kids) == 0 {
			f.edits = nil
			f.replace(hooks.start, hooks.end, was.text(wasHooks))
			return f.result(), nil
		}
		if len(f.top.kids) == 1 {
			if before != nil && len(was.top.kids) == 0 {
				return before, nil
			}
			f.edits = nil
			f.replace(f.top.start+1, f.top.end-1, "")
			return f.result(), nil
		}
		gone = map[*node][]*node{f.top: {hooks}}
		f.edits = nil
	}
	f.cut(gone)
	return f.result(), nil
}

// file is the text of a settings file with the places of everything in it.
type file struct {
	data  []byte
	top   *node
	edits []edit
}

type edit struct {
	from, to int
	text     string
}

// node is a value in its place, and a key before it where it is a member of an object.
type node struct {
	key        string
	from       int // of the key, else of the value
	start, end int // of the value
	kids       []*node
}

// kid is the member of that name that counts in JavaScript, the last one.
func (n *node) kid(name string) *node {
	if n == nil {
		return nil
	}
	for _, k := range slices.Backward(n.kids) {
		if k.key == name {
			return k
		}
	}
	return nil
}

// readFile finds the places in a settings file. One that is empty gets an empty object.
func readFile(data []byte) (*file, error) {
	start := 0
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		start = len("\ufeff")
	}
	if len(bytes.TrimSpace(data[start:])) == 0 {
		data = slices.Concat(data, []byte("{}\n"))
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data[start:], &whole); err != nil {
		return nil, whereIs(data, start, err)
	}
	f := &file{data: data}
	for space(data[start]) {
		start++
	}
	if data[start] != '{' {
		return nil, errors.New("it is no object")
	}
	f.top = f.parse(start)
	return f, nil
}

// whereIs says where a syntax error is.
func whereIs(data []byte, start int, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	before := data[start:min(len(data), start+max(0, int(syntax.Offset)-1))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// parse reads the value at i of a text that is known to be JSON.
func (f *file) parse(i int) *node {
	n := &node{from: i, start: i}
	skip := func() {
		for space(f.data[i]) {
			i++
		}
	}
	str := func() string {
		begin := i
		for i++; f.data[i] != '"'; i++ {
			if f.data[i] == '\\' {
				i++
			}
		}
		i++
		var s string
		if json.Unmarshal(f.data[begin:i], &s) != nil {
			panic("claude: a string that was JSON is none") // it was read once
		}
		return s
	}
	switch f.data[i] {
	case '{', '[':
		object := f.data[i] == '{'
		for i++; ; i++ {
			skip()
			if f.data[i] == '}' || f.data[i] == ']' {
				break
			}
			from, key := i, ""
			if object {
				key = str()
				skip()
				i++ // the colon
				skip()
			}
			k := f.parse(i)
			k.key, k.from = key, from
			n.kids = append(n.kids, k)
			i = k.end
			skip()
			if f.data[i] != ',' {
				break
			}
		}
		i++
	case '"':
		str()
	default:
		for i < len(f.data) && !space(f.data[i]) && strings.IndexByte(",]}", f.data[i]) < 0 {
			i++
		}
	}
	n.end = i
	return n
}

func (f *file) text(n *node) string { return string(f.data[n.start:n.end]) }

// walk calls visit for every command hook, with its group, the group's list and its place there.
func (f *file) walk(visit func(group, list, h *node, handler Handler)) error {
	hooks := f.top.kid("hooks")
	if hooks == nil {
		return nil
	}
	if err := f.wants(hooks, '{', "hooks"); err != nil {
		return err
	}
	for _, event := range hooks.kids {
		if err := f.wants(event, '[', "hooks of "+event.key); err != nil {
			return err
		}
		for i, group := range event.kids {
			var g struct{ Matcher string }
			list := group.kid("hooks")
			if json.Unmarshal([]byte(f.text(group)), &g) != nil || list == nil || f.data[list.start] != '[' {
				continue // not ours to judge
			}
			for _, h := range list.kids {
				handler := Handler{Event: event.key, Group: i, Matcher: g.Matcher}
				var fields struct {
					Type, Command string
					Args          []string
				}
				if json.Unmarshal([]byte(f.text(h)), &fields) != nil || fields.Type != "command" {
					continue
				}
				var raw bytes.Buffer
				if json.Compact(&raw, f.data[h.start:h.end]) != nil {
					continue
				}
				handler.Command, handler.Args, handler.Raw = fields.Command, fields.Args, raw.Bytes()
				visit(group, list, h, handler)
			}
		}
	}
	return nil
}

// wants says what is wrong when n is not an object or array.
func (f *file) wants(n *node, open byte, name string) error {
	if f.data[n.start] == open {
		return nil
	}
	line := bytes.Count(f.data[:n.start], []byte("\n")) + 1
	return fmt.Errorf("line %d: %s: %.20q is not what it should be, %s", line, name, f.text(n),
		map[byte]string{'{': "an object", '[': "a list"}[open])
}

// newline is the file's own line end.
func (f *file) newline() string {
	if i := bytes.IndexByte(f.data, '\n'); i > 0 && f.data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// sep is what stands before each kid of n: a line end and an indentation, or what else the file has there. outer is
// the sep of n itself. unit is what one more level adds: its own where n is the top and has kids.
func (f *file) sep(n *node, outer, unit string) (sep, newUnit string) {
	if len(n.kids) == 0 {
		if !strings.Contains(outer, "\n") {
			return "", unit
		}
		return outer + unit, unit
	}
	first := n.kids[0]
	if len(n.kids) > 1 {
		first = n.kids[len(n.kids)-1]
	}
	i := first.from
	for space(f.data[i-1]) {
		i--
	}
	sep = string(f.data[i:first.from])
	at := strings.LastIndexByte(sep, '\n')
	if at < 0 {
		return sep, unit
	}
	indent := sep[at+1:]
	if n == f.top && indent != "" {
		unit = indent
	}
	return f.newline() + indent, unit
}

// member is a member of an object as it is to be written behind sep.
func (f *file) member(name string, value json.RawMessage, sep, unit string) string {
	colon := ":"
	if strings.Contains(sep, "\n") {
		colon = ": "
	}
	return string(compact(name)) + colon + f.format(value, sep, unit)
}

// format writes a value on one line where sep has no line end, else indented as JSON.stringify does, and Claude Code
// with it when it rewrites the file.
func (f *file) format(value json.RawMessage, sep, unit string) string {
	at := strings.LastIndexByte(sep, '\n')
	if at < 0 {
		return string(value)
	}
	var b bytes.Buffer
	if json.Indent(&b, value, sep[at+1:], unit) != nil {
		return string(value)
	}
	return strings.ReplaceAll(b.String(), "\n", f.newline())
}

// add puts items behind the kids of n.
func (f *file) add(n *node, sep, outer string, items ...string) {
	text := strings.Join(items, ","+sep)
	if len(n.kids) > 0 {
		end := n.kids[len(n.kids)-1].end
		f.replace(end, end, ","+sep+text)
		return
	}
	if !strings.Contains(sep, "\n") {
		outer = ""
	}
	f.replace(n.start+1, n.end-1, sep+text+outer)
}

// cut takes kids out of arrays and objects, each with one comma.
func (f *file) cut(gone map[*node][]*node) {
	for n, list := range gone {
		if len(list) == len(n.kids) {
			continue // goes with what holds it
		}
		for i := 0; i < len(n.kids); i++ {
			if !slices.Contains(list, n.kids[i]) {
				continue
			}
			last := i
			for last+1 < len(n.kids) && slices.Contains(list, n.kids[last+1]) {
				last++
			}
			if i > 0 {
				f.replace(n.kids[i-1].end, n.kids[last].end, "")
			} else {
				f.replace(n.kids[0].from, n.kids[last+1].from, "")
			}
			i = last
		}
	}
}

func (f *file) replace(from, to int, text string) { f.edits = append(f.edits, edit{from, to, text}) }

// result is the text with all edits made. Of edits that lie in one another the outer one counts.
func (f *file) result() []byte {
	slices.SortFunc(f.edits, func(a, b edit) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	var out []byte
	at := 0
	for _, e := range f.edits {
		if e.from < at {
			continue
		}
		out = append(append(out, f.data[at:e.from]...), e.text...)
		at = e.to
	}
	return append(out, f.data[at:]...)
}
