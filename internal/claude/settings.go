package claude

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Merged is a command line with our hooks in its settings.
type Merged struct {
	// Args is the command line. Where Settings is set, With puts them there, or a file that holds them.
	Args []string
	// Settings are the merged settings; nil where there is nothing to merge.
	Settings []byte
	// Private says that the user's own stood in a file. They may hold secrets, which a command line shows to everyone.
	Private bool
	flag    arg
}

// mostInline bounds, in bytes, the settings that go on a command line: the system takes 128 KiB an argument on Linux.
const mostInline = 64 << 10

// Inline is whether the settings may stand on the command line of that version, where nobody can take them away before
// they are read, as a file. Versions that write them to one file in the temporary directory for all sessions with the
// same settings, in place (2.1.78, 2.1.118; 2.1.186 no longer), must not get them so: a session that starts at the
// same moment reads half of it, and runs without hooks. The zero Version is taken for the newest.
func (m Merged) Inline(v Version) bool {
	return !m.Private && len(m.Settings) <= mostInline && (v.IsZero() || v.AtLeast(Version{2, 1, 186}))
}

// With is the command line with value, settings or the path of a file with them, in place of the user's settings.
func (m Merged) With(value string) []string {
	args := slices.Clone(m.Args)
	if m.flag.value >= 0 && m.flag.value < len(args) {
		args[m.flag.value] = args[m.flag.value][:m.flag.start] + value
	}
	return args
}

// MergeSettings puts hooks (see Hooks) into the one --settings value that counts, the last one, or adds one. The user's
// keys and hooks stay as they are and in their order, ours come behind them; handlers that are there already are not
// added again. Where the user's settings can't be read the arguments come back untouched, with an error that says why.
func MergeSettings(args []string, hooks json.RawMessage, readFile func(string) ([]byte, error)) (Merged, error) {
	m := Merged{Args: args, flag: arg{value: -1}}
	if ours, err := members(hooks); err == nil && len(ours) == 0 {
		return m, nil
	}
	walk(args, func(a arg) {
		if a.flag == "--settings" {
			m.flag = a
		}
	})
	if m.flag.value < 0 {
		// The first place is before any -- and in nobody's list of values.
		m.Args, m.flag.value = slices.Concat([]string{"--settings", ""}, args), 1
		m.Settings = []byte(`{"hooks":` + string(hooks) + `}`)
		return m, nil
	}
	value := args[m.flag.value][m.flag.start:]
	// As 2.1.330 tells them apart.
	if text := strings.TrimSpace(value); strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") {
		var err error
		if m.Settings, err = MergeHooks([]byte(text), hooks); err != nil {
			return Merged{Args: args}, fmt.Errorf("merging hooks into --settings: %w", err)
		}
		return m, nil
	}
	m.Private = true
	data, err := readFile(value)
	if err != nil {
		return Merged{Args: args}, fmt.Errorf("merging hooks into --settings: %w", err)
	}
	if m.Settings, err = MergeHooks(data, hooks); err != nil {
		return Merged{Args: args}, fmt.Errorf("merging hooks into --settings %q: %w", value, err)
	}
	return m, nil
}

// MergeHooks puts hooks into the settings file with this content: behind the user's own, each unless it is there
// already. All else stays as it is, byte for byte, in its order. An empty file is an empty object.
func MergeHooks(settings []byte, hooks json.RawMessage) ([]byte, error) {
	settings = bytes.TrimSpace(bytes.TrimPrefix(settings, []byte("\ufeff")))
	if len(settings) == 0 {
		settings = []byte("{}")
	}
	ours, err := members(hooks)
	if err != nil {
		return nil, fmt.Errorf("our hooks: %w", err)
	}
	top, err := members(settings)
	if err != nil {
		return nil, err
	}
	theirs := json.RawMessage("{}")
	if i := top.index("hooks"); i >= 0 {
		theirs = top[i].value
	}
	events, err := members(theirs)
	if err != nil {
		return nil, fmt.Errorf("hooks: %w", err)
	}
	for _, our := range ours {
		i := events.index(our.name)
		if i < 0 {
			events = append(events, our)
			continue
		}
		if events[i].value, err = appendGroups(events[i].value, our.value); err != nil {
			return nil, fmt.Errorf("hooks of %s: %w", our.name, err)
		}
	}
	top.set("hooks", events.bytes())
	return top.bytes(), nil
}

// appendGroups adds to the matcher groups theirs those of ours whose handlers are not in any group that sees every
// event.
func appendGroups(theirs, ours json.RawMessage) (json.RawMessage, error) {
	var have, add []json.RawMessage
	if err := json.Unmarshal(theirs, &have); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(ours, &add); err != nil {
		return nil, err
	}
	type matched struct {
		Matcher string            `json:"matcher"`
		Hooks   []json.RawMessage `json:"hooks"`
	}
	present := make(map[string]bool)
	for _, raw := range have {
		var g matched
		if json.Unmarshal(raw, &g) != nil || g.Matcher != "" && g.Matcher != "*" {
			continue // not ours to judge
		}
		for _, h := range g.Hooks {
			present[canonical(h)] = true
		}
	}
	for _, raw := range add {
		var g matched
		if err := json.Unmarshal(raw, &g); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(g.Hooks, func(h json.RawMessage) bool { return !present[canonical(h)] }) {
			continue
		}
		have = append(have, raw)
	}
	return join('[', ']', have), nil
}

// canonical is raw without regard to spaces and the order of its keys.
func canonical(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	return string(compact(v))
}

// object is a JSON object whose members keep their order and their text.
type object []member

type member struct {
	key   json.RawMessage // with its quotes
	name  string
	value json.RawMessage
}

// index is the last member of that name, the one that counts in JavaScript, or -1.
func (o object) index(name string) int {
	for i, m := range slices.Backward(o) {
		if m.name == name {
			return i
		}
	}
	return -1
}

func (o *object) set(name string, value json.RawMessage) {
	if i := o.index(name); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{key: compact(name), name: name, value: value})
}

func (o object) bytes() json.RawMessage {
	var parts []json.RawMessage
	for _, m := range o {
		parts = append(parts, slices.Concat(m.key, []byte(":"), m.value))
	}
	return join('{', '}', parts)
}

func join(open, shut byte, parts []json.RawMessage) json.RawMessage {
	b := []byte{open}
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, p...)
	}
	return append(b, shut)
}

// members reads the members of one JSON object.
func members(data []byte) (object, error) {
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, err
	}
	if whole == nil {
		return nil, fmt.Errorf("it is null, not an object")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var o object
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		m := member{key: compact(name), name: name}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	return o, nil
}
