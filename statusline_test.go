package main

import (
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
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(readme)
	if line == nil || !strings.Contains(string(line[1]), "afteryou statusline -- ~/.claude/line.sh") {
		t.Fatalf("the README does not tell how to set the status line: %s", line)
	}
	m := newMachine(t, fakeapi.Config{Answer: hangs()}, "AFTERYOU_TURNS=strict")
	first := m.open(m.session("first"))
	m.ask(first, "hello")
	m.until("the first call", func(log []fakeapi.Request) bool { return len(log) == 1 })

	s := m.session("second", "PATH="+filepath.Dir(afteryou)+":"+os.Getenv("PATH"))
	home := &someone{t: t, home: filepath.Join(m.dir, "second")}
	home.write(".claude/settings.json", string(line[1]), 0o600)
	home.write(".claude/line.sh", "#!/bin/sh\necho my own line\n", 0o755)
	second := m.open(s)
	m.sees(second, "my own line")
	m.ask(second, "hello")
	m.sees(second, "my own line | turn 1 of 1")
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
