package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"afteryou/internal/fakeapi"
)

// commands are those of the README's blocks that are marked as shell, in their order.
func commands(t *testing.T) (list []string) {
	t.Helper()
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		list = append(list, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	return list
}

// A newcomer types the README's commands, top to bottom, and uses claude in between. All of it is real but the server.
func TestRealReadme(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
	s := m.session("newcomer")
	home := filepath.Join(m.dir, "newcomer")

	var script strings.Builder
	script.WriteString("set -e\nshopt -s expand_aliases\n")
	for _, command := range commands(t) {
		switch {
		case command == "make test": // runs this test
			if ci, err := os.ReadFile(".ci/run"); err != nil || !strings.Contains(string(ci), "exec make test\n") {
				t.Errorf(".ci/run does not run %q: %v", command, err)
			}
			continue
		case command == "make demo": // takes two minutes; TestRealDemo runs what it runs, smaller
			if makefile, err := os.ReadFile("Makefile"); err != nil || !strings.Contains(string(makefile), "demo: build\n\t./afteryou demo\n") {
				t.Errorf("make demo does not build and run afteryou demo: %v", err)
			}
			continue
		case command == "./install.sh --uninstall":
			script.WriteString("claude -p --permission-mode bypassPermissions hello\ntest -s \"$XDG_STATE_HOME/afteryou/state.json\"\n")
		}
		script.WriteString(command + "\n")
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Env = s.Env
	// Go finds its caches by the HOME of whoever runs the test.
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(value)))
	}
	cmd.Env = append(cmd.Env, "PATH="+filepath.Join(home, ".local/bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\ndone\n") || !strings.Contains(string(out), "alias claude=") {
		t.Errorf("%s\n%v:\n%s", &script, err, out)
	}
	if calls := len(m.api.Answers()); calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
	if !strings.Contains(string(out), `"statusMessage"`) {
		t.Errorf("install --dry-run shows no hooks:\n%s", out)
	}
	if settings, err := os.ReadFile(filepath.Join(home, ".claude", "settings.json")); err == nil && strings.Contains(string(settings), "statusMessage") {
		t.Errorf("--uninstall leaves hooks: %s", settings)
	}
	for _, left := range []string{filepath.Join(home, ".local/bin/afteryou"), m.stateDir(), filepath.Join(m.dir, "cache", "afteryou")} {
		if _, err := os.Lstat(left); err == nil {
			t.Errorf("--uninstall leaves %s", left)
		}
	}
}

// What the README says of settings is what there is.
func TestReadmeNamesTheSettings(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(data), "| `"+name+"` |") {
			t.Errorf("the README lacks the setting %q", name)
		}
	}
}

func TestReadmeLinksLeadSomewhere(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(data), -1) {
		if strings.Contains(link[1], "://") {
			continue
		}
		if _, err := os.Stat(link[1]); err != nil {
			t.Errorf("link %q: %v", link[1], err)
		}
	}
}
