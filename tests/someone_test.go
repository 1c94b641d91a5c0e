package tests

import (
	"afteryou/internal/turn"
	"afteryou/lockfile"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// someone has a home in which a program called claude says that it is of a version.
type someone struct {
	t    *testing.T
	home string
	env  []string
}

func newSomeone(t *testing.T, version string, env ...string) *someone {
	t.Helper()
	s := &someone{t: t, home: t.TempDir()}
	if version != "" {
		s.write("real/claude", "#!/bin/sh\necho '"+version+" (Claude Code)'\n", 0o755)
	}
	s.env = append([]string{
		"HOME=" + s.home, "SHELL=/bin/bash", "TERM=xterm",
		"PATH=" + filepath.Join(s.home, "bin") + ":" + filepath.Join(s.home, "real") + ":/usr/bin:/bin",
	}, env...)
	return s
}

func (s *someone) path(name string) string { return filepath.Join(s.home, name) }

func (s *someone) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	mkdir(filepath.Dir(s.path(name)))
	if err := os.WriteFile(s.path(name), []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *someone) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// afteryou runs a command without a terminal.
func (s *someone) afteryou(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	cmd := exec.Command(afteryou, args...)
	cmd.Env, cmd.Dir = s.env, s.home
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// sh runs a command as the person would type it.
func (s *someone) sh(command string) {
	s.t.Helper()
	cmd := exec.Command("bash", "-c", command)
	cmd.Env, cmd.Dir = append(s.env, "PATH="+filepath.Dir(afteryou)+":/usr/bin:/bin:"+s.path("real")), s.home
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// state writes the shared state.
func (s *someone) state(change func(*turn.State) error) {
	s.t.Helper()
	store, err := lockfile.Open(s.path(".local/state/afteryou"))
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := store.Update(s.t.Context(), change)
	if err != nil {
		s.t.Fatal(err)
	}
	v.Close()
}

// session starts a program that looks like Claude Code, and returns its pid.
func (s *someone) session() int {
	s.t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.Args[0], cmd.Env = "claude", s.env
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}
