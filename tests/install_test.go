package tests

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"afteryou/internal/claude"
	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

func TestInstallAsksOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, installs := range map[string]bool{"y\n": true, "Yes\n": true, "\n": false, "n\n": false, "\x04": false} {
		s := newSomeone(t, "2.1.330")
		cmd := exec.Command(afteryou, "install", "alias")
		cmd.Env = s.env
		terminal, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := terminal.Read(buf)
			asked := strings.Contains(shown.String(), "[y/N]")
			shown.Write(buf[:n])
			if !asked && strings.Contains(shown.String(), "[y/N]") {
				if _, err := terminal.WriteString(answer); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil {
				break // EIO: the other side is gone
			}
		}
		err = cmd.Wait()
		terminal.Close()
		_, missing := os.Stat(s.path(".bashrc"))
		if (err == nil) != installs || (missing == nil) != installs {
			t.Errorf("answer %q: exit %v, file %v; want installed: %v\n%s", answer, err, missing, installs, shown.String())
		}
	}
}

// 1. The hooks are installed into a clean home. 2. The real claude, started directly, takes turns. 3. Started by run, which
// injects the same hooks, it takes as many: they run once. 4. Uninstalled, nothing of ours
// is left.
func TestRealInstalledHooks(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{Answer: fakeapi.Agentic(3)}, "AFTERYOU_TURNS=strict")
	s := m.session("home")
	install := func(args ...string) {
		cmd := exec.Command(afteryou, args...)
		cmd.Env = s.Env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	install("install", "hooks", "--yes")
	settings := filepath.Join(m.dir, "home", ".claude", "settings.json")
	data, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	version, _ := claude.ParseVersion(realclaude.Version)
	want, err := claude.AddHooks(nil, claude.Hooks(afteryou, version))
	if err != nil || string(data) != string(want) {
		t.Errorf("settings are\n%s\nwant the hooks of run\n%s", data, want)
	}

	direct := s
	direct.Path, direct.Args = m.claude, nil
	m.print(direct)
	if calls, turns := m.counted(); calls != 3 || turns != 0 {
		t.Errorf("started directly: the state counts %d calls and %d turns, want 3 and none", calls, turns)
	}
	runs := m.hookRuns(direct)
	if also := m.hookRuns(s); also != runs || runs == 0 {
		t.Errorf("the hooks ran %d times directly and %d times with run, want the same", runs, also)
	}

	install("uninstall", "--yes")
	// 2.1.330 has written a key of its own meanwhile, so that the file stays, without ours.
	if data, err := os.ReadFile(settings); err != nil || string(data) != "{\n  \"skipDangerousModePermissionPrompt\": true\n}\n" {
		t.Errorf("settings are %q, %v; want what Claude Code wrote alone", data, err)
	}
}

// Sessions that start without run wait out a long retry-after once the settings switch that on.
func TestRealInstalledWatchdog(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"install", "hooks", "--yes"}, {"install", "hooks", "--watchdog", "--yes"}} {
		m := newMachine(t, fakeapi.Config{Answer: fakeapi.Script(fakeapi.Agentic(1), fakeapi.RateLimited(75*time.Second))})
		s := m.direct(m.session("home"))
		install := exec.Command(afteryou, args...)
		install.Env = s.Env
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, s.Path, "-p", "--output-format", "stream-json", "--verbose", "hello")
		cmd.Env, cmd.Dir = s.Env, s.Dir
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		waits := false
		for lines := bufio.NewScanner(out); !waits && lines.Scan(); {
			waits = strings.Contains(lines.Text(), `"subtype":"api_retry"`)
		}
		cmd.Process.Kill() // 75 s need not pass
		cmd.Wait()
		if want := slices.Contains(args, "--watchdog"); waits != want {
			t.Errorf("after %q a session waits: %v, want %v", args, waits, want)
		}
	}
}

// hookRuns is how often hooks ran in a session of its own, by what Claude Code says of itself.
func (m *machine) hookRuns(s realclaude.Session) int {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	r, err := realclaude.Print(ctx, s, "--permission-mode", "bypassPermissions", "--output-format", "stream-json", "--verbose", "--include-hook-events", "hello")
	if err != nil || r.Code != 0 {
		m.t.Fatalf("the session says %+v, %v", r, err)
	}
	return strings.Count(r.Stdout, `"subtype":"hook_started"`)
}
