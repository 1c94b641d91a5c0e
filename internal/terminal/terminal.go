// Package terminal runs a program in a real pty, with a person in front of it, and shows what is on its screen. It is for tests
// and tools; its emulator is its own for the reasons that package ratelimit gives.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"

	"afteryou/internal/realclaude"
)

// Terminal is a program in a real pty, with a person in front of it. One goroutine reads the pty until the program and
// all that it started have closed it; Close ends both. Methods may be called from any goroutine.
type Terminal struct {
	cmd    *exec.Cmd
	master *os.File
	ended  chan struct{} // closed when the program was waited for

	mu      sync.Mutex
	screen  *Screen
	raw     []byte
	changed chan struct{} // closed and replaced after every read
	eof     bool
}

// Open starts an interactive session on a terminal of that size.
func Open(s realclaude.Session, cols, rows int, args ...string) (*Terminal, error) {
	cmd := exec.Command(s.Path, slices.Concat(s.Args, args)...)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)})
	if err != nil {
		return nil, fmt.Errorf("starting %s in a pty: %w", s.Path, err)
	}
	t := &Terminal{
		cmd: cmd, master: master, ended: make(chan struct{}),
		screen: NewScreen(cols, rows), changed: make(chan struct{}),
	}
	go t.read()
	go func() {
		cmd.Wait() // the status is read from cmd.ProcessState
		close(t.ended)
	}()
	return t, nil
}

func (t *Terminal) read() {
	buf := make([]byte, 32<<10)
	for {
		n, err := t.master.Read(buf)
		t.mu.Lock()
		t.raw = append(t.raw, buf[:n]...)
		t.screen.Write(buf[:n])
		reply := t.screen.Reply()
		t.eof = err != nil // EIO on Linux, EOF on macOS: nobody holds the other end any more
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
		if len(reply) > 0 {
			t.master.Write(reply) // a program that is gone asks no more
		}
	}
}

// PID returns the program's process.
func (t *Terminal) PID() int { return t.cmd.Process.Pid }

// Screen returns the text that shows now.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.Text()
}

// Text returns all text: off the screen and on it.
func (t *Terminal) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.History() + "\n" + t.screen.Text()
}

// Raw returns every byte that came so far.
func (t *Terminal) Raw() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.raw)
}

// WaitFor waits until the screen shows the text.
func (t *Terminal) WaitFor(ctx context.Context, text string) error {
	return t.WaitUntil(ctx, fmt.Sprintf("%q", text), func(screen string) bool { return strings.Contains(screen, text) })
}

// WaitUntil waits until ok is true of the screen; what names it in the error.
func (t *Terminal) WaitUntil(ctx context.Context, what string, ok func(screen string) bool) error {
	return t.wait(ctx, what, func(s *Screen) bool { return ok(s.Text()) })
}

func (t *Terminal) wait(ctx context.Context, what string, ok func(*Screen) bool) error {
	for {
		t.mu.Lock()
		done, screen, changed, eof := ok(t.screen), t.screen.Text(), t.changed, t.eof
		t.mu.Unlock()
		if done {
			return nil
		}
		if eof {
			return fmt.Errorf("waiting for %s: the program ended; its screen:\n%s", what, screen)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; the screen:\n%s", what, ctx.Err(), screen)
		}
	}
}

// WaitReady waits until Claude Code shows its prompt and reads keys. The prompt comes first: on a busy machine seconds
// pass (2.0.76), in which the pty echoes what is typed and makes a new line of Enter, which then stands in the prompt.
func (t *Terminal) WaitReady(ctx context.Context) error {
	return t.wait(ctx, "the prompt", func(s *Screen) bool { return s.Pastes() && Ready(s.Text()) })
}

// Ready reports whether a screen shows Claude Code's prompt: a line that begins with ❯ (in 2.0.76 with >) under a ruled
// line. Dialogs mark their choice with the same sign. Seen on 2.1.330.
func Ready(screen string) bool {
	lines := strings.Split(screen, "\n")
	for i, line := range lines {
		prompt := strings.HasPrefix(line, "❯") || strings.HasPrefix(line, ">")
		if i > 0 && prompt && strings.HasPrefix(lines[i-1], "────") {
			return true
		}
	}
	return false
}

// Send types bytes, all at once.
func (t *Terminal) Send(data []byte) error {
	_, err := t.master.Write(data)
	return err
}

// pause before Enter: Claude Code takes text and Enter that it reads at once for a paste.
const pause = 400 * time.Millisecond

// Type types a line, waits until it shows, then sends Enter. When it does not show within ten seconds (it need not: a
// password, a full screen), Enter is sent all the same.
func (t *Terminal) Type(text string) error {
	tail := []rune(squeeze(text))
	tail = tail[max(0, len(tail)-20):]
	count := func(screen string) int { return strings.Count(squeeze(screen), string(tail)) }
	before := count(t.Screen())
	if err := t.Send([]byte(text)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := t.WaitUntil(ctx, "the echo", func(screen string) bool { return count(screen) > before }); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	time.Sleep(pause)
	return t.Send([]byte("\r"))
}

// squeeze leaves out white space: where lines break is the program's affair.
func squeeze(text string) string { return strings.Join(strings.Fields(text), "") }

// Resize gives the terminal another size.
func (t *Terminal) Resize(cols, rows int) error {
	t.mu.Lock()
	t.screen.Resize(cols, rows)
	t.mu.Unlock()
	return pty.Setsize(t.master, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)})
}

// Wait waits until the program ends and gives its exit code, 128+n when signal n ended it.
func (t *Terminal) Wait(ctx context.Context) (int, error) {
	select {
	case <-t.ended:
		return realclaude.ExitCode(t.cmd.ProcessState), nil
	case <-ctx.Done():
		return -1, fmt.Errorf("waiting for the end of %s: %w; the screen:\n%s", t.cmd.Path, ctx.Err(), t.Screen())
	}
}

// Close ends the program as a closed terminal window does, and after five seconds everything that it started and that
// is still there.
func (t *Terminal) Close() error {
	var list []realclaude.Process
	var err error
	select {
	case <-t.ended: // its pid may be another's by now
	default:
		list, err = realclaude.Family(t.PID()) // before its children lose their parent
		t.cmd.Process.Signal(syscall.SIGHUP)
		select {
		case <-t.ended:
		case <-time.After(5 * time.Second):
		}
	}
	t.master.Close() // ends the reader
	realclaude.Kill(list)
	<-t.ended
	return err
}
