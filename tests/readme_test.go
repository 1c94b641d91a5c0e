package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
)

// elsewhere are the commands that are not typed by [TestRealReadme], with what shows that they work: a test that runs the
// same, and text of the file that makes the command do so.
var elsewhere = map[string]struct{ test, file, has string }{
	"make test":            {"", ".ci/run", "\nexec make test\n"}, // runs this test
	"make lint":            {"", "Makefile", "\ntest: lint\n"},
	"go test -short ./...": {"", "Makefile", "grep -v -e /tests"}, // runs what it does, and more
	"make snapshot":        {"", ".ci/run", "\nmake snapshot\n"},
	"make demo":            {"TestRealDemo", "Makefile", "\ndemo: build\n\t./afteryou demo\n"}, // takes two minutes; the test's is smaller
	"make picture":         {"TestAProgramIsRecordedAndDrawn", "Makefile", "\npicture: build\n\tgo run ./tools/picture "},
	"make compat":          {"TestRealOldSessionIsTypedTo", "Makefile", "\ncompat:\n\tnice go run ./tools/compat\n"},
	"go test ./internal/realclaude -run TestRealCaptures -update": {"TestRealCaptures", "internal/realclaude/captures_test.go", "-update"},
	"afteryou batch run prompts.jsonl >results.jsonl":             {"TestBatchAsks", "tests/batch_test.go", `"batch", "run", "prompts.jsonl"`},
	"make fuzz":  {"FuzzStream", "Makefile", "\nfuzz:\n"},
	"make bench": {"BenchmarkHook", "Makefile", "\nbench:\n"},
}

// A command that nothing runs fails here, not in the newcomer's hands.
func TestCommandsElsewhereAreRunThere(t *testing.T) {
	t.Parallel()
	var tests string
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "internal/*/*_test.go", "internal/outside/*/*_test.go", "tools/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			tests += read(t, file)
		}
	}
	var told []string
	for _, p := range pages(t) {
		told = append(told, p.commands()...)
	}
	for command, proof := range elsewhere {
		if !slices.Contains(told, command) {
			t.Errorf("no page tells anybody to type %q", command)
		}
		if !strings.Contains(read(t, proof.file), proof.has) {
			t.Errorf("%s does not do %q any more: it lacks %q", proof.file, command, proof.has)
		}
		if proof.test != "" && !strings.Contains(tests, "\nfunc "+proof.test+"(") {
			t.Errorf("there is no test %s, which is to run %q", proof.test, command)
		}
	}
}

// newcomers is a script of the README's commands, top to bottom, then those of the other pages, a session, and the last of
// the README's, which removes it all.
func newcomers(t *testing.T) string {
	var first, others, last []string
	for _, p := range pages(t) {
		for _, command := range p.commands() {
			if _, ok := elsewhere[command]; ok {
				continue
			}
			switch {
			case command == "./install.sh --uninstall":
				last = []string{command}
			case p.path == "README.md":
				first = append(first, command)
			default:
				others = append(others, command)
			}
		}
	}
	return strings.Join(slices.Concat([]string{"set -e", "shopt -s expand_aliases"}, first, others, []string{
		"claude -p --permission-mode bypassPermissions hello",
		`test -s "$XDG_STATE_HOME/afteryou/state.json"`,
	}, last), "\n")
}

// A newcomer types the README's commands, top to bottom, then those of the other pages, uses claude, and removes it all. All
// of it is real but the server.
func TestRealReadme(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
	s := m.session("newcomer")
	home := filepath.Join(m.dir, "newcomer")
	startUp := filepath.Join(home, ".bashrc")
	if err := os.WriteFile(startUp, []byte("# a newcomer's\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	script := newcomers(t)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Env = s.Env
	cmd.Env = append(cmd.Env, goEnv(t)...)
	cmd.Env = append(cmd.Env, "PATH="+filepath.Join(home, ".local/bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\ndone\n") || !strings.Contains(string(out), "alias claude=") {
		t.Errorf("%s\n%v:\n%s", script, err, out)
	}
	calls := 0
	for _, r := range m.api.Answers() {
		if r.Session != "" { // afteryou limits is no session
			calls++
		}
	}
	if calls != 4 { // of two sessions
		t.Errorf("Claude Code made %d calls, want 4", calls)
	}
	if !strings.Contains(string(out), `"statusMessage"`) {
		t.Errorf("install --dry-run shows no hooks:\n%s", out)
	}
	if settings, err := os.ReadFile(filepath.Join(home, ".claude", "settings.json")); err == nil && strings.Contains(string(settings), "statusMessage") {
		t.Errorf("--uninstall leaves hooks: %s", settings)
	}
	if got := read(t, startUp); got != "# a newcomer's\n" {
		t.Errorf("--uninstall leaves %q in .bashrc", got)
	}
	for _, left := range []string{filepath.Join(home, ".local/bin/afteryou"), m.stateDir(), filepath.Join(m.dir, "cache", "afteryou")} {
		if _, err := os.Lstat(left); err == nil {
			t.Errorf("--uninstall leaves %s", left)
		}
	}
}
