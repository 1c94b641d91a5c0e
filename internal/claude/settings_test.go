package claude

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"afteryou/internal/realclaude"
)

// few stands for our hooks where their number does not matter.
const few = `{"Stop":[{"hooks":[{"type":"command","command":"/a","args":["hook"],"timeout":10}]}]}`

func TestMergeSettings(t *testing.T) {
	files := map[string]string{
		"s.json":     `{"env":{"TOKEN":"secret"},"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]}]}}`,
		"broken":     `{"env":`,
		"array.json": `[1]`,
		"empty":      "",
	}
	read := func(name string) ([]byte, error) {
		if data, ok := files[name]; ok {
			return []byte(data), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	const ours = `{"hooks":[{"type":"command","command":"/a","args":["hook"],"timeout":10}]}`
	for _, tt := range []struct {
		name     string
		args     []string
		want     []string // "FILE" stands for the private file
		settings string
		err      string
	}{
		{name: "no settings", args: []string{"-p", "hello"}, want: []string{"--settings", "FILE", "-p", "hello"}, settings: `{"hooks":` + few + `}`},
		{name: "no arguments", want: []string{"--settings", "FILE"}, settings: `{"hooks":` + few + `}`},
		{name: "inline", args: []string{"--settings", ` {"b": 1, "a":2} `, "hi"},
			want: []string{"--settings", "FILE", "hi"}, settings: `{"b":1,"a":2,"hooks":` + few + `}`},
		{name: "inline with an equals sign", args: []string{`--settings={"a":1}`}, want: []string{"--settings=FILE"}, settings: `{"a":1,"hooks":` + few + `}`},
		{name: "the last of two counts", args: []string{"--settings", `{"a":1}`, "x", "--settings", `{"b":1}`},
			want: []string{"--settings", `{"a":1}`, "x", "--settings", "FILE"}, settings: `{"b":1,"hooks":` + few + `}`},
		{name: "the user's hooks come first",
			args: []string{"--settings", `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]}],"Foo":[]},"z":0}`},
			want: []string{"--settings", "FILE"}, settings: `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]},` + ours + `],"Foo":[]},"z":0}`},
		{name: "our own are there already, written otherwise",
			args: []string{"--settings", `{"hooks":{"Stop":[{"matcher":"","hooks":[{"timeout":10,"args":["hook"],"command":"/a","type":"command"}]}]}}`},
			want: []string{"--settings", "FILE"}, settings: `{"hooks":{"Stop":[{"matcher":"","hooks":[{"timeout":10,"args":["hook"],"command":"/a","type":"command"}]}]}}`},
		{name: "our own for one tool only",
			args: []string{"--settings", `{"hooks":{"Stop":[{"matcher":"Bash",` + ours[1:] + `]}}`},
			want: []string{"--settings", "FILE"}, settings: `{"hooks":{"Stop":[{"matcher":"Bash",` + ours[1:] + `,` + ours + `]}}`},
		{name: "a file", args: []string{"--settings", "s.json", "hi"}, want: []string{"--settings", "FILE", "hi"},
			settings: `{"env":{"TOKEN":"secret"},"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]},` + ours + `]}}`},
		{name: "a file with an equals sign", args: []string{"--settings=s.json"}, want: []string{"--settings=FILE"},
			settings: `{"env":{"TOKEN":"secret"},"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]},` + ours + `]}}`},
		{name: "an empty file", args: []string{"--settings", "empty"}, want: []string{"--settings", "FILE"}, settings: `{"hooks":` + few + `}`},
		{name: "numbers and escapes stay as they are", args: []string{"--settings", `{"n":1e400,"s":"\u003c","f":1.0}`},
			want: []string{"--settings", "FILE"}, settings: `{"n":1e400,"s":"\u003c","f":1.0,"hooks":` + few + `}`},
		{name: "hooks twice: the last counts", args: []string{"--settings", `{"hooks":{"A":[]},"hooks":{}}`},
			want: []string{"--settings", "FILE"}, settings: `{"hooks":{"A":[]},"hooks":` + few + `}`},
		{name: "settings as another flag's value", args: []string{"--append-system-prompt", "--settings", "s.json"},
			want: []string{"--settings", "FILE", "--append-system-prompt", "--settings", "s.json"}, settings: `{"hooks":` + few + `}`},
		{name: "settings behind a double dash", args: []string{"--", "--settings", "s.json"},
			want: []string{"--settings", "FILE", "--", "--settings", "s.json"}, settings: `{"hooks":` + few + `}`},
		{name: "a flag of tomorrow", args: []string{"--quantum", "-p", "hi"}, want: []string{"--settings", "FILE", "--quantum", "-p", "hi"}, settings: `{"hooks":` + few + `}`},
		{name: "settings behind a flag of tomorrow and its value", args: []string{"--quantum", "7", "--settings", `{"a":1}`, "-z", "hi"},
			want: []string{"--quantum", "7", "--settings", "FILE", "-z", "hi"}, settings: `{"a":1,"hooks":` + few + `}`},
		{name: "settings before a flag of tomorrow", args: []string{`--settings={"a":1}`, "--quantum=7"},
			want: []string{"--settings=FILE", "--quantum=7"}, settings: `{"a":1,"hooks":` + few + `}`},

		{name: "a file that is not there", args: []string{"--settings", "nowhere"}, err: "open nowhere"},
		{name: "a file that is no JSON", args: []string{"--settings", "broken"}, err: `"broken": line 1, column 7: unexpected end`},
		{name: "a file that is no object", args: []string{"--settings", "array.json"}, err: `"array.json": it is no object`},
		{name: "inline that is no JSON", args: []string{"--settings", "{a}"}, err: "invalid character"},
		{name: "hooks that are no object", args: []string{"--settings", `{"hooks":[]}`}, err: "hooks:"},
		{name: "hooks that are null", args: []string{"--settings", `{"hooks":null}`}, err: "null"},
		{name: "an event that is no list", args: []string{"--settings", `{"hooks":{"Stop":{}}}`}, err: "hooks of Stop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.args)
			m, err := MergeSettings(tt.args, json.RawMessage(few), read)
			if !slices.Equal(tt.args, before) {
				t.Errorf("the caller's arguments became %q", tt.args)
			}
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("MergeSettings(%q): error %v, want %q", tt.args, err, tt.err)
				}
				if !slices.Equal(m.Args, tt.args) || m.Settings != nil {
					t.Errorf("MergeSettings(%q) failed and gave %q", tt.args, m.Args)
				}
				return
			}
			if err != nil {
				t.Fatalf("MergeSettings(%q): %v", tt.args, err)
			}
			got := m.Args
			if m.Settings != nil {
				got = m.With("FILE")
			}
			if !slices.Equal(got, tt.want) || string(m.Settings) != tt.settings {
				t.Errorf("MergeSettings(%q)\n got %q, settings %s\nwant %q, settings %s", tt.args, got, m.Settings, tt.want, tt.settings)
			}
			again, err := MergeSettings(got, json.RawMessage(few), func(string) ([]byte, error) { return m.Settings, nil })
			if err != nil || !slices.Equal(again.With("FILE"), got) || string(again.Settings) != tt.settings {
				t.Errorf("MergeSettings once more\n got %q, settings %s, %v\nwant %q", again.Args, again.Settings, err, got)
			}
		})
	}
}

