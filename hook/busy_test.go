package hook

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// busy takes the lock, as a process does that was stopped while it had it.
func (d *desk) busy() (free func()) {
	d.Helper()
	f, err := os.OpenFile(filepath.Join(d.store.Dir(), "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		d.Fatal(err)
	}
	return func() { f.Close() }
}

// 1. Two sessions have turns. 2. The lock is not to be had. 3. One session's answer ends; the other's call died. 4. The lock
// is free. 5. Whoever changes the state next gives both turns back.
func TestTurnsAreGivenBackOverABusyLock(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.rules.Most = 2
	d.send(eventOf("UserPromptSubmit", "a"))
	d.send(eventOf("UserPromptSubmit", "b"))
	free := d.busy()
	a, b := d.ask(eventOf("Stop", "a")), d.ask(eventOf("StopFailure", "b"))
	<-a.done
	<-b.done
	free()
	d.send(eventOf("SessionStart", "c"))
	if turns := d.turns(); len(turns) > 0 {
		t.Errorf("turns are left: %+v", turns)
	}
}

// A turn that was taken since what is owed is another call's.
func TestWhatIsOwedTakesNoLaterTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	free := d.busy()
	d.send(eventOf("Stop", "a"))
	owed := filepath.Join(d.store.Dir(), "owed")
	late, err := os.ReadDir(owed)
	if err != nil || len(late) != 1 {
		t.Fatalf("owed are %v, %v", late, err)
	}
	_, what, _ := strings.Cut(late[0].Name(), " ")
	free()
	d.send(eventOf("UserPromptSubmit", "a", "prompt", "the next"))
	if err := d.store.Owe(what); err != nil { // it turns up again
		t.Fatal(err)
	}
	d.send(eventOf("SessionStart", "c"))
	if turns := d.turns(); len(turns) != 1 {
		t.Errorf("turns are %+v, want that of the next call", turns)
	}
}

// 1. One session waits behind another. 2. The lock is not to be had. 3. The one who waits is told to end: he does, at once.
// 4. The lock is free. 5. Whoever changes the state next takes him out of the line.
func TestAWaiterLeavesTheLineOverABusyLock(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	b := d.ask(eventOf("UserPromptSubmit", "b"))
	d.queue("b")
	free := d.busy()
	b.cancel()
	<-b.done
	free()
	d.send(eventOf("SessionStart", "c"))
	d.queue()
}

// Told to end in the moment in which its turn comes, a hook leaves that to the next: its prompt is back in the input box.
func TestWhoIsToldToEndTakesNoTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("SessionStart", "a"))
	ctx, cancel := context.WithCancel(t.Context())
	h := d.hook()
	h.Pool = func() (string, string) { cancel(); return "the limit", "secret" }
	h.Run(ctx, strings.NewReader(eventOf("UserPromptSubmit", "a")), io.Discard)
	if turns := d.turns(); len(turns) > 0 {
		t.Errorf("turns are %+v, want none", turns)
	}
}

// Over a lock that is never free again nobody waits for hours.
func TestAWaiterGivesUpOverALockThatStaysBusy(t *testing.T) {
	if testing.Short() {
		t.Skip("it gives up after half a minute")
	}
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	b := d.ask(eventOf("UserPromptSubmit", "b"))
	d.queue("b")
	free := d.busy()
	d.send(eventOf("Stop", "a"))
	d.granted(b) // goes without a turn
	free()
	d.send(eventOf("SessionStart", "c"))
	if d.queue(); len(d.turns()) > 0 {
		t.Errorf("turns are left: %+v", d.turns())
	}
}

// The place is kept while the lock is not to be had for a while.
func TestABusyLockSendsNobodyOutOfTheLine(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	b := d.ask(eventOf("UserPromptSubmit", "b"))
	d.queue("b")
	free := d.busy()
	d.send(eventOf("Stop", "a")) // owed: the one who waits learns of it, and can't take the lock either
	select {
	case <-b.done:
		t.Error("it went without a turn")
	default:
	}
	free()
	d.granted(b)
	if turns := d.turns(); len(turns) != 1 || turns[0].Session != "b" {
		t.Errorf("turns are %+v", turns)
	}
}

// Nothing is written by events that tell nothing: the second tool of an answer, a notification.
func TestWhatTellsNothingWritesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	d.send(eventOf("PreToolUse", "a"))
	v, err := d.store.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, event := range []string{eventOf("PreToolUse", "a"), eventOf("Notification", "a"), eventOf("Stop", "a")} {
		free := d.busy()
		d.send(event)
		free()
		if d.store.Replaced(v) {
			t.Fatalf("the state is written by %s", event)
		}
	}
}
