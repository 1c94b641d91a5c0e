package cli

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// typed is what the program says to a command line, and its exit code.
func typed(t *testing.T, line string) (out, errs string, code int) {
	t.Helper()
	var files []*os.File
	for _, name := range []string{"in", "out", "errs"} {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	code = Main(append([]string{"afteryou"}, strings.Fields(line)...), files[0], files[1], files[2])
	var said []string
	for _, f := range files[1:] {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(data))
	}
	return said[0], said[1], code
}

func TestWhatIsTypedWrongIsNamed(t *testing.T) {
	for line, want := range map[string]string{
		"statsu":             "unknown command \"statsu\"\nhint: did you mean \"status\"?",
		"--hlep":             "unknown flag \"--hlep\"\nhint: did you mean \"--help\"?",
		"xyzzy":              "unknown command \"xyzzy\"\nhint: afteryou --help shows what there is",
		"help statsu":        "unknown command \"statsu\"\nhint: did you mean \"status\"?",
		"status -jsno":       "unknown flag \"-jsno\"\nhint: did you mean \"--json\"?",
		"demo --session=3":   "unknown flag \"--session\"\nhint: did you mean \"--sessions\"?",
		"status --nonsense":  "unknown flag \"--nonsense\"\nhint: afteryou status --help shows what there is",
		"status now":         "status takes no argument \"now\"",
		"status -- --json":   "status takes no argument \"--json\"",
		"status --json=so":   "--json is \"so\"; it takes true or false",
		"log --lines -3":     "--lines is \"-3\"; it takes a whole number from 0",
		"log --lines=many":   "--lines is \"many\"; it takes a whole number from 0",
		"log --lines":        "--lines needs a value",
		"usage --since 0s":   "--since is \"0s\"; it takes a duration from 1s, such as 24h",
		"demo --burst 0.5":   "--burst is \"0.5\"; it takes a number from 1",
		"demo --rpm NaN":     "--rpm is \"NaN\"; it takes a number from 0",
		"demo --cloud azure": "--cloud is \"azure\"; it takes vertex or bedrock",
		"completion":         "completion takes the name of a shell: bash, zsh, fish",
		"install hoks":       "install takes no argument \"hoks\"; there are hooks, alias, completions, shim, all",
		"run --turns 0 -- x": "--turns is \"0\"; it takes \"auto\", \"strict\" or a number of calls from 1",
		"run --max-wait":     "--max-wait needs a value",
	} {
		if out, errs, code := typed(t, line); out != "" || errs != "afteryou: "+want+"\n" || code != exitUsage {
			t.Errorf("afteryou %s: exit %d, says %q and %q, want %q", line, code, out, errs, want)
		}
	}
}

// Help is asked for in each way, for each command, and is the same.
func TestHelpOfEachCommand(t *testing.T) {
	for _, c := range commands() {
		for _, line := range []string{c.name + " --help", c.name + " -h", "help " + c.name} {
			if out, errs, code := typed(t, line); out != c.help() || errs != "" || code != 0 {
				t.Errorf("afteryou %s: exit %d, says %q and %q", line, code, out, errs)
			}
		}
		for _, o := range c.options {
			if o.help == "" || o.value != "" && !strings.Contains(c.help(), "--"+o.name+" "+o.value) {
				t.Errorf("%s --%s is not told of", c.name, o.name)
			}
			if o.unset != "" && !o.set(o.unset) {
				t.Errorf("%s --%s does not take its default, %q", c.name, o.name, o.unset)
			}
			for _, word := range o.words {
				if !o.set(word) {
					t.Errorf("%s --%s does not take %q", c.name, o.name, word)
				}
			}
			if !strings.Contains(manual(commands()), roff("--"+o.name)) {
				t.Errorf("the manual lacks %s --%s", c.name, o.name)
			}
		}
		for _, word := range strings.Fields(strings.NewReplacer("[", " ", "]", " ", "|", " ").Replace(c.args)) {
			if name, ok := strings.CutPrefix(word, "--"); ok && name != "" && name != "SETTING" {
				if _, ok := c.option(name); !ok {
					t.Errorf("help of %s shows --%s, which there is not", c.name, name)
				}
			}
		}
	}
}

func TestArgumentsAreParsed(t *testing.T) {
	for _, tt := range []struct {
		command, line string
		rest          []string
		help          bool
	}{
		{"install", "hooks --yes alias -dir x", []string{"hooks", "alias"}, false},
		{"install", "--dir=a=b -- --yes", []string{"--yes"}, false},
		{"install", "hooks --yes --help alias", nil, true},
		// What run does not know is Claude Code's, be it ours in another place.
		{"run", "--turns=2 -p --turns 3", []string{"-p", "--turns", "3"}, false},
		{"run", "-turns strict", []string{"-turns", "strict"}, false},
		{"run", "--brand-new --turns 3", []string{"--brand-new", "--turns", "3"}, false},
		{"run", "--turns 2 -- -- x", []string{"--", "x"}, false},
		{"run", "--help", nil, true},
		{"run", "--turns 2 --help", []string{"--help"}, false},
		{"run", "--help x", []string{"--help", "x"}, false},
		{"statusline", "-- a b", []string{"a", "b"}, false},
		{"statusline", "a --json", []string{"a", "--json"}, false},
		{"hook", "wake --whatever", []string{"wake", "--whatever"}, false},
	} {
		c, _ := find(commands(), tt.command)
		rest, help, err := c.parse(strings.Fields(tt.line))
		if err != nil || help != tt.help || !slices.Equal(rest, tt.rest) {
			t.Errorf("%s %s leaves %q, help %v, %v; want %q, %v", tt.command, tt.line, rest, help, err, tt.rest, tt.help)
		}
	}
}

func TestVersionHasTheCommit(t *testing.T) {
	const commit = "c036a8b9fee2d73e9f529b973d3be82c910de8e1"
	for _, tt := range []struct{ version, commit, want string }{
		{"", "", "(devel)"},
		{"(devel)", "", "(devel)"},
		{"(devel)", commit, "(devel) (c036a8b9fee2)"},
		{"v1.2.3+dirty", commit, "v1.2.3+dirty (c036a8b9fee2)"},
		{"v0.0.0-20261127010231-c036a8b9fee2", commit, "v0.0.0-20261127010231-c036a8b9fee2"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: tt.version},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: tt.commit}}}
		if got := versionOf(info); got != tt.want {
			t.Errorf("%+v is version %q, want %q", tt, got, tt.want)
		}
	}
}
