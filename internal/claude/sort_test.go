package claude

import (
	"context"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/realclaude"
)

func TestSort(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want Kind
	}{
		{"nothing", nil, Interactive},
		{"a prompt", []string{"fix the tests"}, Interactive},
		{"a model and a prompt that begins like a command", []string{"--model", "opus", "fix mcp"}, Interactive},
		{"a model named like a command", []string{"--model", "mcp"}, Interactive},
		{"a subcommand", []string{"mcp", "list"}, Other},
		{"a subcommand behind flags", []string{"--model", "opus", "mcp", "list"}, Other},
		{"a subcommand behind a double dash", []string{"--", "mcp"}, Other},
		{"a prompt behind a double dash", []string{"--", "-p is what I mean"}, Interactive},
		{"a word that is a subcommand, but comes second", []string{"explain", "mcp"}, Interactive},
		{"a hidden subcommand", []string{"remote-control"}, Other},
		{"print", []string{"-p", "hello"}, Print},
		{"print behind its prompt", []string{"hello", "--print"}, Print},
		{"print and continue in one", []string{"-pc", "hello"}, Print},
		{"print as a value", []string{"--append-system-prompt", "-p", "hello"}, Interactive},
		{"a subcommand in print mode", []string{"-p", "mcp"}, Other},
		{"resume by id", []string{"--resume", "0b9e5f2c"}, Interactive},
		{"resume named like a command", []string{"-r", "doctor"}, Interactive},
		{"resume without a value", []string{"-r", "--model", "opus"}, Interactive},
		{"resume joined", []string{"-r0b9e5f2c"}, Interactive},
		{"a list of directories swallows the prompt", []string{"--add-dir", "a", "mcp"}, Interactive},
		{"a list ends at a flag", []string{"--add-dir", "a", "--verbose", "mcp"}, Other},
		{"a list with an equals sign has one value", []string{"--add-dir=a", "mcp"}, Other},
		{"a value with an equals sign", []string{"--model=opus", "hello"}, Interactive},
		{"a lone dash is a word", []string{"-p", "-"}, Print},
		{"help", []string{"--help"}, Other},
		{"help behind a prompt", []string{"hello", "-h"}, Other},
		{"version", []string{"-v"}, Other},
		{"help as a value", []string{"--name", "--help"}, Interactive},
		{"in the background", []string{"--bg", "hello"}, Other},
		{"in the cloud", []string{"--cloud", "hello"}, Other},
		{"in the cloud, joined", []string{"--cloud=hello"}, Other},
		{"in tmux", []string{"-w", "--tmux"}, Other},
		{"in classic tmux", []string{"-w", "--tmux=classic"}, Other},
		{"teleport", []string{"--teleport"}, Other},
		{"a flag of tomorrow", []string{"--quantum", "hello"}, Interactive},
		{"a short flag of tomorrow", []string{"-z"}, Interactive},
		{"a flag of tomorrow and print", []string{"--quantum", "-p", "hello"}, Print},
		{"a flag of tomorrow, its value and print", []string{"--quantum", "mcp", "-p", "hello"}, Print},
		{"a flag of tomorrow, its value joined, and print", []string{"--quantum=mcp", "--print", "hello"}, Print},
		{"a flag of tomorrow behind print", []string{"-p", "hello", "--quantum"}, Print},
		{"a short flag of tomorrow with print in one", []string{"-pz", "hello"}, Print},
		{"a flag of tomorrow and version", []string{"--quantum", "--version"}, Other},
		{"a flag of tomorrow, its value and a subcommand", []string{"--quantum", "7", "mcp", "list"}, Other},
		{"a word of tomorrow is a prompt", []string{"quantum", "list"}, Interactive},
		{"a flag that takes a value tomorrow", []string{"--verbose=yes"}, Interactive},
		{"a flag whose value is optional tomorrow", []string{"--model"}, Interactive},
		{"what Claude Code starts itself by", []string{"--daemon-worker=7"}, Other},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Sort(tt.args); got != tt.want {
				t.Errorf("Sort(%q) = %v, want %v", tt.args, got, tt.want)
			}
		})
	}
}

// The arguments are given as one text, apart by line ends.
func FuzzSort(f *testing.F) {
	f.Add("--model\nopus\nfix mcp")
	f.Add("-pcd2e\n--\n--settings={}")
	f.Add("-rn\nx\n--add-dir\na\nb\n-w")
	f.Fuzz(func(t *testing.T, s string) {
		args := strings.Split(s, "\n")
		before := slices.Clone(args)
		Sort(args)
		if !slices.Equal(args, before) {
			t.Errorf("Sort changed %q to %q", before, args)
		}
		walk(args, func(a arg) {
			if a.at < 0 || a.at >= len(args) || a.value >= len(args) || a.value >= 0 && a.start > len(args[a.value]) {
				t.Fatalf("walk(%q) gives %+v", args, a)
			}
		})
	})
}

// TestRealHelp holds our lists to what the real program's --help names.
func TestRealHelp(t *testing.T) {
	if testing.Short() {
		t.Skip("installs Claude Code")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	bin, err := realclaude.Install(ctx, realclaude.Version)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, bin, "--help")
	cmd.Env = realclaude.Env(t.TempDir(), "http://127.0.0.1:1")
	help, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	options, list, ok := strings.Cut(string(help), "\nCommands:\n")
	if !ok {
		t.Fatalf("no list of commands in --help:\n%s", help)
	}
	if n := checkFlags(t, options); n < 60 {
		t.Errorf("only %d flags found in --help", n)
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z][a-z|-]*)`).FindAllStringSubmatch(list, -1) {
		for name := range strings.SplitSeq(m[1], "|") {
			found++
			if !commands[name] {
				t.Errorf("command %q is not known", name)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands found in --help", found)
	}
}

// checkFlags holds our list of flags to those of --help, and returns how many there are.
func checkFlags(t *testing.T, options string) (found int) {
	t.Helper()
	names := regexp.MustCompile(`(?m)^  (-[^<\[\n]*?)(?:\s\s.*|\s?([<\[][^>\]]*[>\]]).*)?$`)
	for _, m := range names.FindAllStringSubmatch(options, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			name = strings.TrimSpace(name)
			found++
			takes, known := flags[name]
			if !known {
				t.Errorf("flag %q is not known", name)
				continue
			}
			var want arity
			switch value := m[2]; {
			case takes == leave:
				continue
			case strings.HasSuffix(value, "...>"):
				want = many
			case strings.HasPrefix(value, "<"):
				want = one
			case strings.HasPrefix(value, "["):
				want = optional
			}
			if takes != want {
				t.Errorf("flag %q with %q has arity %d, want %d", name, m[2], takes, want)
			}
		}
	}
	return found
}

func (k Kind) String() string { return [...]string{"other", "print", "interactive"}[k] }

func (k RowKind) String() string {
	return [...]string{Request: "request", Retry: "retry", Answer: "answer", Error: "error", Interrupted: "interrupted", Prompt: "prompt"}[k]
}
