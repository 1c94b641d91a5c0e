package tests

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
)

// fresh are homes on which afteryou is installed, with a shell that the person uses. What Claude Code writes by itself is
// in the settings already, unless the case is that there are none.
var fresh = []struct {
	name, shell string
	prepare     func(s *person)
	says        string // how the new shell calls
}{
	{"nothing at all", "bash", func(s *person) {}, "run --"},
	{"an alias already and settings that are a link, with Windows line ends", "bash", func(s *person) {
		s.write(".bashrc", "export A=1\nalias claude='claude --model opus'", 0o644)
		s.write("dotfiles/settings.json", "{\r\n\t\"env\":{ },\r\n\t\"skipDangerousModePermissionPrompt\":true\r\n}", 0o600)
		mkdir(s.path(".claude"))
		if err := os.Symlink("../dotfiles/settings.json", s.path(".claude/settings.json")); err != nil {
			s.t.Fatal(err)
		}
	}, "run -- --model opus"},
	{"an odd format and a start-up file with Windows line ends", "zsh", func(s *person) {
		s.write(".zshrc", "export A=1\r\n\r\n", 0o600)
		s.write(".claude/settings.json", "\t\n{ \"skipDangerousModePermissionPrompt\":true ,\n\n\"a\"\n:\t[ 1,2 , {} ]}  \n\n", 0o640)
	}, "run --"},
	{"start-up files of all shells, one of them a link", "fish", func(s *person) {
		s.write(".bashrc", "", 0o644)
		s.write("dotfiles/config.fish", "set -x A 1\n", 0o644)
		mkdir(s.path(".config/fish"))
		if err := os.Symlink("../../dotfiles/config.fish", s.path(".config/fish/config.fish")); err != nil {
			s.t.Fatal(err)
		}
		s.write(".zshrc", "alias claude=claude\n", 0o644)
		s.write(".claude/settings.json", `{"skipDangerousModePermissionPrompt":true,"hooks":{ }}`, 0o600)
	}, "run --"},
}

// files are those of the home that are not Claude Code's or Go's own, with the links among them.
func (s *person) files() map[string]string {
	s.t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(s.home, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(s.home, path)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(name, ".claude.json") || strings.HasPrefix(name, ".claude/."):
			return nil
		case d.IsDir() && (strings.HasPrefix(name, ".claude/") || name == "work" || name == ".config/go" || name == ".cache"):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		case d.Type()&os.ModeSymlink != 0:
			all[name], err = os.Readlink(path)
			return err
		}
		data, err := os.ReadFile(path)
		fi, _ := d.Info()
		all[name] = fi.Mode().String() + " " + string(data)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// On a clean home: install.sh, a new shell, claude -p goes through afteryou; uninstall, and every file is as it was, to
// the byte.
func TestRealInstallScript(t *testing.T) {
	t.Parallel()
	for _, tt := range fresh {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			shell := here(t, tt.shell)
			m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
			s := m.session("fresh", "XDG_CONFIG_HOME=") // where fish looks
			home := &person{t: t, home: filepath.Join(m.dir, "fresh")}
			tt.prepare(home)
			before := home.files()
			env := slices.Concat(s.Env, goEnv(t), []string{"SHELL=" + shell})
			run := func(name string, args ...string) string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), name, args...)
				cmd.Env = env
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s %v: %v\n%s", name, args, err, out)
				}
				return string(out)
			}
			run("./install.sh", "--all")
			written := home.files()
			// No terminal is there for job control, and bash says so.
			if out := run(shell, "-i", "-c", "type claude; eval 'claude -p --permission-mode bypassPermissions hello'"); !strings.Contains(out, tt.says) || !strings.Contains(out, "\ndone\n") {
				t.Errorf("a new shell says %q, want %q", out, tt.says)
			}
			if calls, _ := m.counted(); calls != 2 || len(m.api.Answers()) != 2 {
				t.Errorf("the state counts %d calls, the server %d; want 2", calls, len(m.api.Answers()))
			}
			// The binary is where install.sh put it, and the settings are as it wrote them.
			run(home.path(".local/bin/afteryou"), "uninstall", "all", "--yes")
			after := home.files()
			delete(after, ".local/bin/afteryou")
			if _, ok := before[".claude/settings.json"]; !ok {
				// 2.1.330 writes a key of its own where there were no settings.
				if got := after[".claude/settings.json"]; !strings.HasSuffix(got, " {\n  \"skipDangerousModePermissionPrompt\": true\n}\n") {
					t.Errorf("the settings are %q", got)
				}
				delete(after, ".claude/settings.json")
			}
			for name := range maps.Keys(written) {
				if before[name] != after[name] {
					t.Errorf("%s was %.200q and is %.200q", name, before[name], after[name])
				}
			}
			if len(before) != len(after) {
				t.Errorf("there were %d files and are %d: %q", len(before), len(after), slices.Sorted(maps.Keys(after)))
			}
			if len(written) < len(before)+3 {
				t.Errorf("installed are %q only", slices.Sorted(maps.Keys(written)))
			}
			run("./install.sh", "--uninstall")
			if _, err := os.Lstat(home.path(".local/bin/afteryou")); err == nil {
				t.Error("the binary is left")
			}
		})
	}
}

