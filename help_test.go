package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What the table says of flags is what the commands take, no more and no less.
func TestHelpTellsTheFlagsThereAre(t *testing.T) {
	s := newSomeone(t, "2.1.330")
	for _, c := range allCommands() {
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
				args = append(args, "1")
			}
			if _, errs, code := s.afteryou(append(args, "--help")...); code != 0 {
				t.Errorf("%s does not take --%s: %s", c.name, o.name, errs)
			}
		}
		if _, errs, code := s.afteryou(c.name, "--nonsense"); code != exitUsage || !strings.Contains(errs, "hint: afteryou "+c.name+" --help") {
			t.Errorf("%s --nonsense: exit %d, says %q", c.name, code, errs)
		}
	}
	// Each flag that the code declares is in the table.
	known := make(map[string]bool)
	for _, c := range allCommands() {
		for _, o := range c.options {
			known[o.name] = true
		}
	}
	for _, file := range []string{"status.go", "install.go", "doctor.go", "config.go", "demo.go", "log.go", "limits.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`flags\.\w+\((?:&[\w.]+, )?"([\w-]+)"`).FindAllStringSubmatch(string(source), -1) {
			if !known[m[1]] {
				t.Errorf("%s takes --%s, and help does not say so", file, m[1])
			}
		}
	}
	for _, name := range names {
		if name := strings.ReplaceAll(name, "_", "-"); !known[name] {
			t.Errorf("help lacks the setting %s", name)
		}
	}
	if out, _, code := s.afteryou("--help"); code != 0 || out != usage() {
		t.Errorf("--help: exit %d, says %s", code, out)
	}
}

func TestCompletionInRealShells(t *testing.T) {
	s := newSomeone(t, "")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, errs, code := s.afteryou("completion", shell)
		if code != 0 || errs != "" {
			t.Fatalf("completion %s: exit %d, %s", shell, code, errs)
		}
		for _, c := range allCommands() {
			if !strings.Contains(out, c.name) {
				t.Errorf("%s: %s is missing", shell, c.name)
			}
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not here to read its completions", shell)
			continue
		}
		s.write("completion", out, 0o600)
		if out, err := exec.Command(path, "-n", s.path("completion")).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s -n: %v: %s", shell, err, out)
		}
	}
	complete := func(words string) string {
		script := `source ` + s.path("completion.bash") + `; COMP_WORDS=(` + words + `); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _afteryou; echo "${COMPREPLY[@]}"`
		out, err := exec.Command("bash", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	s.write("completion.bash", bashCompletion(), 0o600)
	for words, want := range map[string]string{
		"afteryou do":                   "doctor",
		"afteryou install ''":           "hooks alias shim all --dry-run --yes --dir --help",
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
	if code != 0 || errs != "" || !strings.HasPrefix(out, ".TH AFTERYOU 1\n") {
		t.Fatalf("man: exit %d, %q, %s", code, errs, out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !regexp.MustCompile(`^\.(TH|SH|SS|TP|PP|B|I|EX|EE)\b`).MatchString(line) {
			t.Errorf("line %q is taken for a request", line)
		}
	}
	if path, err := exec.LookPath("groff"); err == nil {
		cmd := exec.Command(path, "-man", "-ww", "-z", "-Tutf8")
		cmd.Stdin = strings.NewReader(out)
		if says, err := cmd.CombinedOutput(); err != nil || len(says) > 0 {
			t.Errorf("groff: %v: %s", err, says)
		}
	}
}
