package claude

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// settingsFile is the syntax tree of a settings file. It packs to the bytes it was read from, but for what was edited.
type settingsFile struct {
	tree    hujson.Value
	top     *hujson.Object
	text    []byte // what was read
	newline string // its line end
	indent  string // of its last key
}

const byteOrderMark = "\ufeff"

// readSettings reads the text of a settings file; an empty one becomes an empty object. A comment or a trailing comma is
// an error, as it is to Claude Code.
func readSettings(text []byte) (*settingsFile, error) {
	text, marked := bytes.CutPrefix(text, []byte(byteOrderMark))
	if len(bytes.TrimSpace(text)) == 0 {
		text = slices.Concat(text, []byte("{}\n"))
	}
	var strict json.RawMessage
	if err := json.Unmarshal(text, &strict); err != nil {
		return nil, whereIs(text, err)
	}
	tree, err := hujson.Parse(text)
	if err != nil {
		return nil, err
	}
	top, ok := tree.Value.(*hujson.Object)
	if !ok {
		return nil, errors.New("it is no object")
	}
	if marked {
		tree.BeforeExtra = slices.Concat([]byte(byteOrderMark), tree.BeforeExtra)
	}
	s := &settingsFile{tree: tree, top: top, text: text, newline: "\n", indent: "  "}
	if line, _, ok := bytes.Cut(text, []byte("\n")); ok && bytes.HasSuffix(line, []byte("\r")) {
		s.newline = "\r\n"
	}
	if n := len(top.Members); n > 0 {
		space := top.Members[n-1].Name.BeforeExtra
		if at := bytes.LastIndexByte(space, '\n'); at >= 0 && at+1 < len(space) {
			s.indent = string(space[at+1:])
		}
	}
	return s, nil
}

