package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the table says of flags is what the commands take, no more and no less.
func TestHelpTellsTheFlagsThereAre(t *testing.T) {
	s := newSomeone(t, "2.1.330")
	for _, c := range commands() {
		out, errs, code := s.afteryou(c.name, "--help")
		if code != 0 || out != c.help() || errs != "" {
			t.Errorf("%s --help: exit %d, says %q and %q", c.name, code, out, errs)
		}
		if c.example == "" || !strings.Contains(c.example, "afteryou "+c.name) {
			t.Errorf("%s has no example", c.name)
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(line)); n > 110 {
				t.Errorf("%s --help has a line of %d letters: %s", c.name, n, line)
			}
		}
		if c.name == "run" || c.name == "statusline" || c.name == "hook" || c.name == "man" || c.name == "completion" {
			continue // no flags of their own but settings
		}
		for _, o := range c.options {
			args := []string{c.name, "--" + o.name}
			if o.value != "" {
				value := "1"
				if o.value == "DURATION" {
					value = "1h"
				}
				if len(o.words) > 0 {
					value = o.words[0]
				}
				args = append(args, value)
			}
			if _, errs, code := s.afteryou(append(args, "--help")...); code != 0 {
				t.Errorf("%s does not take --%s: %s", c.name, o.name, errs)
			}
		}
		if _, errs, code := s.afteryou(c.name, "--nonsense"); code != exitUsage || !strings.Contains(errs, "hint: afteryou "+c.name+" --help") {
			t.Errorf("%s --nonsense: exit %d, says %q", c.name, code, errs)
		}
	}
	if out, _, code := s.afteryou("--help"); code != 0 || out != overview(commands()) {
		t.Errorf("--help: exit %d, says %s", code, out)
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

func TestCompletionScripts(t *testing.T) {
	s := newSomeone(t, "")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			out, errs, code := s.afteryou("completion", shell)
			if code != 0 || errs != "" {
				t.Fatalf("completion %s: exit %d, %s", shell, code, errs)
			}
			for _, c := range commands() {
				if !strings.Contains(out, c.name) {
					t.Errorf("%s: %s is missing", shell, c.name)
				}
			}
			s.write("completion", out, 0o600)
			if out, err := exec.Command(here(t, shell), "-n", s.path("completion")).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s -n: %v: %s", shell, err, out)
			}
		})
	}
	complete := func(words string) string {
		script := `source ` + s.path("completion.bash") + `; COMP_WORDS=(` + words + `); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _afteryou; echo "${COMPREPLY[@]}"`
		out, err := exec.Command("bash", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	s.write("completion.bash", bashCompletion(commands()), 0o600)
	for words, want := range map[string]string{
		"afteryou do":                   "doctor",
		"afteryou install ''":           "hooks alias completions shim all --dry-run --yes --dir --watchdog --help",
		"afteryou uninstall hooks --d":  "--dry-run --dir",
		"afteryou run --turns s":        "strict",
		"afteryou install --dir /nowhe": "",
		"afteryou completion z":         "zsh",
	} {
		if got := complete(words); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
	}
}

func TestManualPage(t *testing.T) {
	s := newSomeone(t, "")
	out, errs, code := s.afteryou("man")
	if code != 0 || errs != "" || !strings.HasPrefix(out, ".TH AFTERYOU 1 \"\" \"afteryou ") {
		t.Fatalf("man: exit %d, %q, %s", code, errs, out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !regexp.MustCompile(`^\.(TH|SH|SS|TP|PP|B|I|EX|EE)\b`).MatchString(line) {
			t.Errorf("line %q is taken for a request", line)
		}
	}
	cmd := exec.Command(here(t, "groff"), "-man", "-ww", "-z", "-Tutf8")
	cmd.Stdin = strings.NewReader(out)
	if says, err := cmd.CombinedOutput(); err != nil || len(says) > 0 {
		t.Errorf("groff: %v: %s", err, says)
	}
}
