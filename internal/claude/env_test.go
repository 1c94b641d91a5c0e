package claude

import (
	"os"
	"path/filepath"
	"testing"
)

// home is a home with these files, and its environment.
func home(t *testing.T, files map[string]string, env map[string]string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string {
		if name == "HOME" {
			return dir
		}
		return env[name]
	}
}

func TestWithSettings(t *testing.T) {
	env := map[string]string{"ANTHROPIC_API_KEY": "of the environment", "X": "x"}
	for settings, want := range map[string]string{
		`{"env":{"ANTHROPIC_API_KEY":"of the settings"}}`: "of the settings",
		`{"env":{"ANTHROPIC_API_KEY":""}}`:                "",
		`{"env":{"OTHER":"1"}}`:                           "of the environment",
		`{"env":[]}`:                                      "of the environment",
		`{`:                                               "of the environment",
		``:                                                "of the environment",
	} {
		getenv := WithSettings(home(t, map[string]string{".claude/settings.json": settings}, env))
		if got := getenv("ANTHROPIC_API_KEY"); got != want || getenv("X") != "x" {
			t.Errorf("with settings %s the key is %q, want %q; X is %q", settings, got, want, getenv("X"))
		}
	}
}

func TestHasKey(t *testing.T) {
	const key = "sk-ant-api03-0123456789-abcdefghijklmnopqrst"
	rejected := map[string]string{".claude.json": `{"customApiKeyResponses":{"approved":[],"rejected":["` + key[len(key)-20:] + `"]}}`}
	for _, tt := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		want  bool
	}{
		{"none", nil, nil, false},
		{"a login's token", nil, map[string]string{"CLAUDE_CODE_OAUTH_TOKEN": "t"}, false},
		{"a token", nil, map[string]string{"ANTHROPIC_AUTH_TOKEN": "t"}, true},
		{"a key", nil, map[string]string{"ANTHROPIC_API_KEY": key}, true},
		{"a key that the user does not want used", rejected, map[string]string{"ANTHROPIC_API_KEY": key}, false},
		{"another key than that", rejected, map[string]string{"ANTHROPIC_API_KEY": "sk-ant"}, true},
		{"a token beside it", rejected, map[string]string{"ANTHROPIC_API_KEY": key, "ANTHROPIC_AUTH_TOKEN": "t"}, true},
	} {
		if got := HasKey(home(t, tt.files, tt.env)); got != tt.want {
			t.Errorf("%s: HasKey is %v, want %v", tt.name, got, tt.want)
		}
	}
}
