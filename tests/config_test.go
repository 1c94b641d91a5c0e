package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// What the file says stays as it is, to the byte; what it lacks comes behind it, as it is in force.
func TestConfigWritesWhatTheFileLacks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(".config", "afteryou", "config.toml")
	built, _ := settingNames(t)
	const mine = "# mine\nturns = 3 # three\ngap = \"1s\""
	for _, tt := range []struct {
		name, before string
		env          string
		link         bool
		mode         os.FileMode // afterwards
	}{
		{name: "no file", mode: 0o600},
		{name: "a file of the person's", before: mine, mode: 0o640},
		{name: "a file and a variable", before: mine, env: "AFTERYOU_RPM=20", mode: 0o600},
		{name: "a file and a variable that it makes too", before: mine, env: "AFTERYOU_GAP=9s", mode: 0o600},
		{name: "a link to a file of dotfiles", before: mine, link: true, mode: 0o644},
		{name: "a path that needs escapes", env: "AFTERYOU_CLAUDE=/a\\b\"c\x1bd\U000E0061", mode: 0o600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSomeone(t, "", tt.env)
			s.unset(noModule)
			place := file
			if tt.link {
				place = "dotfiles/config.toml"
				mkdir(filepath.Dir(s.path(file)))
				if err := os.Symlink("../../"+place, s.path(file)); err != nil {
					t.Fatal(err)
				}
			}
			if tt.before != "" {
				s.write(place, tt.before, tt.mode)
			}
			before, _, _ := s.afteryou("config", "--json")
			out, errs, code := s.afteryou("config", "--write")
			if code != 0 || out != "" || !strings.HasPrefix(errs, "afteryou: ") || !strings.Contains(errs, s.path(file)+": added ") || strings.Contains(errs, "turns,") == (tt.before != "") {
				t.Errorf("config --write: exit %d, says %q and %q", code, out, errs)
			}
			now := s.read(place)
			if !strings.HasPrefix(now, tt.before) {
				t.Errorf("the file is\n%s\nwant it to begin with\n%s", now, tt.before)
			}
			if fi, err := os.Lstat(s.path(place)); err != nil || fi.Mode() != tt.mode {
				t.Errorf("the file's mode is %v, %v, want %v", fi.Mode(), err, tt.mode)
			}
			if fi, err := os.Lstat(s.path(file)); err != nil || fi.Mode()&os.ModeSymlink != 0 != tt.link {
				t.Errorf("the link: %v, %v", fi.Mode(), err)
			}
			if left, _ := filepath.Glob(s.path(filepath.Dir(place) + "/.afteryou-*")); left != nil {
				t.Errorf("it leaves %q", left)
			}
			// In force is what was, now from the file alone.
			if out, errs, code := s.afteryou("config", "--json"); code != 0 || values(t, out) != values(t, before) {
				t.Errorf("in force was %s and is %s: exit %d, %s", values(t, before), values(t, out), code, errs)
			}
			s.unset(tt.env)
			if out, errs, code := s.afteryou("config"); code != 0 || strings.Count(out, s.path(file)) != len(built)+1 || tt.env == "AFTERYOU_RPM=20" && !strings.Contains(out, `rpm = "20"`) {
				t.Errorf("without the variable: exit %d, %s%s", code, out, errs)
			}
			if _, errs, code := s.afteryou("config", "--write"); code != 0 || !strings.Contains(errs, "has all settings already") || s.read(place) != now {
				t.Errorf("once more: exit %d, says %q, and the file is %s", code, errs, s.read(place))
			}
		})
	}
	s := newSomeone(t, "", "AFTERYOU_CLAUDE=/a\xff")
	if _, errs, code := s.afteryou("config", "--write"); code != exitUsage || !strings.Contains(errs, "is not UTF-8") {
		t.Errorf("--write of what no TOML can say: exit %d, says %q", code, errs)
	}
}

