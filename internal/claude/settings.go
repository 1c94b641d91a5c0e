package claude

import (
	"encoding/json"
	"fmt"
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

// maxInline bounds, in bytes, the settings that go on a command line: the system takes 128 KiB an argument on Linux.
const maxInline = 64 << 10

// Inline reports whether the settings may stand on the command line of that version, where nobody can take them away before
// they are read, as one can a file. Versions that write them to one file in the temporary directory for all sessions with
// the same settings, in place (2.1.78, 2.1.118; 2.1.186 no longer), must not get them so: a session that starts at the same
// moment reads half of it, and runs without hooks. The zero Version counts as the newest.
func (m Merged) Inline(v Version) bool {
	return !m.Private && len(m.Settings) <= maxInline && (v.IsZero() || v.AtLeast(Version{2, 1, 186}))
}

// With returns the command line with value in place of the user's settings: settings, or the path of a file with them.
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
	if string(hooks) == "{}" {
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
		if m.Settings, err = mergeHooks([]byte(text), hooks); err != nil {
			return Merged{Args: args}, fmt.Errorf("merging hooks into --settings: %w", err)
		}
		return m, nil
	}
	m.Private = true
	data, err := readFile(value)
	if err != nil {
		return Merged{Args: args}, fmt.Errorf("merging hooks into --settings: %w", err)
	}
	if m.Settings, err = mergeHooks(data, hooks); err != nil {
		return Merged{Args: args}, fmt.Errorf("merging hooks into --settings %q: %w", value, err)
	}
	return m, nil
}

// mergeHooks puts hooks into the settings file with this content: behind the user's own, each handler unless a group that
// sees every event has it already. All values stay as they are written and in their order; the spaces between them go.
func mergeHooks(settings []byte, hooks json.RawMessage) ([]byte, error) {
	list, err := Handlers(settings)
	if err != nil {
		return nil, err
	}
	present := make(map[string]bool)
	for _, h := range list {
		if h.Matcher == "" || h.Matcher == "*" { // sees every event
			present[h.Event+canonical(h.Raw)] = true
		}
	}
	ours, err := RemoveHooks([]byte(`{"hooks":`+string(hooks)+`}`), nil, func(h Handler) bool { return present[h.Event+canonical(h.Raw)] })
	if err != nil {
		return nil, fmt.Errorf("our hooks: %w", err)
	}
	s, err := addTo(settings, string(ours))
	if err != nil {
		return nil, err
	}
	s.tree.Minimize()
	return s.tree.Pack(), nil
}

// canonical returns raw without spaces and with its keys in order.
func canonical(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	return string(compact(v))
}
