package claude

import (
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// two stands for our hooks.
const two = `{"Stop":[{"hooks":[{"type":"command","command":"/a/afteryou","args":["hook"],"timeout":10}]}],` +
	`"SessionEnd":[{"hooks":[{"type":"command","command":"/a/afteryou","args":["hook"],"timeout":10}]}]}`

func mine(h Handler) bool { _, ok := h.Program(); return ok }

func TestAddHooks(t *testing.T) {
	const indented = `"hooks": {
    "Stop": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "/a/afteryou",
            "args": [
              "hook"
            ],
            "timeout": 10
          }
        ]
      }
    ],
    "SessionEnd": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "/a/afteryou",
            "args": [
              "hook"
            ],
            "timeout": 10
          }
        ]
      }
    ]
  }`
	stop := `{"hooks":[{"type":"command","command":"/a/afteryou","args":["hook"],"timeout":10}]}`
	for _, tt := range []struct{ name, settings, want string }{
		{"no file", "", "{\n  " + indented + "\n}\n"},
		{"an empty object", "{}", "{\n  " + indented + "\n}"},
		{"two spaces", "{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  " + indented + "\n}\n"},
		{"no line end behind the last line", "{\n  \"a\": 1\n}", "{\n  \"a\": 1,\n  " + indented + "\n}"},
		{"tabs", "{\n\t\"a\": 1\n}", "{\n\t\"a\": 1,\n\t" + strings.ReplaceAll(indented, "  ", "\t") + "\n}"},
		{"four spaces and blank lines", "{\n\n    \"a\":1 ,\n\n    \"b\" : [ ]\n\n}", "{\n\n    \"a\":1 ,\n\n    \"b\" : [ ],\n    " + strings.ReplaceAll(indented, "  ", "    ") + "\n\n}"},
		{"CRLF", "{\r\n  \"a\": 1\r\n}\r\n", strings.ReplaceAll("{\n  \"a\": 1,\n  "+indented+"\n}\n", "\n", "\r\n")},
		{"a byte order mark", "\ufeff{\n  \"a\": 1\n}", "\ufeff{\n  \"a\": 1,\n  " + indented + "\n}"},
		{"one line", `{"a":1}`, `{"a":1,"hooks":` + two + `}`},
		{"one line with spaces", `{ "a": 1, "b": 2 }`, `{ "a": 1, "b": 2, "hooks":` + two + ` }`},
		{"an event of the user's", "{\n  \"hooks\": {\n    \"Stop\": [ {\"hooks\":[]} ],\n    \"X\": []\n  },\n  \"z\": 0\n}",
			"{\n  \"hooks\": {\n    \"Stop\": [ {\"hooks\":[]}, " + stop + " ],\n    \"X\": []," + indented[strings.Index(indented, "\n    \"SessionEnd"):] + ",\n  \"z\": 0\n}"},
		{"empty hooks on one line", `{"hooks":{ }}`, `{"hooks":` + two + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AddHooks([]byte(tt.settings), json.RawMessage(two))
			if err != nil || string(got) != tt.want {
				t.Errorf("AddHooks(%q): %v\n got %s\nwant %s", tt.settings, err, got, tt.want)
			}
			if back, err := RemoveHooks(got, []byte(tt.settings), mine); tt.settings != "" && (err != nil || string(back) != tt.settings) {
				t.Errorf("RemoveHooks, before %q: %v\n got %q", tt.settings, err, back)
			}
			// Where nobody knows how it was, an object that got empty goes, or is written without spaces.
			want := tt.settings
			switch tt.name {
			case "no file":
				want = "{}\n"
			case "empty hooks on one line":
				want = "{}"
			}
			if back, err := RemoveHooks(got, nil, mine); err != nil || string(back) != want {
				t.Errorf("RemoveHooks, before unknown: %v\n got %q\nwant %q", err, back, want)
			}
		})
	}
}

func TestAddHooksSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ name, settings, want string }{
		{"a comment", "{\n  // mine\n  \"a\": 1\n}", "line 2, column 3: invalid character '/'"},
		{"a comma too many", "{\n  \"ä\": 1,\n}", "line 3, column 1: invalid character '}'"},
		{"cut off", "{\n  \"a\": ", "line 2, column 7: unexpected end"},
		{"two objects", "{}\n{}", "line 2, column 1: invalid character '{'"},
		{"no object", "[]", "it is no object"},
		{"hooks that are a list", "{\n\"hooks\": []}", "line 2: hooks: \"[]\" is not what it should be, an object"},
		{"an event that is no list", `{"hooks":{"Stop":{}}}`, "hooks of Stop: \"{}\" is not what it should be, a list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := AddHooks([]byte(tt.settings), json.RawMessage(two)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("AddHooks(%q) = %q, %v; want error %q", tt.settings, got, err, tt.want)
			}
		})
	}
}

