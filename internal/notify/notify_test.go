package notify

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func note(t *testing.T, data string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "note")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// The command gets the note as it is, and no credential.
func TestTheCommandGetsTheNote(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	env := []string{"PATH=" + os.Getenv("PATH"), "OUT=" + out, "ANTHROPIC_API_KEY=secret", "CLAUDE_CODE_OAUTH_TOKEN=secret", "AWS_SECRET_ACCESS_KEY=secret"}
	if err := Run(t.Context(), `cat >"$OUT"; env >>"$OUT"`, note(t, `{"event":"goes_on"}`), env); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(data), `{"event":"goes_on"}`) || strings.Contains(string(data), "secret") || !strings.Contains(string(data), "OUT="+out) {
		t.Errorf("it got %q, %v", data, err)
	}
}

// One that fails is said; one that hangs, with what it started, is ended.
func TestCommandsThatFailOrHang(t *testing.T) {
	t.Parallel()
	if err := Run(t.Context(), "exit 3", note(t, ""), nil); err == nil || err.Error() != "notify_command: exit status 3" {
		t.Errorf("a command that fails: %v", err)
	}
	if err := Run(t.Context(), "/no/such/program", note(t, ""), nil); err == nil || err.Error() != "notify_command: exit status 127" {
		t.Errorf("a command that is none: %v", err)
	}
	pipe := filepath.Join(t.TempDir(), "left")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- Run(ctx, "(echo $$ >"+pipe+"; sleep 1000) & wait", note(t, ""), []string{"PATH=" + os.Getenv("PATH")})
	}()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if data, _ := os.ReadFile(pipe); len(data) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the command does not start")
		}
	}
	cancel() // as its time does
	if err := <-done; err == nil || err.Error() != "notify_command: it took too long" {
		t.Errorf("a command that hangs: %v", err)
	}
}

// A program that is not there is no reason to stop anybody.
func TestSendWithoutAProgram(t *testing.T) {
	t.Parallel()
	if err := Send(filepath.Join(t.TempDir(), "none"), Note{}); err == nil {
		t.Error("it is sent to nobody")
	}
	if data, err := json.Marshal(Note{Event: GoesOn, Text: "x", Waited: 61}); err != nil || !strings.Contains(string(data), `"waited_seconds":61`) {
		t.Errorf("%s, %v", data, err)
	}
}
