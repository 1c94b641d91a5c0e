package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/turn"
)

// 1. A session has the only turn, in a request that is never answered; another waits. 2. The first is killed, or its partner is and
// then it, or both at once. 3. By the state the other has the turn within a second, and it ends as if nothing had been.
func TestRealModuleKilled(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(session *os.Process, partner int){
		"Claude Code": func(session *os.Process, _ int) { session.Kill() },
		"both": func(session *os.Process, partner int) {
			syscall.Kill(partner, syscall.SIGKILL)
			session.Kill()
		},
		"interrupted": func(session *os.Process, _ int) { session.Signal(syscall.SIGINT) },
		"ended":       func(session *os.Process, _ int) { session.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newInside(t, fakeapi.Config{Answer: hangs()}, "AFTERYOU_TURNS=strict")
			dir := moduleDir(t)
			victim := m.started(m.inside("killed", dir))
			m.until("the first call", func(log []fakeapi.Request) bool { return len(log) == 1 })
			partner := m.partner()
			done := make(chan struct{})
			go func() { defer close(done); m.silently(m.inside("next", dir)) }()
			m.stands(1, 1)
			late := lateness(t)
			killed := time.Now()
			kill(victim.Process, partner)
			m.until("the next session's call", func(log []fakeapi.Request) bool { return len(log) > 1 })
			if took, most := m.given().Sub(killed), time.Second+4*late(); took > most {
				t.Errorf("the turn is taken for %v after the end, want %v at most", took, most)
			}
			<-done
			victim.Wait()
			m.without(partner)
		})
	}
}

// given is when the last turn was given, by the state.
func (m *machine) given() (at time.Time) {
	m.t.Helper()
	for _, a := range m.state().Accounts {
		for _, c := range a.Calls {
			at = turn.Latest(at, c.Granted)
		}
	}
	return at
}

// lateness watches how late this machine does what is due, and returns by how much at most till then.
func lateness(t *testing.T) (most func() time.Duration) {
	const every = 10 * time.Millisecond
	var late atomic.Int64
	go func() {
		for t.Context().Err() == nil {
			due := time.Now().Add(every)
			time.Sleep(every)
			late.Store(max(late.Load(), int64(time.Since(due))))
		}
	}()
	return func() time.Duration { return time.Duration(late.Load()) }
}

// started is a session with -p, in the background.
func (m *machine) started(s realclaude.Session) *exec.Cmd {
	m.t.Helper()
	cmd := exec.Command(s.Path, append(s.Args, "-p", "--permission-mode", "bypassPermissions", "hello")...)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// without waits until a process is gone.
func (m *machine) without(pid int) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("the partner %d lives on", pid)
		}
	}
}

// 1. A session has the turn; another waits. 2. The partner of one of them is killed. 3. Another is started by the next word: no
// request is lost or made twice, and no turn is left.
func TestRealModuleWhosePartnerIsKilled(t *testing.T) {
	t.Parallel()
	for name, waiting := range map[string]bool{"while its session waits": true, "while a request is under way": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := moduleDir(t)
			m, ends, free := newTurnTaken(t, dir)
			killed := m.partner()
			ends.Go(func() { m.silently(m.inside("second", dir)) })
			m.stands(1, 1)
			if waiting {
				killed = m.other(killed)
			}
			syscall.Kill(killed, syscall.SIGKILL)
			m.without(killed)
			m.stands(1, 1)
			free()
			ends.Wait()
			if log := m.api.Log(); len(log) != 4 || len(fakeapi.Overlapping(log)) != 0 {
				t.Errorf("%d calls, want 4 that do not overlap: %+v", len(log), log)
			}
			for _, name := range []string{"first", "second"} {
				ranOnce(t, filepath.Join(m.dir, name, "work", "proof"))
			}
			m.counts()
		})
	}
}

// 1. A session has the turn; another waits. 2. The partner of the second is stopped, as by a debugger. 3. The session has another
// one before long, takes its place in line, and goes on when the first is done. 4. The stopped one is continued, and ends.
func TestRealModuleWhosePartnerIsStopped(t *testing.T) {
	t.Parallel()
	dir := moduleDir(t, "within($, 12000,", "within($, 3000,")
	m, ends, free := newTurnTaken(t, dir)
	first := m.partner()
	ends.Go(func() { m.silently(m.inside("second", dir)) })
	m.stands(1, 1)
	stopped := m.other(first)
	syscall.Kill(stopped, syscall.SIGSTOP)
	t.Cleanup(func() { syscall.Kill(stopped, syscall.SIGKILL) })
	for deadline := time.Now().Add(patience / 3); len(m.partners()) < 3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("partners %v, want another one", m.partners())
		}
	}
	m.stands(1, 1)
	free()
	ends.Wait()
	if log := m.api.Log(); len(log) != 4 || len(fakeapi.Overlapping(log)) != 0 {
		t.Errorf("%d calls, want 4 that do not overlap: %+v", len(log), log)
	}
	syscall.Kill(stopped, syscall.SIGCONT)
	m.without(stopped)
	m.counts()
}

// newTurnTaken is a machine on which a session has the only turn, until it is freed: its answer comes then. ends waits for that
// session, and for what is added to it.
func newTurnTaken(t *testing.T, dir string) (m *machine, ends *sync.WaitGroup, free func()) {
	t.Helper()
	arrived, answer := make(chan struct{}), make(chan struct{})
	m = newInside(t, fakeapi.Config{Answer: firstWaits(arrived, answer, toolOnce())}, "AFTERYOU_TURNS=strict")
	free = sync.OnceFunc(func() { close(answer) })
	ends = new(sync.WaitGroup)
	t.Cleanup(ends.Wait)
	t.Cleanup(free)
	ends.Go(func() { m.silently(m.inside("first", dir)) })
	<-arrived
	return m, ends, free
}

// firstWaits answers as usual does, the first call not before answer is closed; arrived is closed when it is there.
func firstWaits(arrived chan<- struct{}, answer <-chan struct{}, usual fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	var once sync.Once
	return func(r fakeapi.Request) fakeapi.Answer {
		once.Do(func() { close(arrived); <-answer })
		return usual(r)
	}
}

// other is a partner beside that one.
func (m *machine) other(than int) int {
	m.t.Helper()
	for _, pid := range m.partners() {
		if pid != than {
			return pid
		}
	}
	m.t.Fatalf("there is no other partner than %d", than)
	return 0
}
