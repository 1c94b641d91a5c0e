package lockfile

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"afteryou/internal/turn"
)

func TestAliveTellsAProcessFromItsSuccessor(t *testing.T) {
	cmd := other(t, "idle", "")
	p := Identify(cmd.Process.Pid)
	if p.Start == 0 {
		t.Fatalf("Identify(%d) knows no start time", p.PID)
	}
	if !Alive(p) {
		t.Errorf("Alive(%v) is false while it runs", p)
	}
	if successor := (turn.Process{PID: p.PID, Start: p.Start + 1}); Alive(successor) {
		t.Errorf("Alive(%v) is true for another start time", successor)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Not waited for yet, it is a zombie sooner or later, and then dead all the same.
	for deadline := time.Now().Add(time.Minute); Alive(p); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Alive(%v) is true for a killed process", p)
		}
	}
	cmd.Wait()
	if Alive(p) {
		t.Errorf("Alive(%v) is true for a process that was waited for", p)
	}
	if Alive(turn.Process{}) {
		t.Error("Alive is true for no process")
	}
}

// A pid says nothing of a process in another pid namespace or on another machine; nobody there loses a turn for it.
func TestProcessElsewhereCountsAsAlive(t *testing.T) {
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	p := turn.Process{PID: gone.Process.Pid, Start: 1, Host: Self().Host}
	if p.Host == "" || Alive(p) {
		t.Errorf("%+v is alive here", p)
	}
	if p.Host += "x"; !Alive(p) {
		t.Errorf("%+v is not alive, where nobody can look", p)
	}
	if p.Host = ""; Alive(p) {
		t.Errorf("%+v, as an older version writes it, is alive", p)
	}
}