// values are the settings that config --json prints, without where they were made.
func values(t *testing.T, text string) string {
	t.Helper()
	var all map[string]struct{ Value string }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return fmt.Sprint(all)
}

// ofTheFile reports whether the file alone makes a setting (TestTheFileAloneMakesIt).
func ofTheFile(name string) bool { return name == "notify_command" || strings.HasPrefix(name, "share") }

// Each setting there is can be made in the file, in the environment and as a flag of run, the later before the earlier,
// is printed with where it was made, and has its place in help and README.
func TestEachSettingCanBeMadeEverywhere(t *testing.T) {
	t.Parallel()
	names, built := settingNames(t)
	names = slices.DeleteFunc(names, ofTheFile)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			p.unset(noModule)
			variable, flag := "AFTERYOU_"+strings.ToUpper(name), "--"+strings.ReplaceAll(name, "_", "-")
			// Three values that it takes and that are not built in, where it takes so many. A path must lead somewhere.
			var values []string
			for _, value := range []string{p.path("real/claude"), "strict", "off", "on", "true", "interactive", "7s", "8s", "9s", "7", "8", "9", "23:00-07:00", "22:00-07:00", "20%", "30%", "40%"} {
				if value != built[name].Value && len(values) < 3 && (name != "claude" || len(values) == 0) && takes(t, name, value) {
					values = append(values, value)
				}
			}
			if len(values) == 0 {
				t.Fatal("it takes none of the values that this test knows")
			}
			file, env, arg := values[0], values[1%len(values)], values[2%len(values)]
			in := func(want, from string) {
				t.Helper()
				o := p.run("config", "--json")
				var all map[string]setting
				if err := json.Unmarshal([]byte(o.out), &all); err != nil || o.code != 0 || all[name].Value != want || all[name].From != from {
					t.Errorf("config says %+v, %v, %s; want %q from %s", all[name], err, o.errs, want, from)
				}
			}
			in(built[name].Value, "built in")
			config := p.path(".config/afteryou/config.toml")
			p.write(config, fmt.Sprintf("%s = %q\n", name, file), 0o600)
			in(file, config)
			p.env = append(p.env, variable+"="+env)
			in(env, variable)
			for _, args := range [][]string{{flag, arg}, {flag + "=" + arg}} {
				// The hooks of the session run with what the flag says.
				if o := p.run(append(append([]string{"run"}, args...), "--", "-p", "x")...); o.code != 0 || o.env[variable] != arg {
					t.Errorf("run %q: exit %d, %s; the session has %s=%q", args, o.code, o.errs, variable, o.env[variable])
				}
			}
			if c, _ := command("run"); !regexp.MustCompile(`\n  ` + flag + ` [^ ]\S* +\S`).MatchString(c.help) {
				t.Errorf("run --help does not tell of %s and its value", flag)
			}
		})
	}
}

