package tests

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/lockfile"
)

// crowd is a machine on which n sessions are known and waited lately, and its environment for hooks.
func crowd(b testing.TB, n int) (env []string) {
	b.Helper()
	dir := b.TempDir()
	store, err := lockfile.Open(filepath.Join(dir, "state", "afteryou"))
	if err != nil {
		b.Fatal(err)
	}
	env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "XDG_STATE_HOME=" + filepath.Join(dir, "state"),
		"ANTHROPIC_API_KEY=sk-ant-test-0000", "CLAUDE_PID=" + strconv.Itoa(os.Getpid())}
	for i := range n {
		for _, name := range []string{"SessionStart", "UserPromptSubmit", "PreToolUse"} {
			hookEvent(b, env, event(name, i))
		}
	}
	v, err := store.View()
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	if len(v.State.Sessions) != n {
		b.Fatalf("%d sessions, want %d", len(v.State.Sessions), n)
	}
	return env
}

// event is what Claude Code tells a hook of session i.
func event(name string, i int) []byte {
	return fmt.Appendf(nil, `{"session_id":"00000000-0000-4000-8000-%012d","transcript_path":"/nowhere/%d.jsonl","cwd":"/home/someone/project%d","permission_mode":"default","hook_event_name":%q,"tool_name":"Bash","tool_input":{"command":"echo hi"},"serial":%d}`,
		i, i, i, name, time.Now().UnixNano())
}

// hookEvent runs the hook as Claude Code does, and returns how long the whole process took.
func hookEvent(b testing.TB, env []string, event []byte) time.Duration {
	b.Helper()
	in, err := os.Create(filepath.Join(b.TempDir(), "event"))
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	if _, err := in.Write(event); err != nil {
		b.Fatal(err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(afteryou, "hook")
	cmd.Env, cmd.Stdin = env, in
	return timed(b, cmd)
}

// timed runs a program without pipes, which would measure this process as well.
func timed(b testing.TB, cmd *exec.Cmd) time.Duration {
	b.Helper()
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v: %v", cmd, err)
	}
	return time.Since(begin)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// BenchmarkHook times the hook as a whole process, beside an empty node, which is what a hook in JavaScript costs at
// least, and beside this program doing nothing.
func BenchmarkHook(b *testing.B) {
	if _, err := exec.LookPath("node"); err != nil {
		b.Fatal("comparing with node: ", err)
	}
	env := crowd(b, 20)
	const rounds = 60
	var hook, node, none []time.Duration
	for b.Loop() {
		for i := range rounds {
			hook = append(hook, hookEvent(b, env, event("PreToolUse", i%20)))
			none = append(none, timed(b, exec.Command(afteryou, "--version")))
			node = append(node, timed(b, exec.Command("node", "-e", "0")))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(median(hook)), "hook-ms")
	b.ReportMetric(ms(median(none)), "nothing-ms")
	b.ReportMetric(ms(median(node)), "node-ms")
	b.ReportMetric(ms(median(node))/ms(median(hook)), "node/hook")
}

// used is the processor time of a running process, as ps tells it: on Linux from /proc, in nanoseconds.
func used(b testing.TB, cmd *exec.Cmd) time.Duration {
	b.Helper()
	var sum time.Duration
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("threads of %d: %v", cmd.Process.Pid, err)
	}
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		n, err := strconv.ParseInt(strings.Fields(string(data))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(n)
	}
	return sum
}

// BenchmarkMemory is what a launcher, its two processes together, holds while its Claude Code, in a terminal, answered a
// prompt: behind the glass alone, and with its gateway. Claude Code's own memory stands beside it.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		for _, gateway := range []string{"off", "on"} {
			m := newMachine(b, fakeapi.Config{Answer: fakeapi.Agentic(2)}, "AFTERYOU_GATEWAY="+gateway)
			terminal := m.open(m.session("one"))
			m.ask(terminal, "hello")
			m.sees(terminal, "done")
			monitor := child(b, terminal.PID())
			b.ReportMetric(resident(b, terminal.PID())+resident(b, monitor), "gateway-"+gateway+"-MB")
			b.ReportMetric(resident(b, child(b, monitor)), "claude-MB")
			terminal.Close()
		}
	}
	b.ReportMetric(0, "ns/op")
}

// child is the one child that a process has.
func child(b *testing.B, pid int) int {
	b.Helper()
	out, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(pid)).Output()
	if err != nil {
		b.Fatalf("the children of %d: %v", pid, err)
	}
	one, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		b.Fatalf("the children of %d: %v", pid, err)
	}
	return one
}

// resident is the memory of a process, in MB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		b.Fatal(err)
	}
	kib, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib * 1024 / 1e6
}
