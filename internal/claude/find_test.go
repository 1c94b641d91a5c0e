package claude

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// place puts a script or a copy of file at path and gives the path.
func place(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, to, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	self, err := os.Executable() // a Go program of module afteryou, as the real one is
	if err != nil {
		t.Fatal(err)
	}
	ourBytes, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	const real = "#!/bin/sh\necho 2.1.330\n"
	for _, tt := range []struct {
		name string
		// set makes the places below dir and gives environment and answer; want "" means an error.
		set func(t *testing.T, dir string) (env map[string]string, want string)
		err string
	}{
		{name: "on PATH", set: func(t *testing.T, dir string) (map[string]string, string) {
			return map[string]string{"PATH": dir + "/none:" + dir}, place(t, dir+"/claude", real)
		}},
		{name: "behind a link to us", set: func(t *testing.T, dir string) (map[string]string, string) {
			link(t, self, dir+"/a/claude")
			link(t, dir+"/a/claude", dir+"/b/claude")
			return map[string]string{"PATH": dir + "/a:" + dir + "/b:" + dir + "/c"}, place(t, dir+"/c/claude", real)
		}},
		{name: "behind a copy of us", set: func(t *testing.T, dir string) (map[string]string, string) {
			place(t, dir+"/a/claude", string(ourBytes))
			return map[string]string{"PATH": dir + "/a:" + dir + "/c"}, place(t, dir+"/c/claude", real)
		}},
		{name: "behind another build of us", set: func(t *testing.T, dir string) (map[string]string, string) {
			place(t, dir+"/a/claude", string(ourBytes)+strings.Repeat("\x00", 100))
			return map[string]string{"PATH": dir + "/a:" + dir + "/c"}, place(t, dir+"/c/claude", real)
		}},
		{name: "behind a script that calls us", set: func(t *testing.T, dir string) (map[string]string, string) {
			place(t, dir+"/a/claude", "#!/bin/sh\nexec afteryou run -- \"$@\"\n")
			return map[string]string{"PATH": dir + "/a:" + dir + "/c"}, place(t, dir+"/c/claude", real)
		}},
		{name: "a script that only speaks of us", set: func(t *testing.T, dir string) (map[string]string, string) {
			return map[string]string{"PATH": dir}, place(t, dir+"/claude", "#!/bin/sh\n# not afteryou run\nAFTERYOU_OFF=1 exec /opt/claude \"$@\"\n")
		}},
		{name: "behind a folder, a plain file and a dangling link", set: func(t *testing.T, dir string) (map[string]string, string) {
			os.MkdirAll(dir+"/a/claude", 0o755)
			os.Chmod(place(t, dir+"/b/claude", real), 0o644)
			link(t, dir+"/gone", dir+"/d/claude")
			return map[string]string{"PATH": strings.ReplaceAll("D/a:D/b:D/d:D/c", "D", dir)}, place(t, dir+"/c/claude", real)
		}},
		{name: "a relative PATH is passed over", set: func(t *testing.T, dir string) (map[string]string, string) {
			t.Chdir(dir)
			place(t, dir+"/claude", real)
			return map[string]string{"PATH": ".::" + dir + "/c"}, place(t, dir+"/c/claude", real)
		}},
		{name: "the native installer's place", set: func(t *testing.T, dir string) (map[string]string, string) {
			return map[string]string{"HOME": dir}, place(t, dir+"/.local/bin/claude", real)
		}},
		{name: "the local installation", set: func(t *testing.T, dir string) (map[string]string, string) {
			return map[string]string{"HOME": dir}, place(t, dir+"/.claude/local/claude", real)
		}},
		{name: "AFTERYOU_CLAUDE before PATH", set: func(t *testing.T, dir string) (map[string]string, string) {
			place(t, dir+"/claude", real)
			return map[string]string{"PATH": dir, "AFTERYOU_CLAUDE": dir + "/other"}, place(t, dir+"/other", real)
		}},
		{name: "AFTERYOU_CLAUDE that is not there", err: "AFTERYOU_CLAUDE", set: func(t *testing.T, dir string) (map[string]string, string) {
			return map[string]string{"AFTERYOU_CLAUDE": dir + "/other"}, ""
		}},
		{name: "AFTERYOU_CLAUDE that is us", err: "afteryou itself", set: func(t *testing.T, dir string) (map[string]string, string) {
			return map[string]string{"AFTERYOU_CLAUDE": link(t, self, dir+"/claude")}, ""
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env, want := tt.set(t, t.TempDir())
			got, err := Find(self, func(name string) string { return env[name] })
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("Find with %v = %v, %v; want error %q", env, got, err, tt.err)
				}
				return
			}
			if err != nil || got.Path != want {
				t.Errorf("Find with %v = %q, %v; want %q", env, got.Path, err, want)
			}
		})
	}
}

