package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// crowd is a machine on which n sessions are known and waited lately, and its environment for hooks.
func crowd(b *testing.B, n int) (env []string) {
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
func hookEvent(b *testing.B, env []string, event []byte) time.Duration {
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
func timed(b *testing.B, cmd *exec.Cmd) time.Duration {
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

// line makes n sessions wait in line behind one that has the only turn. It returns their hooks, first in line first, and
// the key of the one that has the turn.
func line(b *testing.B, n int) (store *lockfile.Store, hooks []*exec.Cmd, holder turn.Key) {
	b.Helper()
	env := append(crowd(b, n+1), "AFTERYOU_TURNS=strict")
	store, err := lockfile.Open(filepath.Join(strings.TrimPrefix(env[2], "XDG_STATE_HOME="), "afteryou"))
	if err != nil {
		b.Fatal(err)
	}
	hookEvent(b, env, event("UserPromptSubmit", n))
	for i := range n {
		cmd := exec.Command(afteryou, "hook")
		cmd.Env, cmd.Stdin = env, bytes.NewReader(event("UserPromptSubmit", i))
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		hooks = append(hooks, cmd)
		for queued(b, store) != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	return store, hooks, turn.Key{Session: fmt.Sprintf("00000000-0000-4000-8000-%012d", n)}
}

func queued(b *testing.B, store *lockfile.Store) (n int) {
	b.Helper()
	v, err := store.View()
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	for _, p := range v.State.Pools {
		n += len(p.Queue)
	}
	return n
}

// BenchmarkHandOff times how long it takes from one session's release, written to the state, until the next one's hook
// has ended and the call goes out, with so many in line.
func BenchmarkHandOff(b *testing.B) {
	const handOffs = 100
	for _, waiting := range []int{2, 20, 100} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				for range handOffs / waiting {
					store, hooks, holder := line(b, waiting)
					for i, cmd := range hooks {
						begin := time.Now()
						release(b, store, holder)
						if err := cmd.Wait(); err != nil {
							b.Fatal(err)
						}
						took = append(took, time.Since(begin))
						holder = turn.Key{Session: fmt.Sprintf("00000000-0000-4000-8000-%012d", i)}
					}
				}
			}
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(took[len(took)/2]), "median-ms")
			b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
		})
	}
}

func release(b *testing.B, store *lockfile.Store, k turn.Key) {
	b.Helper()
	v, err := store.Update(context.Background(), func(s *turn.State) error {
		for _, p := range s.Pools {
			p.Succeeded(time.Now(), k)
			p.Admit(time.Now(), turn.Rules{Most: 1})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	v.Close()
}

// BenchmarkWaiting measures what 20 sessions that wait cost together, in percent of one core.
func BenchmarkWaiting(b *testing.B) {
	const span = 5 * time.Second
	var percent float64
	for b.Loop() {
		_, hooks, _ := line(b, 20)
		var before, after time.Duration
		for _, cmd := range hooks {
			before += used(b, cmd)
		}
		begin := time.Now()
		time.Sleep(span)
		for _, cmd := range hooks {
			after += used(b, cmd)
		}
		percent = 100 * float64(after-before) / float64(time.Since(begin))
		for _, cmd := range hooks {
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait()
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(percent, "%core")
}

// used is the processor time of a running process, as ps tells it: on Linux from /proc, in nanoseconds.
func used(b *testing.B, cmd *exec.Cmd) time.Duration {
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