// 1. Hooks, alias and completions are installed, by a program that is gone now or stands elsewhere. 2. --uninstall takes them
// out by any program there is, or one that it builds; or it fails, says what is left, and removes nothing.
func TestInstallScriptUninstallsWithoutTheBinary(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		prepare string // what becomes of the program, with $A a copy of it
		script  string // where install.sh stands: in the checkout, or alone
		build   bool
		code    int
		says    []string
	}{
		{name: "it is gone, and nothing is there", prepare: "true", code: 1, says: []string{
			"these still call afteryou", "/.claude/settings.json:", `"command":"`, "/.bashrc:", "alias claude=", "hint: no afteryou is here"}},
		{name: "it does not run any more", prepare: "echo x > .local/bin/afteryou; chmod 755 .local/bin/afteryou", code: 1, says: []string{"these still call afteryou"}},
		{name: "another is on PATH", prepare: "cp $A real/afteryou", says: []string{"removed "}},
		{name: "another is in the archive", prepare: "cp $A release/afteryou", says: []string{"removed "}},
		{name: "it can be built", prepare: "true", script: repository(t), build: true, says: []string{"removed "}},
		{name: "it was there, and an alias is written by hand", prepare: `cp $A .local/bin/afteryou; echo "alias claude='$HOME/.local/bin/afteryou run --'" >> .bash_aliases`, code: 1, says: []string{
			"these still call afteryou", "/.bash_aliases:1:alias claude=", "hint: take them out by hand"}},
		{name: "its link named claude is left", prepare: "mkdir -p bin; ln -s $HOME/.local/bin/afteryou bin/claude; echo > .bashrc; echo '{}' > .claude/settings.json", code: 1, says: []string{"/bin/claude: a link to afteryou"}},
		{name: "a status line is left", prepare: `cp $A .local/bin/afteryou; echo '{"statusLine":{"type":"command","command":"afteryou statusline -- ~/line.sh"}}' > .claude/settings.json`, code: 1, says: []string{`settings.json:1:"command":"afteryou statusline`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSomeone(t, "2.1.330")
			s.env = append(s.env, "A="+afteryou)
			s.write(".bashrc", "# mine\n", 0o644)
			s.write(".claude/settings.json", `{"a":1}`, 0o600)
			s.sh("mkdir -p release .local/bin && cp " + repository(t) + "/install.sh release/ && cp $A .local/bin/afteryou && .local/bin/afteryou install all --yes 2>/dev/null && rm .local/bin/afteryou; mkdir -p .local/state/afteryou; " + tt.prepare)
			before := s.files()
			dir := cmp.Or(tt.script, s.path("release"))
			cmd := exec.Command("/bin/sh", filepath.Join(dir, "install.sh"), "--uninstall")
			cmd.Env, cmd.Dir = s.env, s.home
			if tt.build {
				cmd.Env = slices.Concat(s.env, goEnv(t), []string{"PATH=" + s.path("real") + ":" + os.Getenv("PATH")})
			}
			out, err := cmd.CombinedOutput()
			if err != nil && !errors.As(err, new(*exec.ExitError)) {
				t.Fatal(err)
			}
			code := cmd.ProcessState.ExitCode()
			for _, want := range tt.says {
				if code != tt.code || !strings.Contains(string(out), want) {
					t.Errorf("exit %d, says %s\nwant %d, %q", code, out, tt.code, want)
				}
			}
			_, state := os.Stat(s.path(".local/state/afteryou"))
			if tt.code != 0 {
				if _, ok := before[".local/bin/afteryou"]; state != nil || ok != (s.files()[".local/bin/afteryou"] != "") || strings.Contains(string(out), "removed "+s.path(".local/bin")) {
					t.Errorf("it fails, and removes all the same: %v, %s", state, out)
				}
				return
			}
			if state == nil || s.read(".bashrc") != "# mine\n" || s.read(".claude/settings.json") != `{"a":1}` {
				t.Errorf("it leaves the state (%v), .bashrc %q, settings %q", state, s.read(".bashrc"), s.read(".claude/settings.json"))
			}
			// Once more there is nothing to do, and it does not claim otherwise.
			cmd = exec.Command("/bin/sh", filepath.Join(dir, "install.sh"), "--uninstall")
			cmd.Env, cmd.Dir = s.env, s.home
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "removed nothing: there is nothing of afteryou\n" {
				t.Errorf("once more: %v, %q", err, out)
			}
		})
	}
}