func TestFindNothing(t *testing.T) {
	for _, path := range []string{"/opt/homebrew/bin/claude", "/usr/local/bin/claude"} {
		if _, err := os.Stat(path); err == nil {
			t.Skipf("%s is there", path)
		}
	}
	if got, err := Find("/nowhere", func(string) string { return "" }); !errors.Is(err, ErrNotFound) {
		t.Errorf("Find = %v, %v; want %v", got, err, ErrNotFound)
	}
}

func TestVersion(t *testing.T) {
	cache := t.TempDir()
	t.Run("of the npm package", func(t *testing.T) {
		dir := t.TempDir() + "/node_modules"
		place(t, dir+"/@anthropic-ai/claude-code/package.json", `{"name":"@anthropic-ai/claude-code","version":"2.1.330"}`)
		place(t, dir+"/@anthropic-ai/claude-code/bin/claude.exe", "#!/bin/sh\nexit 1\n")
		bin := Binary{link(t, "../@anthropic-ai/claude-code/bin/claude.exe", dir+"/.bin/claude")}
		wantVersion(t, bin, cache, "2.1.330")
	})
	t.Run("of the native installer", func(t *testing.T) {
		dir := t.TempDir()
		place(t, dir+"/share/claude/versions/2.1.186", "#!/bin/sh\nexit 1\n")
		wantVersion(t, Binary{link(t, dir+"/share/claude/versions/2.1.186", dir+"/bin/claude")}, cache, "2.1.186")
	})
	t.Run("of another package's folder is asked for", func(t *testing.T) {
		dir := t.TempDir()
		place(t, dir+"/package.json", `{"name":"claude","version":"9.9.9"}`)
		wantVersion(t, Binary{place(t, dir+"/claude", "#!/bin/sh\necho '2.1.78 (Claude Code)'\n")}, cache, "2.1.78")
	})
	t.Run("is asked for once, and again when the file changed", func(t *testing.T) {
		dir := t.TempDir()
		bin := Binary{place(t, dir+"/claude", "#!/bin/sh\necho asked >> "+dir+"/log\necho 2.1.78\n")}
		wantVersion(t, bin, cache, "2.1.78")
		wantVersion(t, bin, cache, "2.1.78")
		place(t, bin.Path, "#!/bin/sh\necho asked >> "+dir+"/log\necho 2.1.100\n")
		wantVersion(t, bin, cache, "2.1.100")
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(bin.Path, later, later); err != nil {
			t.Fatal(err)
		}
		wantVersion(t, bin, cache, "2.1.100")
		if log, _ := os.ReadFile(dir + "/log"); strings.Count(string(log), "asked") != 3 {
			t.Errorf("asked %d times, want 3", strings.Count(string(log), "asked"))
		}
	})
	t.Run("without a cache", func(t *testing.T) {
		wantVersion(t, Binary{place(t, t.TempDir()+"/claude", "#!/bin/sh\necho 2.1.78\n")}, "", "2.1.78")
	})
	t.Run("of something else", func(t *testing.T) {
		bin := Binary{place(t, t.TempDir()+"/claude", "#!/bin/sh\necho hello\n")}
		if v, err := bin.Version(cache); err == nil || !strings.Contains(err.Error(), `"hello"`) || !v.IsZero() {
			t.Errorf("Version = %v, %v; want an error", v, err)
		}
	})
}

func wantVersion(t *testing.T, b Binary, cache, want string) {
	t.Helper()
	if v, err := b.Version(cache); err != nil || v.String() != want {
		t.Errorf("Version of %q = %v, %v; want %s", b.Path, v, err, want)
	}
}

func TestParseVersion(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		ok       bool
	}{
		{"2.1.330", "2.1.330", true},
		{"2.1.330 (Claude Code)\n", "2.1.330", true},
		{"v2.2.0-beta.1", "2.2.0", true},
		{"2.1", "0.0.0", false},
		{"2.1.330.4", "0.0.0", false},
		{"99999999999999999999.1.1", "0.0.0", false},
		{"", "0.0.0", false},
	} {
		if v, ok := ParseVersion(tt.in); v.String() != tt.want || ok != tt.ok {
			t.Errorf("ParseVersion(%q) = %v, %v; want %s, %v", tt.in, v, ok, tt.want, tt.ok)
		}
	}
	a, b := Version{2, 1, 78}, Version{2, 1, 118}
	if !a.Less(b) || b.Less(a) || a.Less(a) || !b.AtLeast(a) || !a.AtLeast(a) || (Version{3, 0, 0}).Less(b) {
		t.Error("versions are not in order")
	}
}