func TestMergeSettingsWithoutAFileIsNotFound(t *testing.T) {
	_, err := MergeSettings([]string{"--settings", "x"}, json.RawMessage(few), func(string) ([]byte, error) { return nil, fs.ErrNotExist })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want %v", err, fs.ErrNotExist)
	}
}

// A version that nobody measured, be it tomorrow's or of another major number, gets what the newest known one gets.
func TestNewerVersionsAreTreatedAsTheNewestKnown(t *testing.T) {
	known, ok := ParseVersion(realclaude.Version)
	if !ok {
		t.Fatal(realclaude.Version)
	}
	newer := []Version{{known.Major, known.Minor, known.Patch + 1}, {known.Major, known.Minor + 1, 0}, {known.Major + 1, 0, 0}}
	for _, v := range newer {
		if got, want := Hooks("afteryou", v), Hooks("afteryou", known); string(got) != string(want) {
			t.Errorf("Hooks for %v are\n%s\nwant those for %v\n%s", v, got, known, want)
		}
		for _, e := range events {
			if v.Knows(e.name) != known.Knows(e.name) {
				t.Errorf("%v.Knows(%q) = %v, want as %v", v, e.name, v.Knows(e.name), known)
			}
		}
		if !Wakes(v) || v.Less(Watchdog()) || v.Less(ToolBatch()) {
			t.Errorf("%v lacks what %v has: wakes %v", v, known, Wakes(v))
		}
	}
}