// whereIs adds to err the line and column of text at which the syntax is wrong.
func whereIs(text []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	before := text[:min(len(text), max(0, int(syntax.Offset)-1))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

// wrong returns an error with the line of v, which is called name and should be of that kind.
func (s *settingsFile) wrong(v *hujson.Value, name, kind string) error {
	line := bytes.Count(s.text[:v.StartOffset], []byte("\n")) + 1
	return fmt.Errorf("line %d: %s: %.20q is not what it should be, %s", line, name, s.text[v.StartOffset:v.EndOffset], kind)
}

// index returns the place of the member with that name that counts in JavaScript, the last one, or -1.
func index(o *hujson.Object, name string) int {
	for i := range slices.Backward(o.Members) {
		if nameOf(o.Members[i]) == name {
			return i
		}
	}
	return -1
}

func nameOf(m hujson.ObjectMember) string { return m.Name.Value.(hujson.Literal).String() }

// object returns the member of that name at the top, an empty object where there is none or it is of another kind.
func (s *settingsFile) object(name string) *hujson.Object {
	if i := index(s.top, name); i >= 0 {
		if o, ok := s.top.Members[i].Value.Value.(*hujson.Object); ok {
			return o
		}
	}
	return &hujson.Object{}
}

// addTo puts what the JSON object ours holds behind what a settings file holds, in the file's indentation and line ends.
func addTo(settings []byte, ours string) (*settingsFile, error) {
	s, err := readSettings(settings)
	if err != nil {
		return nil, err
	}
	v, err := hujson.Parse([]byte(ours))
	if err != nil {
		return nil, fmt.Errorf("our settings: %w", err)
	}
	return s, s.merge(&s.tree, v.Value, "", s.newline)
}

// merge puts the parts of ours behind those of theirs; a member that both have, and that has parts, is merged in turn.
// An error calls theirs name; space stands before it.
func (s *settingsFile) merge(theirs *hujson.Value, ours hujson.ValueTrimmed, name, space string) error {
	switch ours := ours.(type) {
	case *hujson.Object:
		to, ok := theirs.Value.(*hujson.Object)
		if !ok {
			return s.wrong(theirs, name, "an object")
		}
		space = s.room(to, space)
		for _, m := range ours.Members {
			key, i := nameOf(m), -1
			if hasParts(m.Value.Value) {
				i = index(to, key)
			}
			if i < 0 {
				i = len(to.Members)
				to.Members = append(to.Members, hujson.ObjectMember{Name: fresh(m.Name.Value, space), Value: fresh(m.Value.Value, "")})
				if strings.Contains(space, "\n") {
					to.Members[i].Value.BeforeExtra = hujson.Extra(" ")
				}
			}
			if name != "" {
				key = name + " of " + key
			}
			if err := s.merge(&to.Members[i].Value, m.Value.Value, key, space); err != nil {
				return err
			}
		}
	case *hujson.Array:
		to, ok := theirs.Value.(*hujson.Array)
		if !ok {
			return s.wrong(theirs, name, "a list")
		}
		space = s.room(to, space)
		for _, e := range ours.Elements {
			to.Elements = append(to.Elements, fresh(e.Value, space))
			if err := s.merge(&to.Elements[len(to.Elements)-1], e.Value, name, space); err != nil {
				return err
			}
		}
	}
	return nil
}

// fresh returns an empty copy of v to be put behind space. It has to be merged with v.
func fresh(v hujson.ValueTrimmed, space string) hujson.Value {
	switch v.Kind() {
	case '{':
		v = &hujson.Object{}
	case '[':
		v = &hujson.Array{}
	}
	return hujson.Value{BeforeExtra: hujson.Extra(space), Value: v}
}

func hasParts(v hujson.ValueTrimmed) bool { return v.Kind() == '{' || v.Kind() == '[' }

// room returns what stands before a part that comes behind those of v: a line end and an indentation, or what else the
// file has before the last one. space is what stands before v; an empty v that begins a line gets lines of its own.
func (s *settingsFile) room(v hujson.ValueTrimmed, space string) string {
	last, end := edges(v)
	switch {
	case last != nil:
		if at := bytes.LastIndexByte(*last, '\n'); at >= 0 {
			return s.newline + string((*last)[at+1:])
		}
		return string(*last)
	case strings.Contains(space, "\n"):
		*end = hujson.Extra(space)
		return space + s.indent
	}
	*end = nil
	return ""
}

// edges returns what stands before the last part of an object or array, nil where it has none, and before its end.
func edges(v hujson.ValueTrimmed) (last, end *hujson.Extra) {
	switch v := v.(type) {
	case *hujson.Object:
		if n := len(v.Members); n > 0 {
			last = &v.Members[n-1].Name.BeforeExtra
		}
		end = &v.AfterExtra
	case *hujson.Array:
		if n := len(v.Elements); n > 0 {
			last = &v.Elements[n-1].BeforeExtra
		}
		end = &v.AfterExtra
	}
	return last, end
}

// removeFrom lets take take members out of the object of that name at the top of a settings file. An object that got
// empty goes too, unless before has it so. take returns whether it found any. before is the file as it was before they were
// added, nil where it is not known.
func removeFrom(settings, before []byte, name string, take func(s *settingsFile, from, was *hujson.Object) (bool, error)) ([]byte, error) {
	s, err := readSettings(settings)
	if err != nil {
		return nil, err
	}
	was, err := readSettings(before)
	if err != nil {
		before = nil
		was, _ = readSettings(nil)
	}
	from := s.object(name)
	if found, err := take(s, from, was.object(name)); err != nil || !found {
		return settings, err
	}
	if len(from.Members) == 0 {
		removeEmpty(s.top, index(s.top, name), was.top)
		if len(s.top.Members) == 0 && before != nil && len(was.top.Members) == 0 {
			return before, nil
		}
	}
	return s.tree.Pack(), nil
}

// removeEmpty takes the member at i, which got empty, out of o. Where was has it empty, it becomes what it is there.
func removeEmpty(o *hujson.Object, i int, was *hujson.Object) {
	if j := index(was, nameOf(o.Members[i])); j >= 0 {
		if old := was.Members[j].Value.Value; hasParts(old) {
			if last, _ := edges(old); last == nil {
				o.Members[i].Value.Value = old
				return
			}
		}
	}
	o.Members = cut(o.Members, i, aroundMember)
	if len(o.Members) == 0 {
		o.AfterExtra = nil
	}
}

// cut takes the part at i out, with one comma. around returns what stands before and behind a part.
func cut[P any](parts []P, i int, around func(*P) (before, behind *hujson.Extra)) []P {
	before, behind := around(&parts[i])
	if i > 0 {
		_, b := around(&parts[i-1])
		*b = *behind
	} else if len(parts) > 1 {
		b, _ := around(&parts[1])
		*b = *before
	}
	return slices.Delete(parts, i, i+1)
}

func aroundMember(m *hujson.ObjectMember) (before, behind *hujson.Extra) {
	return &m.Name.BeforeExtra, &m.Value.AfterExtra
}

func aroundElement(v *hujson.Value) (before, behind *hujson.Extra) {
	return &v.BeforeExtra, &v.AfterExtra
}
