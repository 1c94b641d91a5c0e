package tests

import (
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// 1. status --watch runs on a terminal. 2. It shows a session that comes, at the size that the terminal gets. 3. However
// it ends, the terminal is as before.
func TestWatchLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		by   func(keys interface{ Write([]byte) (int, error) }, p *exec.Cmd) error
		code int
	}{
		"q": {func(keys interface{ Write([]byte) (int, error) }, _ *exec.Cmd) error {
			_, err := keys.Write([]byte("q"))
			return err
		}, 0},
		"^C": {func(keys interface{ Write([]byte) (int, error) }, _ *exec.Cmd) error {
			_, err := keys.Write([]byte{3})
			return err
		}, 0},
		"SIGTERM": {func(_ interface{ Write([]byte) (int, error) }, p *exec.Cmd) error {
			return p.Process.Signal(syscall.SIGTERM)
		}, 128 + 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSomeone(t, "")
			master, terminal, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			defer terminal.Close()
			if err := pty.Setsize(master, &pty.Winsize{Cols: 60, Rows: 20}); err != nil {
				t.Fatal(err)
			}
			before, err := term.GetState(int(terminal.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(afteryou, "status", "--watch")
			cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.env, terminal, terminal, terminal
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			shown := make(chan string, 1000)
			go func() { // until the terminal is closed
				buf := make([]byte, 1<<16)
				for {
					n, err := master.Read(buf)
					if err != nil {
						close(shown)
						return
					}
					shown <- string(buf[:n])
				}
			}()
			var all strings.Builder
			sees := func(what string) {
				t.Helper()
				timeout := time.After(patience)
				for from := all.Len(); !strings.Contains(all.String()[from:], what); {
					select {
					case text := <-shown:
						all.WriteString(text)
					case <-timeout:
						t.Fatalf("waited in vain for %q: %q", what, all.String())
					}
				}
			}
			sees("no session takes turns")
			s.twelve()
			sees("12 sessions")
			if err := pty.Setsize(master, &pty.Winsize{Cols: 100, Rows: 40}); err != nil {
				t.Fatal(err)
			}
			sees(strings.Repeat(" ", 100-len("afteryou 15:04:05")-len("q quits")) + "q quits")
			if err := end.by(master, cmd); err != nil {
				t.Fatal(err)
			}
			sees("\x1b[?25h\x1b[?1049l")
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != end.code {
				t.Errorf("it ends with %d, want %d", code, end.code)
			}
			after, err := term.GetState(int(terminal.Fd()))
			if err != nil || *after != *before {
				t.Errorf("the terminal was %+v and is %+v, %v", before, after, err)
			}
			if strings.Contains(all.String(), "\x1b[2J") {
				t.Error("it blanks the screen, which flickers")
			}
		})
	}
}

func TestStatusline(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "")
	s.twelve()
	for _, tt := range []struct {
		name, session string
		args          []string
		want          string
		code          int
	}{
		{"the second in line", "00000004-aaaa", nil, "turn 2 of 4 · limit 34s\n", 0},
		{"behind a command of the person's", "00000004-aaaa", []string{"--", "cat | tr -d '{}'; echo"}, `"session_id":"00000004-aaaa" | turn 2 of 4 · limit 34s` + "\n", 0},
		{"behind a program with arguments", "00000003-aaaa", []string{"printf", "%s", "mine"}, "mine | turn 1 of 4 · limit 34s\n", 0},
		{"one that waits for the limit alone", "00000009-aaaa", nil, "limit 34s\n", 0},
		{"one we do not know", "x", []string{"echo mine"}, "mine\n", 0},
		{"one we do not know, and no command", "x", nil, "", 0},
		{"a command that fails", "x", []string{"echo mine; exit 3"}, "mine\n", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(afteryou, append([]string{"statusline"}, tt.args...)...)
			cmd.Env = s.env
			cmd.Stdin = strings.NewReader(`{"session_id":"` + tt.session + `"}`)
			out, _ := cmd.Output()
			// The clock runs on while the test does.
			got := regexp.MustCompile(`limit [1-3]?[0-9]s`).ReplaceAllString(string(out), "limit 34s")
			if got != tt.want || cmd.ProcessState.ExitCode() != tt.code {
				t.Errorf("prints %q, exit %d; want %q, %d", out, cmd.ProcessState.ExitCode(), tt.want, tt.code)
			}
		})
	}
	s.write(".local/state/afteryou/state.json", "{", 0o600)
	cmd := exec.Command(afteryou, "statusline", "echo mine")
	cmd.Env = s.env
	if out, err := cmd.Output(); err != nil || string(out) != "mine\n" {
		t.Errorf("on a broken state: %q, %v", out, err)
	}
}
