package tests

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"afteryou/internal/realclaude"
)

// Each command's help has an example and fits a terminal, and the flags that it tells of are those that the command takes.
func TestHelpTellsTheFlagsThereAre(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "2.1.330")
	if len(commands()) < 10 {
		t.Fatalf("--help lists only %v", commands())
	}
	for _, c := range commands() {
		out, errs, code := s.afteryou(c.name, "--help")
		if code != 0 || errs != "" || !regexp.MustCompile(`(?m)^example: .*afteryou `+c.name).MatchString(out) {
			t.Errorf("%s --help: exit %d, says %q and %q", c.name, code, out, errs)
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(line)); n > 110 {
				t.Errorf("%s --help has a line of %d letters: %s", c.name, n, line)
			}
		}
		if slices.Contains([]string{"run", "exec", "statusline", "hook", "man", "completion"}, c.name) {
			continue // no flags of their own but settings
		}
		for _, m := range regexp.MustCompile(`(?m)^  (--[a-z-]+) (\S*)`).FindAllStringSubmatch(out, -1) {
			args := []string{c.name, m[1]}
			values := map[string]string{"N": "1", "DURATION": "1h", "DIR": "x", "MODEL": "x", "WORDS": "no-headers", "URL": "redis://127.0.0.1:1", "--cloud": "vertex", "--gate": "module", "VERSION": realclaude.Version}
			if value := cmp.Or(values[m[1]], values[m[2]]); value != "" {
				args = append(args, value)
			}
			if _, errs, code := s.afteryou(append(args, "--help")...); code != 0 {
				t.Errorf("%s does not take %s: %s", c.name, m[1], errs)
			}
		}
		if _, errs, code := s.afteryou(c.name, "--nonsense"); code != exitUsage || !strings.Contains(errs, "hint: afteryou "+c.name+" --help") {
			t.Errorf("%s --nonsense: exit %d, says %q", c.name, code, errs)
		}
	}
}

// here is the path of a program that may be missing on a developer's machine, and is there where CI runs.
func here(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("not tested: %s is not installed", program)
	}
	return path
}

// Completions that are installed are found by the shells.
func TestCompletionInRealShells(t *testing.T) {
	t.Parallel()
	for shell, script := range map[string]string{
		"bash": `source /usr/share/bash-completion/bash_completion; _completion_loader afteryou; COMP_WORDS=(afteryou do); COMP_CWORD=1; _afteryou; echo "${COMPREPLY[@]}"`,
		"zsh": `fpath+=($HOME/.local/share/zsh/site-functions); autoload -U compinit; compinit -u; unfunction _describe 2>/dev/null
			_describe() { print -l ${(P)2} | grep "^do" }; CURRENT=2; words=(afteryou do); $_comps[afteryou]`,
		"fish": `complete -C "afteryou do"`,
	} {
		t.Run(shell, func(t *testing.T) {
			path := here(t, shell)
			if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); shell == "bash" && err != nil {
				t.Skip("not tested: bash-completion is not installed")
			}
			s := newSomeone(t, "")
			s.env = append(s.env, "SHELL=/bin/"+shell)
			if _, errs, code := s.afteryou("install", "completions", "--yes"); code != 0 {
				t.Fatalf("install completions: %s", errs)
			}
			cmd := exec.Command(path, "-c", script)
			// fish completes only what it can run.
			cmd.Env, cmd.Dir = append(s.env, "PATH="+filepath.Dir(afteryou)+":/usr/bin:/bin"), s.home
			out, err := cmd.CombinedOutput()
			var found []string
			for line := range strings.Lines(string(out)) {
				if name := strings.FieldsFunc(line, func(r rune) bool { return r == ':' || r == '\t' || r == '\n' }); len(name) > 0 {
					found = append(found, name[0])
				}
			}
			if err != nil || strings.Join(found, " ") != "doctor" {
				t.Errorf("do is completed to %q, %v: %s", found, err, out)
			}
			if _, errs, code := s.afteryou("uninstall", "completions", "--yes"); code != 0 || !strings.Contains(errs, "removed ") {
				t.Errorf("uninstall completions: %s", errs)
			}
		})
	}
}
