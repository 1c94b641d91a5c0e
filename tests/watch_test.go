package tests

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// watcher is a terminal on which status --watch runs.
type watcher struct {
	t                *testing.T
	master, terminal *os.File
	before           *term.State
	cmd              *exec.Cmd
	shown            chan string
	all              strings.Builder // of what was shown, as far as it was looked at
}

func (p *person) watches(cols, rows uint16) *watcher {
	p.t.Helper()
	w := &watcher{t: p.t, cmd: exec.Command(afteryou, "status", "--watch"), shown: make(chan string, 1000)}
	var err error
	if w.master, w.terminal, err = pty.Open(); err != nil {
		p.t.Fatal(err)
	}
	if err := pty.Setsize(w.master, &pty.Winsize{Cols: cols, Rows: rows}); err != nil {
		p.t.Fatal(err)
	}
	if w.before, err = term.GetState(int(w.terminal.Fd())); err != nil {
		p.t.Fatal(err)
	}
	w.cmd.Env, w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = p.env, w.terminal, w.terminal, w.terminal
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := w.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { w.cmd.Process.Kill(); w.terminal.Close(); w.master.Close() })
	go func() { // until the terminal is closed
		defer close(w.shown)
		buf := make([]byte, 1<<16)
		for {
			n, err := w.master.Read(buf)
			if err != nil {
				return
			}
			w.shown <- string(buf[:n])
		}
	}()
	return w
}

// sees waits until the terminal shows what it has not shown when it was last looked at.
func (w *watcher) sees(what string) {
	w.t.Helper()
	timeout := time.After(patience)
	for from := w.all.Len(); !strings.Contains(w.all.String()[from:], what); {
		select {
		case text := <-w.shown:
			w.all.WriteString(text)
		case <-timeout:
			w.t.Fatalf("waited in vain for %q: %q", what, w.all.String())
		}
	}
}

// presses presses keys.
func presses(keys string) func(*watcher) error {
	return func(w *watcher) error { _, err := w.master.WriteString(keys); return err }
}

// 1. status --watch runs on a terminal. 2. It shows a session that comes, at the size that the terminal gets. 3. However
// it ends, the terminal is as before.
func TestWatchLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		by   func(*watcher) error
		code int
	}{
		"q":       {presses("q"), 0},
		"^C":      {presses("\x03"), 0},
		"SIGTERM": {func(w *watcher) error { return w.cmd.Process.Signal(syscall.SIGTERM) }, 128 + 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSomeone(t, "")
			w := s.watches(60, 20)
			w.sees("no session takes turns")
			s.twelve()
			w.sees("12 sessions")
			if err := pty.Setsize(w.master, &pty.Winsize{Cols: 100, Rows: 40}); err != nil {
				t.Fatal(err)
			}
			w.sees(strings.Repeat(" ", 100-len("afteryou 15:04:05")-len("q quits")) + "q quits")
			if err := end.by(w); err != nil {
				t.Fatal(err)
			}
			w.sees("\x1b[?25h\x1b[?1049l")
			w.cmd.Wait()
			if code := w.cmd.ProcessState.ExitCode(); code != end.code {
				t.Errorf("it ends with %d, want %d", code, end.code)
			}
			after, err := term.GetState(int(w.terminal.Fd()))
			if err != nil || *after != *w.before {
				t.Errorf("the terminal was %+v and is %+v, %v", w.before, after, err)
			}
			if strings.Contains(w.all.String(), "\x1b[2J") {
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
		{"behind a program with arguments", "00000003-aaaa", []string{"printf", "%s", "mine"}, "mine | turn 1 of 4, held by as many calls as the rules allow · limit 34s\n", 0},
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
