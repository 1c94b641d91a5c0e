package realclaude_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	. "afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// patience is for everything that must happen some time, on any machine.
const patience = 3 * time.Minute

// installed gives Claude Code of the pinned version.
func installed(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("drives the real Claude Code")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	path, err := Install(ctx, Version)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// fresh is a session with a home of its own that talks to api.
func fresh(t *testing.T, api *fakeapi.Server, extra ...string) (s Session, home string) {
	t.Helper()
	bin := installed(t)
	home = t.TempDir()
	cwd := filepath.Join(home, "work")
	if err := Home(home, cwd); err != nil {
		t.Fatal(err)
	}
	return Session{Path: bin, Env: Env(home, api.URL(), extra...), Dir: cwd}, home
}

func serve(t *testing.T, c fakeapi.Config) *fakeapi.Server {
	t.Helper()
	api, err := fakeapi.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return api
}

func TestEnvInheritsNothingButPATH(t *testing.T) {
	t.Setenv("ANTHROPIC_API_KEY", "real")
	t.Setenv("ANTHROPIC_BASE_URL", "https://example.com")
	t.Setenv("EDITOR", "vi")
	all := strings.Join(Env("/h", "http://127.0.0.1:1", Login, "XDG_STATE_HOME=/s", "LANG="), "\n") + "\n"
	for _, bad := range []string{"real\n", "example.com", "EDITOR", "ANTHROPIC_API_KEY", "LANG"} {
		if strings.Contains(all, bad) {
			t.Errorf("Env has %q:\n%s", bad, all)
		}
	}
	for _, good := range []string{"HOME=/h\n", "PATH=" + os.Getenv("PATH") + "\n", Login + "\n", "XDG_STATE_HOME=/s\n", "ANTHROPIC_BASE_URL=http://127.0.0.1:1\n", "HTTPS_PROXY=http://127.0.0.1:9\n"} {
		if !strings.Contains(all, good) {
			t.Errorf("Env lacks %q:\n%s", good, all)
		}
	}
}

func TestRealInstallAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("drives the real Claude Code")
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := Install(t.Context(), Version); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// printsAfterItsTool runs -p before a server that has it run `echo ran > proof` first, and sees both.
func printsAfterItsTool(t *testing.T, s Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := Print(ctx, s, "hello", "--permission-mode", "bypassPermissions")
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 || strings.TrimSpace(r.Stdout) != "done" {
		t.Errorf("Print = %+v, want done", r)
	}
	if proof, err := os.ReadFile(filepath.Join(s.Dir, "proof")); err != nil || string(proof) != "ran\n" {
		t.Errorf("the tool left %q, %v", proof, err)
	}
}

func TestRealPrintRunsATool(t *testing.T) {
	api := serve(t, fakeapi.Config{Answer: fakeapi.AgenticCommand(2, func(int) string { return "echo ran > proof" })})
	s, home := fresh(t, api)
	printsAfterItsTool(t, s)
	log := api.Log()
	if len(log) != 2 || log[0].Session == "" || log[1].Session != log[0].Session || log[1].Results != 1 || log[0].LastText != "hello" {
		t.Errorf("log = %+v", log)
	}
	if len(fakeapi.Overlapping(log)) != 0 {
		t.Errorf("calls of one session overlap: %+v", log)
	}
	if _, err := Transcript(home, log[0].Session); err != nil {
		t.Error(err)
	}
}

func TestRealRetriesInTheTurn(t *testing.T) {
	api := serve(t, fakeapi.Config{Answer: fakeapi.Script(fakeapi.Agentic(1), fakeapi.RateLimited(time.Second))})
	s, home := fresh(t, api)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := Print(ctx, s, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 || strings.TrimSpace(r.Stdout) != "done" {
		t.Errorf("Print = %+v, want done", r)
	}
	log := api.Log()
	if len(log) != 2 || log[0].Status != 429 || log[1].Arrived.Sub(log[0].Ended) < time.Second {
		t.Fatalf("log = %+v, want a retry after a second", log)
	}
	path, err := Transcript(home, log[0].Session)
	if err != nil {
		t.Fatal(err)
	}
	if got := chosen(t, path, []string{"api_error"}); len(got) != 1 {
		t.Errorf("%d api_error rows, want 1", len(got))
	}
}

func TestRealDiesAboveAMinute(t *testing.T) {
	api := serve(t, fakeapi.Config{Answer: fakeapi.Script(fakeapi.Agentic(1), fakeapi.RateLimited(61*time.Second))})
	s, _ := fresh(t, api)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := Print(ctx, s, "hello")
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 1 || !strings.Contains(r.Stdout, "API Error: Request rejected (429)") {
		t.Errorf("Print = %+v, want exit code 1", r)
	}
}

func TestRealTerminal(t *testing.T) {
	api := serve(t, fakeapi.Config{Answer: fakeapi.Agentic(2)})
	s, _ := fresh(t, api)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	term, err := terminal.Open(s, 100, 30, "--permission-mode", "bypassPermissions")
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	if err := term.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if err := term.Type("hello there"); err != nil {
		t.Fatal(err)
	}
	if err := term.WaitFor(ctx, "● done"); err != nil {
		t.Fatal(err)
	}
	if got := api.Log()[0].LastText; got != "hello there" {
		t.Errorf("the prompt arrived as %q", got)
	}
	if err := term.Resize(60, 20); err != nil {
		t.Fatal(err)
	}
	if err := term.WaitUntil(ctx, "the prompt in 60 columns", terminal.Ready); err != nil {
		t.Error(err)
	}
	if err := term.Type("/exit"); err != nil {
		t.Fatal(err)
	}
	if code, err := term.Wait(ctx); err != nil || code != 0 {
		t.Errorf("Wait = %v, %v", code, err)
	}
}

// A program that shows a prompt does not read keys yet.
func TestTerminalIsReadyOnceKeysAreRead(t *testing.T) {
	script := `printf '\033[?2004h\033[?2004l'; printf '────────\n> \n'; read go; printf '\033[?2004h'; cat`
	term, err := terminal.Open(Session{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: t.TempDir()}, 80, 24)
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := term.WaitUntil(ctx, "the prompt", terminal.Ready); err != nil {
		t.Fatal(err)
	}
	ready := make(chan error, 1)
	go func() { ready <- term.WaitReady(ctx) }()
	select {
	case err := <-ready:
		t.Errorf("WaitReady = %v before keys are read", err)
	case <-time.After(200 * time.Millisecond):
		if err := term.Send([]byte("\r")); err != nil {
			t.Fatal(err)
		}
		if err := <-ready; err != nil {
			t.Error(err)
		}
	}
}

func TestTerminalClosesWhatItStarted(t *testing.T) {
	// A shell that ignores the hang-up, and a child that does too.
	dir := t.TempDir()
	term, err := terminal.Open(Session{
		Path: "/bin/sh", Args: []string{"-c", `trap "" HUP; sleep 1000 & echo child $!; wait`}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: dir,
	}, 80, 24)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := term.WaitFor(ctx, "child "); err != nil {
		t.Error(err)
	}
	if err := term.WaitUntil(ctx, "two processes", func(string) bool { list, err := Family(term.PID()); return err == nil && len(list) >= 2 }); err != nil {
		t.Error(err)
	}
	list, err := Family(term.PID())
	if err != nil || len(list) < 2 {
		t.Fatalf("family = %v, %v", list, err)
	}
	if err := term.Close(); err != nil {
		t.Error(err)
	}
	for left := list; len(left) > 0; {
		if ctx.Err() != nil {
			t.Fatalf("of %v there still run %v", list, left)
		}
		if left, err = Left(list); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // not as proof: between two looks
	}
}
