package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// Each of many holds the lock for a little while, and together they do for longer than anybody waits for one who does nothing.
func TestWhoeverWaitsForTheLockGetsIt(t *testing.T) {
	s := open(t)
	const many, each = 100, stalled / 50
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			v, err := s.Update(t.Context(), func(st *turn.State) error {
				time.Sleep(each) // as on a machine that is too busy
				st.Open("p").Name += "x"
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			v.Close()
		})
	}
	wg.Wait()
	if got := len(name(t, s)); got != many {
		t.Errorf("%d changes are kept, want %d", got, many)
	}
}

// 1. Another process has the lock. 2. One who waits for it gives up. 3. The other lets go. 4. The lock is free, though the
// one who gave up came before.
func TestWhoGivesUpTheWaitLeavesTheLockFree(t *testing.T) {
	s := open(t)
	holder := other(t, "hold", s.Dir())
	ctx, cancel := context.WithTimeout(t.Context(), stalled/20)
	defer cancel()
	if _, err := s.Update(ctx, touch); !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Update says %v, want that the lock is busy and the time over", err)
	}
	if _, err := s.Update(ctx, touch); !errors.Is(err, ErrBusy) {
		t.Errorf("Update, which may only try, says %v, want that the lock is busy", err)
	}
	holder.Process.Kill()
	holder.Wait()
	if _, err := s.Update(t.Context(), touch); err != nil {
		t.Error(err)
	}
}

// A wait in the kernel's queue takes a thread. However often those of a process give up over a holder that is stopped, it has
// one; and when the lock is free, whoever wants it then gets it.
func TestABusyLockTakesOneThread(t *testing.T) {
	s := open(t)
	holder := other(t, "hold", s.Dir())
	before := runtime.NumGoroutine()
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := s.Update(ctx, touch); !errors.Is(err, ErrBusy) {
			t.Errorf("Update says %v, want that the lock is busy", err)
		}
		cancel()
	}
	if more := runtime.NumGoroutine() - before; more > 1 {
		t.Errorf("%d goroutines wait for the lock", more)
	}
	time.AfterFunc(stalled/20, func() { holder.Process.Kill() })
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := s.Update(t.Context(), touch); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestWhatIsOwedIsPaidOnce(t *testing.T) {
	s := open(t)
	var got []string
	pay := func(_ *turn.State, what string) {
		if got = append(got, what); what == "poison" {
			panic(what)
		}
	}
	settle := func() {
		t.Helper()
		defer func() { recover() }()
		v, err := s.Settle(t.Context(), nil, pay, func(st *turn.State) { st.Open("p").Name = fmt.Sprint(got) })
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
	}
	for _, what := range []string{"one", "poison", "two"} {
		if err := s.Owe(what); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Update(t.Context(), touch); err != nil || !s.Owes() {
		t.Errorf("an update that pays nothing: %v, something is owed: %v", err, s.Owes())
	}
	settle() // falls over the second
	settle()
	settle()
	if want := []string{"one", "poison", "one", "two"}; !slices.Equal(got, want) || s.Owes() {
		t.Errorf("paid were %q, want %q; something is owed still: %v", got, want, s.Owes())
	}
	if got := name(t, s); got != "[one poison one two]" {
		t.Errorf("the state is %s", got)
	}
}

// Only what is a directory is read for what is owed: opening a named pipe would wait for a writer.
func TestAPipeInThePlaceOfWhatIsOwedBlocksNobody(t *testing.T) {
	s := open(t)
	if err := errors.Join(os.Remove(s.owedDir()), syscall.Mkfifo(s.owedDir(), 0o600)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Settle(t.Context(), nil, func(*turn.State, string) {}, func(*turn.State) {})
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it blocks")
	}
	if err := s.Owe("x"); err == nil {
		t.Error("something is owed to a pipe")
	}
}

// A change that is made before the lock is taken is made anew where another was faster.
func TestAChangeThatWasOvertakenIsMadeAnew(t *testing.T) {
	s := open(t)
	set(t, s, "before")
	times := 0
	v, err := s.Settle(t.Context(), nil, func(*turn.State, string) {}, func(st *turn.State) {
		if times++; times == 1 {
			set(t, s, "overtaken")
		}
		st.Open("p").Name += "!"
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if got := name(t, s); got != "overtaken!" || times != 2 {
		t.Errorf("after %d times the state is %q, want 2 and %q", times, got, "overtaken!")
	}
}

func TestABellRingsForWhomItHangs(t *testing.T) {
	s := open(t)
	s.Ring(Self()) // nobody listens
	one, two := s.Bell(), s.Bell()
	if one.Deaf || two.Deaf {
		t.Fatal("the bells are deaf")
	}
	s.Ring(turn.Process{PID: 1, Start: 1})
	s.Ring(Self())
	for _, b := range []*Bell{one, two} {
		select {
		case <-b.Rings:
		case <-time.After(time.Minute):
			t.Fatal("a ring is lost")
		}
		select {
		case <-b.Rings:
			t.Error("it rings for another process")
		default:
		}
	}
	one.Close()
	s.Ring(Self())
	<-two.Rings
	two.Close()
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), bellMark+"*")); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
	three := s.Bell()
	defer three.Close()
	s.Ring(Self())
	<-three.Rings
}