func TestPoolKey(t *testing.T) {
	const home = "/home/u"
	seen := make(map[string]string)
	for _, tt := range []struct {
		name    string
		env     map[string]string
		visible string
	}{
		{"a login", map[string]string{}, "login of ~/.claude"},
		{"another login", map[string]string{"CLAUDE_CONFIG_DIR": "/work"}, "login of /work"},
		{"a key", map[string]string{"ANTHROPIC_API_KEY": "sk-1"}, "https://api.anthropic.com, API key"},
		{"another key", map[string]string{"ANTHROPIC_API_KEY": "sk-2"}, "https://api.anthropic.com, API key"},
		{"a token before a key", map[string]string{"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_AUTH_TOKEN": "t"}, "https://api.anthropic.com, auth token"},
		{"a key before a login's token", map[string]string{"ANTHROPIC_API_KEY": "sk-3", "CLAUDE_CODE_OAUTH_TOKEN": "t"}, "https://api.anthropic.com, API key"},
		{"a login's token", map[string]string{"CLAUDE_CODE_OAUTH_TOKEN": "t"}, "https://api.anthropic.com, claude.ai token"},
		{"another server", map[string]string{"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080/"}, "http://127.0.0.1:8080, API key"},
		{"a server with a password", map[string]string{"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": "https://u:pw@host/v?key=sk-9#x"}, "https://host/v, API key"},
		{"a login through a proxy", map[string]string{"ANTHROPIC_BASE_URL": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080, login of ~/.claude"},
		{"Bedrock", map[string]string{"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-west-1", "ANTHROPIC_API_KEY": "sk-1"}, "Amazon Bedrock"},
		{"Bedrock elsewhere", map[string]string{"CLAUDE_CODE_USE_BEDROCK": "true", "AWS_REGION": "us-east-1"}, "Amazon Bedrock"},
		{"Vertex", map[string]string{"CLAUDE_CODE_USE_VERTEX": "1"}, "Google Vertex AI"},
		{"Foundry", map[string]string{"CLAUDE_CODE_USE_FOUNDRY": "1"}, "Microsoft Foundry"},
	} {
		getenv := func(name string) string {
			if name == "HOME" {
				return home
			}
			return tt.env[name]
		}
		visible, secret := PoolKey(getenv)
		if visible != tt.visible {
			t.Errorf("%s: visible %q, want %q", tt.name, visible, tt.visible)
		}
		if other, ok := seen[secret]; ok {
			t.Errorf("%s: the same secret as %s", tt.name, other)
		}
		seen[secret] = tt.name
	}
	same := func(url string) string {
		_, secret := PoolKey(func(name string) string {
			return map[string]string{"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_BASE_URL": url}[name]
		})
		return secret
	}
	// Hooks see what the launcher made of the token, and not the token.
	launcher := func(name string) string { return map[string]string{"CLAUDE_CODE_OAUTH_TOKEN": "t"}[name] }
	account := Account(launcher)
	visible, secret := PoolKey(launcher)
	hookVisible, hookSecret := PoolKey(func(name string) string { return map[string]string{AccountEnv: account}[name] })
	if visible != hookVisible || secret != hookSecret {
		t.Errorf("launcher and hook name two pools: %q and %q", visible, hookVisible)
	}
	if same("") != same("https://api.anthropic.com/") {
		t.Error("the default server, named, is another pool")
	}
}

func TestElsewhere(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"CLAUDE_CODE_USE_BEDROCK", " True ", "CLAUDE_CODE_USE_BEDROCK"},
		{"CLAUDE_CODE_USE_ANTHROPIC_AWS", "yes", "CLAUDE_CODE_USE_ANTHROPIC_AWS"},
		{"CLAUDE_CODE_USE_VERTEX", "0", ""},
		{"CLAUDE_CODE_USE_FOUNDRY", "off", ""},
		{"ANTHROPIC_UNIX_SOCKET", "/run/api.sock", "ANTHROPIC_UNIX_SOCKET"},
		{"ANTHROPIC_BASE_URL", "http://llm.example", ""},
	} {
		if got := Elsewhere(func(name string) string { return map[string]string{tt.name: tt.value}[name] }); got != tt.want {
			t.Errorf("%s=%q: %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}
