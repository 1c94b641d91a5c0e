package tests

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/line"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// waiters are sessions that wait in line behind one that has the only turn: real hooks, each a process of its own.
type waiters struct {
	testing.TB
	store  *lockfile.Store
	env    []string
	hooks  map[string]*exec.Cmd // by session
	holder string
	left   atomic.Int32 // hooks that ended
	gone   sync.WaitGroup
}

func sessionName(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

// lineUp starts n hooks at once, on a machine where so many sessions are known, and returns when all stand in line or went.
func lineUp(t testing.TB, n, known int) *waiters {
	t.Helper()
	env := append(crowd(t, known), "AFTERYOU_TURNS=strict")
	store, err := lockfile.Open(filepath.Join(strings.TrimPrefix(env[2], "XDG_STATE_HOME="), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	hookEvent(t, env, event("UserPromptSubmit", n))
	w := &waiters{TB: t, store: store, env: env, hooks: make(map[string]*exec.Cmd), holder: sessionName(n)}
	t.Cleanup(func() {
		for _, cmd := range w.hooks {
			cmd.Process.Kill()
		}
		w.gone.Wait()
	})
	for i := range n {
		cmd := exec.Command(afteryou, "hook")
		cmd.Env, cmd.Stdin = env, bytes.NewReader(event("UserPromptSubmit", i))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.hooks[sessionName(i)] = cmd
		w.gone.Go(func() { cmd.Wait(); w.left.Add(1) })
	}
	for deadline := time.Now().Add(10 * patience); ; time.Sleep(50 * time.Millisecond) {
		_, queue := w.turns()
		if left := int(w.left.Load()); left+len(queue) == n {
			maps.DeleteFunc(w.hooks, func(session string, _ *exec.Cmd) bool { return !slices.Contains(queue, session) })
			return w
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d hooks %d stand in line and %d went", n, len(queue), w.left.Load())
		}
	}
}

// turns are the sessions that have the turn, and those that wait for it.
func (w *waiters) turns() (held, queue []string) {
	w.Helper()
	v, err := w.store.View()
	if err != nil {
		w.Fatal(err)
	}
	defer v.Close()
	for _, a := range v.State.Accounts {
		for _, c := range a.Turns("") {
			held = append(held, c.Session)
		}
		for _, c := range a.Line("") {
			queue = append(queue, c.Session)
		}
	}
	return held, queue
}

// next gives the turn on, and returns how long it took until the next one's hook had ended.
func (w *waiters) next() time.Duration {
	w.Helper()
	began, left := time.Now(), w.left.Load()
	w.release()
	for w.left.Load() == left {
		if time.Since(began) > patience {
			w.Fatal("nobody takes the turn")
		}
		time.Sleep(100 * time.Microsecond)
	}
	took := time.Since(began)
	held, _ := w.turns()
	if len(held) != 1 || w.hooks[held[0]] == nil {
		w.Fatalf("%q have the turn", held)
	}
	delete(w.hooks, held[0])
	w.holder = held[0]
	return took
}

func (w *waiters) release() {
	w.Helper()
	v, err := line.Change(context.Background(), w.store, nil, func(now time.Time, s *turn.State) {
		for _, a := range s.Accounts {
			a.Succeeded(now, turn.Key{Session: w.holder})
			line.Admit(now, a)
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	v.Close()
}

// share is what all that wait use of a core together.
func (w *waiters) share(span time.Duration) (percent float64) {
	w.Helper()
	var sum time.Duration
	began := time.Now()
	for _, cmd := range w.hooks {
		sum -= used(w, cmd)
	}
	time.Sleep(span)
	for _, cmd := range w.hooks {
		sum += used(w, cmd)
	}
	return 100 * float64(sum) / float64(time.Since(began))
}

// watches counts the inotify instances of all that wait.
func (w *waiters) watches() (n int) {
	for _, cmd := range w.hooks {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", cmd.Process.Pid))
		for _, link := range links {
			if to, _ := os.Readlink(link); strings.Contains(to, "inotify") {
				n++
			}
		}
	}
	return n
}

func quantile(list []time.Duration, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return ms(list[int(q*float64(len(list)-1)+0.5)])
}

// All get into the line, though they come at once, nobody needs a watch of the system for it, and turns go on in order. The
// figures are the benchmark's. It runs beside no other test: a hook goes on without a turn rather than stand before the lock for long.
func TestFiveHundredWaitAndNobodyGoesWithoutATurn(t *testing.T) {
	const many, turns = 500, 20
	w := lineUp(t, many, 1)
	_, queue := w.turns()
	if left := w.left.Load(); left > 0 || len(queue) != many {
		t.Fatalf("%d go without a turn, and %d wait", left, len(queue))
	}
	if n := w.watches(); n > 0 {
		t.Errorf("they have %d inotify instances", n)
	}
	for i := range turns {
		if w.next(); w.holder != queue[i] {
			t.Errorf("turn %d is that of %s, want %s", i, w.holder, queue[i])
		}
	}
	if left := w.left.Load(); left != turns {
		t.Errorf("%d hooks ended for %d turns", left, turns)
	}
}

// 1. A session has the turn. 2. The lock is not to be had. 3. Its hook that gives the turn back is killed while it waits for
// the lock. 4. The lock is free: whoever comes next has the turn.
func TestATurnIsGivenBackByAHookThatIsKilled(t *testing.T) {
	t.Parallel()
	w := lineUp(t, 1, 1)
	lock, err := os.OpenFile(filepath.Join(w.store.Dir(), "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	stop := exec.Command(afteryou, "hook")
	stop.Env, stop.Stdin = w.env, bytes.NewReader(event("Stop", 1))
	if err := stop.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !w.store.Owes(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is owed")
		}
	}
	stop.Process.Signal(syscall.SIGTERM)
	if err := stop.Wait(); err == nil {
		t.Error("it ends by itself")
	}
	lock.Close()
	w.gone.Wait()
	if held, queue := w.turns(); len(queue) != 0 || len(held) != 1 || held[0] != sessionName(0) {
		t.Errorf("%q have the turn and %q wait", held, queue)
	}
}

// BenchmarkHandOff measures how so many wait in line: how many of them, who come all at once, go without a turn; what they
// cost in percent of a core while nothing happens; how many inotify instances they have; and how long it takes from one's
// release, written to the state, until the next one's hook has ended.
func BenchmarkHandOff(b *testing.B) {
	for _, n := range []int{20, 100, 500} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			for b.Loop() {
				w := lineUp(b, n, n+1)
				b.ReportMetric(float64(w.left.Load()), "turnless")
				time.Sleep(2 * time.Second) // the storm is over
				b.ReportMetric(w.share(10*time.Second), "%core")
				b.ReportMetric(float64(w.watches()), "inotify")
				var took []time.Duration
				for range min(len(w.hooks), 200) {
					took = append(took, w.next())
				}
				b.ReportMetric(quantile(took, 0.5), "median-ms")
				b.ReportMetric(quantile(took, 0.99), "p99-ms")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
