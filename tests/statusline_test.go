package tests

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
)

// 1. The person has a status line of their own, and puts afteryou before it as the README says. 2. One session keeps the
// turn. 3. Another waits for it, and its status line says so behind what the person's own says.
func TestRealStatusLine(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(read(t, "README.md"))
	if line == nil || !strings.Contains(line[1], "afteryou statusline -- ~/.claude/line.sh") {
		t.Fatalf("the README does not tell how to set the status line: %s", line)
	}
	m := newMachine(t, fakeapi.Config{Answer: hangs()}, "AFTERYOU_TURNS=strict")
	first := m.open(m.session("first"))
	m.ask(first, "hello")
	m.until("the first call", func(log []fakeapi.Request) bool { return len(log) == 1 })

	s := m.session("second", "PATH="+filepath.Dir(afteryou)+":"+os.Getenv("PATH"))
	home := &person{t: t, home: filepath.Join(m.dir, "second")}
	home.write(".claude/settings.json", line[1], 0o600)
	home.write(".claude/line.sh", "#!/bin/sh\necho my own line\n", 0o755)
	second := m.open(s)
	m.sees(second, "my own line")
	m.ask(second, "hello")
	m.sees(second, "my own line | turn 1 of 1")
}

// The person's own status line is a program and its arguments, as they stand.
func TestStatusLineRunsTheCommandAsItStands(t *testing.T) {
	t.Parallel()
	s := newSomeone(t, "")
	s.write("a dir/line.sh", "#!/bin/sh\nprintf '%s' \"$#\"; printf '<%s>' \"$@\"; cat\n", 0o755)
	s.write("a dir/bare.sh", "printf '%s' \"bare $#\"; printf '<%s>' \"$@\"\n", 0o755)
	s.write("a dir/locked.sh", "#!/bin/sh\necho never\n", 0o644)
	s.write("bin/mine", "#!/bin/sh\necho mine\n", 0o755)
	line, bare := s.path("a dir/line.sh"), s.path("a dir/bare.sh")
	for _, tt := range []struct {
		name string
		args []string
		want string
		code int
		errs string
	}{
		{name: "a path with a space", args: []string{"--", line}, want: "0<>{}"},
		{name: "with arguments", args: []string{"--", line, "a b", "$HOME", ";"}, want: "3<a b><$HOME><;>{}"},
		{name: "without the dashes", args: []string{line, "x"}, want: "1<x>{}"},
		{name: "a script without #!", args: []string{"--", bare, "a b"}, want: "bare 1<a b>"},
		{name: "a script without #! alone", args: []string{"--", bare}, want: "bare 0<>"},
		{name: "a program on PATH", args: []string{"--", "mine"}, want: "mine"},
		{name: "a line for a shell that says so", args: []string{"--", "sh", "-c", "echo a | tr a b"}, want: "b"},
		{name: "a line for a shell in one argument, which names no program", args: []string{"--", "echo a | tr a c"}, want: "c"},
		{name: "a path that is left to the shell", args: []string{"--", `~/bin/mine`}, want: "mine"},
		{name: "no program", args: []string{"--", "/no where/line.sh"}, code: 127, errs: "not found"},
		{name: "one that may not be run", args: []string{"--", s.path("a dir/locked.sh")}, code: 1, errs: "afteryou: starting your status line: "},
		{name: "its exit code", args: []string{"--", "sh", "-c", "echo x; exit 3"}, want: "x", code: 3},
		{name: "none"},
	} {
		cmd := exec.Command(afteryou, append([]string{"statusline"}, tt.args...)...)
		cmd.Env, cmd.Dir, cmd.Stdin = s.env, s.home, strings.NewReader("{}")
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); strings.TrimSuffix(out.String(), "\n") != tt.want || code != tt.code || !strings.Contains(errs.String(), tt.errs) {
			t.Errorf("%s: prints %q, says %q, exit %d; want %q, %q, %d", tt.name, out.String(), errs.String(), code, tt.want, tt.errs, tt.code)
		}
	}
}

// BenchmarkStatusline times the segment as a whole process, alone and before a command of the person's.
func BenchmarkStatusline(b *testing.B) {
	env := crowd(b, 20)
	var alone, before []time.Duration
	for b.Loop() {
		for range 60 {
			alone = append(alone, statusline(b, env))
			before = append(before, statusline(b, env, "--", "echo mine"))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(median(alone)), "alone-ms")
	b.ReportMetric(ms(median(before)), "before-ms")
}

func statusline(b *testing.B, env []string, args ...string) time.Duration {
	b.Helper()
	in, err := os.CreateTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	if _, err := in.Write(event("Status", 3)); err != nil {
		b.Fatal(err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(afteryou, append([]string{"statusline"}, args...)...)
	cmd.Env, cmd.Stdin = env, in
	return timed(b, cmd)
}