// standIn is a program in place of Claude Code. It starts another as Claude Code does its hooks: with its own environment.
const standIn = `package main

import (
	"fmt"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("2.1.330 (Claude Code)")
		return
	}
	hook := exec.Command(os.Getenv("PROGRAM"), "config", "--json")
	hook.Stderr = os.Stderr
	out, err := hook.Output()
	if err == nil {
		err = os.WriteFile(os.Getenv("FORCE"), out, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

// 1. A setting stands in the file, in the environment and on the command line of run, each otherwise. 2. A stand-in for
// Claude Code starts a program with the environment that it got, as it does its hooks. 3. That says what is in force: the
// flag before the variable before the file, and an empty variable is none. Hooks read their settings as config does.
func TestHooksRunWithTheFlagBeforeTheEnvironmentBeforeTheFile(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	other := p.path("other")
	// Not a shell's: that takes the last of two variables of one name, and hides that there are two.
	p.write("claude.go", standIn, 0o600)
	build := exec.Command("go", "build", "-o", other, p.path("claude.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the stand-in: %v\n%s", err, out)
	}
	os.Remove(p.path("real/claude"))
	if err := os.Symlink(other, p.path("real/claude")); err != nil {
		t.Fatal(err)
	}
	config := p.path(".config/afteryou/config.toml")
	p.unset(noModule)
	clean := append(p.env, "PROGRAM="+afteryou, "FORCE="+p.path("force"))
	names, _ := settingNames(t)
	names = slices.DeleteFunc(names, ofTheFile)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			p.t = t
			var values []string
			for _, value := range []string{p.path("real/claude"), other, "strict", "on", "off", "true", "false", "none", "interactive", "7s", "8s", "7", "8", "23:00-07:00", "auto", "20%", "30%"} {
				if (name != "claude" || value[0] == '/') && takes(t, name, value) {
					values = append(values, value)
				}
			}
			if len(values) < 2 {
				t.Fatalf("it takes only %q of the values that this test knows", values)
			}
			a, b := values[0], values[1]
			variable, flag := "AFTERYOU_"+strings.ToUpper(name), "--"+strings.ReplaceAll(name, "_", "-")
			for _, tt := range []struct {
				name, file string
				env, flags []string
				want, from string
			}{
				{"the file", a, nil, nil, a, config},
				{"an empty variable before the file", a, []string{""}, nil, a, config},
				{"a variable before the file", a, []string{b}, nil, b, variable},
				{"a flag before the file", a, nil, []string{flag, b}, b, variable},
				{"a flag before a variable", a, []string{a}, []string{flag, b}, b, variable},
				{"the other flag before a variable", b, []string{b}, []string{flag + "=" + a}, a, variable},
				{"a flag before an empty variable", a, []string{""}, []string{flag, b}, b, variable},
				{"the last of two flags", a, []string{a}, []string{flag, a, flag, b}, b, variable},
			} {
				p.write(config, fmt.Sprintf("%s = %q\n", name, tt.file), 0o600)
				p.env = slices.Clone(clean)
				for _, value := range tt.env {
					p.env = append(p.env, variable+"="+value)
				}
				os.Remove(p.path("force"))
				o := p.run(slices.Concat([]string{"run"}, tt.flags, []string{"--", "-p", "x"})...)
				var force map[string]setting
				data, err := os.ReadFile(p.path("force"))
				if err == nil {
					err = json.Unmarshal(data, &force)
				}
				if got := force[name]; err != nil || o.code != 0 || got.Value != tt.want || name != "claude" && got.From != tt.from {
					t.Errorf("%s: a hook has %q from %q, want %q from %q; %v, exit %d, says %q", tt.name, got.Value, got.From, tt.want, tt.from, err, o.code, o.errs)
				}
			}
		})
	}
}

// The real Claude Code hands its hooks what run was told, on a terminal and without.
func TestRealHooksRunWithTheFlagsOfRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(1)}, "AFTERYOU_TURNS=2", "AFTERYOU_GAP=")
	for name, start := range map[string]func(s realclaude.Session){
		"print": func(s realclaude.Session) { m.print(s) },
		"terminal": func(s realclaude.Session) {
			terminal := m.open(s)
			m.ask(terminal, "hello")
			m.sees(terminal, "● done")
		},
	} {
		s := m.session(name)
		force := filepath.Join(m.dir, name+".json")
		hook := fmt.Sprintf(`{"hooks":{"UserPromptSubmit":[{"hooks":[{"type":"command","command":"%s config --json > %s"}]}]}}`, afteryou, force)
		s.Args = []string{"run", "--turns", "strict", "--gap=1s", "--", "--settings", hook}
		start(s)
		var all map[string]struct{ Value string }
		if err := json.Unmarshal([]byte(read(t, force)), &all); err != nil || all["turns"].Value != "strict" || all["gap"].Value != "1s" {
			t.Errorf("%s: hooks have turns %q, gap %q, %v; want what the flags say", name, all["turns"].Value, all["gap"].Value, err)
		}
	}
}