// A release's archive installs on a home without Go, if its checksum is right; so does the directory it unpacks to.
func TestInstallScriptTakesAnArchive(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "2.1.330")
	s.sh("mkdir release && cp " + afteryou + " release/afteryou && cp " + repository(t) + "/install.sh release/ && cd release && tar -czf afteryou_1_linux.tar.gz afteryou install.sh && sha256sum afteryou_1_linux.tar.gz > checksums.txt")
	run := func(args ...string) (string, int) {
		cmd := exec.Command("/bin/sh", append([]string{s.path("release/install.sh")}, args...)...)
		cmd.Env, cmd.Dir = s.env, s.home // Go is not on this PATH
		out, err := cmd.CombinedOutput()
		if err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, step := range []struct {
		name   string
		before string // a command
		args   []string
		code   int
		says   string
		there  bool // the binary
	}{
		{name: "an archive", args: []string{"--from", "release/afteryou_1_linux.tar.gz"}, says: "installed ", there: true},
		{name: "and away", args: []string{"--uninstall"}, says: "removed "},
		{name: "an unpacked archive", says: "installed ", there: true},
		{name: "with hooks and alias", args: []string{"--from", "release/afteryou_1_linux.tar.gz", "--all"}, says: "made " + s.path(".local/share/bash-completion/completions/afteryou"), there: true},
		{name: "and away with them", args: []string{"--uninstall"}, says: "removed " + s.path(".bashrc")},
		{name: "an archive that was changed", before: "echo >> release/afteryou_1_linux.tar.gz", args: []string{"--from", "release/afteryou_1_linux.tar.gz"}, code: 1, says: "the checksum of release/afteryou_1_linux.tar.gz is wrong"},
		{name: "an archive that is not named", before: "cp release/afteryou_1_linux.tar.gz release/other.tar.gz", args: []string{"--from", "release/other.tar.gz"}, code: 1, says: "does not name other.tar.gz"},
		{name: "no checksums", before: "rm release/checksums.txt", args: []string{"--from", "release/afteryou_1_linux.tar.gz"}, code: 1, says: "comes with the release"},
		{name: "no archive", args: []string{"--from", "nowhere.tar.gz"}, code: 1, says: "nowhere.tar.gz is not there"},
		{name: "a binary for another machine", before: "echo x > release/afteryou", code: 1, says: "does not run on this machine"},
		{name: "nothing", before: "rm release/afteryou", code: 1, says: "neither the source nor a binary"},
		{name: "an option that is not there", args: []string{"--now"}, code: 64, says: "no option is called --now"},
	} {
		if step.before != "" {
			s.sh(step.before)
		}
		out, code := run(step.args...)
		if code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("%s: exit %d, says %q; want %d, %q", step.name, code, out, step.code, step.says)
		}
		if _, err := os.Stat(s.path(".local/bin/afteryou")); (err == nil) != step.there {
			t.Errorf("%s: the binary is there: %v", step.name, err == nil)
		}
		if left, _ := filepath.Glob(s.path(".local/bin/afteryou.new*")); left != nil {
			t.Errorf("%s: it leaves %q", step.name, left)
		}
	}
}

// Where the archive is right but made for another machine, a checkout builds; where it is wrong, nothing is installed.
func TestInstallScriptFallsBackToBuilding(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "")
	s.sh("mkdir release && echo none of ours > release/afteryou && cd release && tar -czf afteryou_1_plan9.tar.gz afteryou && sha256sum afteryou_1_plan9.tar.gz > checksums.txt")
	run := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "./install.sh", "--from", s.path("release/afteryou_1_plan9.tar.gz"))
		cmd.Env = slices.Concat(s.env, goEnv(t), []string{"PATH=" + os.Getenv("PATH"), "PREFIX=" + s.path("prefix")})
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run()
	if err != nil || !strings.Contains(out, "building one") || !strings.Contains(out, "installed "+s.path("prefix/bin/afteryou")) {
		t.Errorf("for another machine: %v, %s", err, out)
	}
	if out, err := exec.Command(s.path("prefix/bin/afteryou"), "--version").CombinedOutput(); err != nil {
		t.Errorf("what it built: %v, %s", err, out)
	}
	s.sh("rm -r prefix; echo x >> release/afteryou_1_plan9.tar.gz")
	if out, err := run(); err == nil || !strings.Contains(out, "checksum of ") {
		t.Errorf("of a wrong checksum: %v, %s", err, out)
	}
	if _, err := os.Stat(s.path("prefix/bin/afteryou")); err == nil {
		t.Error("of a wrong checksum something is installed")
	}
}

// goEnv is where Go finds its caches by the HOME of whoever runs the test.
func goEnv(t *testing.T) (env []string) {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

// repository is where the tests run.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
