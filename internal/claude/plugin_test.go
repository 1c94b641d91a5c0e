package claude

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// pluginHooks are the files of the plugin: our hooks for the newest version, those that came together in one file. A
// version that does not know an event of a file does without that file: it drops all of it, and nothing else (2.0.76 and
// 2.1.78; 2.1.330 drops just the event). PostToolUse is not there: no file can be for old versions alone.
func pluginHooks(t *testing.T) map[string][]byte {
	t.Helper()
	const program = `exec "${CLAUDE_PLUGIN_ROOT}"/hook.sh`
	var all map[string]json.RawMessage
	if err := json.Unmarshal(Hooks("afteryou", Version{}), &all); err != nil {
		t.Fatal(err)
	}
	files := make(map[string]map[string][]group)
	for _, e := range events {
		raw, ok := all[e.name]
		if !ok {
			continue
		}
		var groups []group
		if err := json.Unmarshal(raw, &groups); err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			for i := range g.Hooks {
				h := &g.Hooks[i]
				h.Command = program
				for _, arg := range h.Args[1:] { // the first is hook
					h.Command += " " + arg
				}
				h.Args = nil
			}
		}
		file := "hooks.json"
		if !e.since.IsZero() {
			file = "since-" + e.since.String() + ".json"
		}
		if files[file] == nil {
			files[file] = make(map[string][]group)
		}
		files[file][e.name] = groups
	}
	texts := make(map[string][]byte)
	for name, events := range files {
		file := map[string]any{"hooks": events}
		if name == "hooks.json" {
			file["modules"] = []string{"./afteryou.js"} // versions that know none pass over it
		}
		var b bytes.Buffer
		if err := json.Indent(&b, compact(file), "", "  "); err != nil {
			t.Fatal(err)
		}
		texts[name] = append(b.Bytes(), '\n')
	}
	return texts
}

// The plugin brings the hooks that run injects, and the module.
func TestPluginHasOurHooks(t *testing.T) {
	const dir = "../../plugin/hooks"
	want := pluginHooks(t)
	if *update {
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	there, err := filepath.Glob(dir + "/*")
	if err != nil || len(there) != len(want)+1 {
		t.Errorf("the plugin has %q, %v; want %d files and the module", there, err, len(want))
	}
	var manifest struct{ Hooks []string }
	data, err := os.ReadFile("../../plugin/.claude-plugin/plugin.json")
	if err == nil {
		err = json.Unmarshal(data, &manifest)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s is not what the hooks are now (go test ./internal/claude -run TestPlugin -update): %v\n got %s\nwant %s", name, err, got, text)
		}
		// hooks.json is read without being named, and named twice would be an error.
		if named := slices.Contains(manifest.Hooks, "./hooks/"+name); named != (name != "hooks.json") {
			t.Errorf("plugin.json names %s: %v", name, named)
		}
	}
}
