package wrapper

import (
	"os"
	"testing"
)

// A program that survives the signal goes on behind a terminal that may stall as before.
func TestStallsCountOnlySoonAfterTheSignal(t *testing.T) {
	var s Session
	for range 2 { // the second signal counts like the first
		s.endSoon()
		for n := range stallTicks {
			if s.ticks() == nil {
				t.Fatalf("nobody looks for a stall after %d looks", n)
			}
			s.checkStalled()
		}
		if s.ticks() != nil {
			t.Fatal("a stall at any later time would end the session")
		}
	}
	s.endSoon()
	s.ended = true
	for range 2 * stallTicks {
		s.checkStalled()
	}
	if s.ticks() == nil {
		t.Error("the program has ended, and nobody looks for a stall any more")
	}
}

// What a grandchild prints after all that the program printed is shown may hang in a write to the terminal.
func TestTheEndDoesNotWaitForAStalledGrandchild(t *testing.T) {
	open := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	closing, err := newLatch()
	if err != nil {
		t.Fatal(err)
	}
	s := Session{closing: closing, outputDone: make(chan struct{}), masterLock: make(chan struct{}, 1), done: make(chan struct{}),
		monitor: -1 << 30, master: -1, ended: true, flushed: true}
	s.pokeR, s.pokeW = open()
	_, s.orders = open()
	go s.finish(catch())
	eventually(t, "the session's end", func() bool {
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	})
}