func TestRemoveHooksLeavesWhatTheUserAdded(t *testing.T) {
	our := `{"type":"command","command":"'/it'\\''s/afteryou' hook","timeout":10}`
	for _, tt := range []struct{ name, settings, want string }{
		{"a handler in our group", `{"hooks":{"Stop":[{"hooks":[` + our + `, {"type":"command","command":"x"}]}]}}`, `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"x"}]}]}}`},
		{"a group before and one behind", `{"hooks":{"Stop":[{"hooks":[]}, {"hooks":[` + our + `]}, {"hooks":[1]}]}}`, `{"hooks":{"Stop":[{"hooks":[]}, {"hooks":[1]}]}}`},
		{"an event before ours", "{\"hooks\":{\n \"A\":[],\n \"Stop\":[{\"hooks\":[" + our + "]}]\n}}", "{\"hooks\":{\n \"A\":[]\n}}"},
		{"an event behind ours", "{\"hooks\":{\n \"Stop\":[{\"hooks\":[" + our + "]}],\n \"A\":[]\n}}", "{\"hooks\":{\n \"A\":[]\n}}"},
		{"a key behind ours", "{\n \"hooks\":{\"Stop\":[{\"hooks\":[" + our + "," + our + "]}]},\n \"A\":[]\n}", "{\n \"A\":[]\n}"},
		{"one by a shell's exec", `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"exec '/it'\\''s/afteryou' hook wake"}]}], "A":[]}}`, `{"hooks":{"A":[]}}`},
		{"handlers of others", `{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"notafteryou hook"},{"type":"command","command":"/afteryou","args":["status"]},{"type":"prompt"}]}]}}`,
			`{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"notafteryou hook"},{"type":"command","command":"/afteryou","args":["status"]},{"type":"prompt"}]}]}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := RemoveHooks([]byte(tt.settings), nil, mine); err != nil || string(got) != tt.want {
				t.Errorf("RemoveHooks(%s): %v\n got %s\nwant %s", tt.settings, err, got, tt.want)
			}
		})
	}
}

// decode reads what a settings file holds; of a key that stands twice the last one counts.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	v := make(map[string]any)
	dec := json.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil && err != io.EOF {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func FuzzAddHooks(f *testing.F) {
	f.Add("{\r\n  \"hooks\": { \"Stop\": [ ] }, \"a\": [1, {\"b\": null}]\r\n}")
	f.Add(`{"hooks":{"Stop":[null]},"hooks":{"Stop":[{"hooks":[]}],"\u0053top":[]}}`)
	f.Add("\ufeff{\n\t\"x\":\"<&>\\u2028\\\"\"}")
	f.Add(" ")
	f.Add("\ufeff")
	f.Fuzz(func(t *testing.T, settings string) {
		added, err := AddHooks([]byte(settings), json.RawMessage(two))
		merged, mergeErr := mergeHooks([]byte(settings), json.RawMessage(two))
		if (err == nil) != (mergeErr == nil) {
			t.Fatalf("%q: AddHooks %v, mergeHooks %v", settings, err, mergeErr)
		}
		had, _ := Handlers([]byte(settings))
		if err != nil || slices.ContainsFunc(had, mine) {
			return
		}
		want := decode(t, settings)
		hooks, _ := want["hooks"].(map[string]any)
		if hooks == nil {
			hooks = make(map[string]any)
		}
		for event, groups := range decode(t, two) {
			have, _ := hooks[event].([]any)
			hooks[event] = append(have, groups.([]any)...)
		}
		want["hooks"] = hooks
		for _, got := range [][]byte{added, merged} {
			if !reflect.DeepEqual(decode(t, string(got)), want) {
				t.Fatalf("%q became %q, want %q", settings, got, want)
			}
		}
		back, err := RemoveHooks(added, []byte(settings), mine)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(decode(t, string(back)), decode(t, settings)) {
			t.Fatalf("%q became %q and then %q", settings, added, back)
		}
	})
}
