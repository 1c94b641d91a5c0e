package doctor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"afteryou/internal/install"
)

// shellTime bounds the start of the user's shell.
const shellTime = 10 * time.Second

// command looks at what "claude" is where the person types it.
func (e *examination) command() {
	shell := e.Getenv("SHELL")
	name := filepath.Base(shell)
	shells := e.Shells()
	i := slices.IndexFunc(shells, func(s install.Shell) bool { return s.Name == name })
	if i < 0 {
		e.say("command", Note, "", "what claude is in %q can't be told: only bash, zsh and fish are known", shell)
		return
	}
	says, err := e.Shell(shell, ask(name))
	if err != nil {
		e.say("command", Note, "", "what claude is in a new %s can't be told: %v", name, err)
		return
	}
	what := ""
	for line := range strings.Lines(says) {
		if _, after, ok := strings.Cut(line, mark); ok {
			what = strings.TrimSpace(after)
		}
	}
	// What may follow is an alias, an absolute path, or in fish the body of a function.
	if m := regexp.MustCompile(`(\S*\b(?:afteryou|` + regexp.QuoteMeta(filepath.Base(e.Self)) + `))['"\\]*\s+run\b`).FindStringSubmatch(what); m != nil {
		program := strings.TrimLeft(m[1], `'"=\`)
		if i := strings.LastIndexAny(program, `'"=`); i >= 0 {
			program = program[i+1:]
		}
		if strings.HasPrefix(program, "/") {
			if _, err := os.Stat(program); err != nil {
				e.say("command", Broken, "afteryou install alias", "claude is an alias for %s, which is not there", program)
				return
			}
		}
		e.say("command", OK, "", "claude goes through afteryou in a new %s", name)
		return
	}
	startup, _ := os.ReadFile(shells[i].File) // none has no alias
	switch {
	case strings.HasPrefix(what, "/") && same(what, e.Self):
		e.say("command", OK, "", "claude is a link to afteryou in a new %s", name)
	case bytes.Contains(startup, []byte("# >>> afteryou")):
		e.say("command", Broken, "afteryou install alias", "the alias in %s is not in force: claude is %s in a new %s", shells[i].File, cmp.Or(what, "nothing"), name)
	case e.inside:
		e.say("command", OK, "", "claude need not go through afteryou in a new %s: every session finds the module", name)
	case e.hooked || e.plugged:
		e.say("command", Note, "afteryou install alias", "claude does not go through afteryou in a new %s: it takes turns, and nothing more", name)
	default:
		e.say("command", Broken, "afteryou install", "nothing is installed: neither hooks nor an alias, and claude is %s in a new %s", cmp.Or(what, "nothing"), name)
	}
}

// mark stands before the answer: start-up files print what they like.
const mark = "afteryou-doctor:"

// ask is the script that says on one line what claude is.
func ask(shell string) string {
	if shell == "fish" {
		return `if functions -q claude; echo ` + mark + ` (functions claude | string join ' '); else; echo ` + mark + ` (command -v claude); end`
	}
	return `echo "` + mark + ` $(command -v claude)"`
}

// Ask runs a script in a new shell that reads what the person's own would. It has a session to itself, so that
// it can't take the terminal.
func Ask(shell, script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), shellTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-i", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for the output, should a child of it keep it open
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("it did not start within %v", shellTime)
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return "", err
	}
	return string(out), nil // command -v fails where there is no claude
}