func TestHooks(t *testing.T) {
	for _, tt := range []struct {
		version string
		want    string // events, a gate with *, one with a second handler with +
		form    string
	}{
		{"", "SessionStart UserPromptSubmit* PreToolUse PostToolBatch* PreCompact* PostCompact SubagentStart* SubagentStop Stop StopFailure+ SessionEnd", "exec"},
		{"2.1.330", "SessionStart UserPromptSubmit* PreToolUse PostToolBatch* PreCompact* PostCompact SubagentStart* SubagentStop Stop StopFailure+ SessionEnd", "exec"},
		{"2.1.138", "SessionStart UserPromptSubmit* PreToolUse PostToolBatch* PreCompact* PostCompact SubagentStart* SubagentStop Stop StopFailure+ SessionEnd", "shell"},
		{"2.1.78", "SessionStart UserPromptSubmit* PreToolUse PostToolUse* PreCompact* PostCompact SubagentStart* SubagentStop Stop StopFailure+ SessionEnd", "shell"},
		{"2.0.55", "SessionStart UserPromptSubmit* PreToolUse PostToolUse* PreCompact* SubagentStart* SubagentStop Stop SessionEnd", "shell"},
	} {
		t.Run("version "+tt.version, func(t *testing.T) {
			v, _ := ParseVersion(tt.version)
			raw := Hooks("/it's/afteryou", v)
			list, err := Handlers([]byte(`{"hooks":` + string(raw) + `}`))
			if err != nil {
				t.Fatalf("Hooks: %v in %s", err, raw)
			}
			var got []string
			for i, h := range list {
				checkHandler(t, h, tt.form)
				switch {
				case i > 0 && h.Event == list[i-1].Event:
					got[len(got)-1] += "+"
				case bytes.Contains(h.Raw, []byte(`"statusMessage"`)):
					got = append(got, h.Event+"*")
				default:
					got = append(got, h.Event)
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("Hooks(%v)\n got %s\nwant %s", v, s, tt.want)
			}
		})
	}
}

// A year's versions are supported, and those that nobody knows.
func TestSupported(t *testing.T) {
	for version, want := range map[string]bool{"": true, "2.1.332": true, "3.0.0": true, "2.0.55": true, "2.0.54": false, "1.0.128": false, "0.2.9": false} {
		v, _ := ParseVersion(version)
		if err := v.Supported(); (err == nil) != want {
			t.Errorf("%q: %v, want it supported: %v", version, err, want)
		}
	}
}

// checkHandler checks one of Hooks: what it runs, in which form, and how long it may take.
func checkHandler(t *testing.T, got Handler, form string) {
	t.Helper()
	var h handler
	if err := json.Unmarshal(got.Raw, &h); err != nil {
		t.Fatal(err)
	}
	if path, ok := got.Program(); !ok || path != "/it's/afteryou" {
		t.Errorf("%s runs %q, %v", got.Raw, path, ok)
	}
	if long := h.StatusMessage != "" || h.AsyncRewake; long != (h.Timeout >= 6*60*60) || !long && h.Timeout != shortTimeout {
		t.Errorf("%s has timeout %d", got.Event, h.Timeout)
	}
	want := handler{Command: "/it's/afteryou", Args: []string{"hook"}}
	if form == "shell" {
		want = handler{Command: `exec '/it'\''s/afteryou' hook`}
	}
	if h.AsyncRewake && form == "shell" {
		want.Command += " wake"
	} else if h.AsyncRewake {
		want.Args = append(want.Args, "wake")
	}
	if h.Type != "command" || h.Command != want.Command || !slices.Equal(h.Args, want.Args) {
		t.Errorf("handler %+v, want %+v", h, want)
	}
}

func FuzzMergeSettings(f *testing.F) {
	f.Add(`{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]}]},"a":[1,{"b":null}]}`, false)
	f.Add(`{"hooks":{"Stop":[]},"hooks":{"Stop":[null]}}`, true)
	f.Add(`{"\u0068ooks":{},"x":"<&>\u2028"}`, false)
	f.Fuzz(func(t *testing.T, settings string, file bool) {
		args, read := []string{"--settings", settings, "hello"}, func(string) ([]byte, error) { return nil, fs.ErrNotExist }
		if file {
			args[1] = "file"
			read = func(string) ([]byte, error) { return []byte(settings), nil }
		}
		m, err := MergeSettings(args, json.RawMessage(few), read)
		if err != nil {
			if !slices.Equal(m.Args, args) {
				t.Errorf("error %v, but the arguments became %q", err, m.Args)
			}
			return
		}
		out := m.Settings
		var before, after map[string]any
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q became %q: %v", settings, out, err)
		}
		if json.Unmarshal([]byte(settings), &before) == nil {
			for k, v := range before {
				if k != "hooks" && string(compact(v)) != string(compact(after[k])) {
					t.Errorf("%q: %q became %v", settings, k, after[k])
				}
			}
		}
		again, err := mergeHooks(out, json.RawMessage(few))
		if err != nil || string(again) != string(out) {
			t.Errorf("%q merged once more is %q, %v", out, again, err)
		}
	})
}
