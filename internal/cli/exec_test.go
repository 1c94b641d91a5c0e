package cli

import (
	"testing"
	"time"
)

func TestAHintIsGivenOnce(t *testing.T) {
	start := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for every, want := range map[time.Duration]int{time.Second: 1, 1190 * time.Millisecond: 1, 1200 * time.Millisecond: 0, time.Minute: 0} {
		said := 0
		h := hint{say: func() { said++ }}
		for i := range 200 {
			h.called(start.Add(time.Duration(i) * every))
		}
		if said != want {
			t.Errorf("a call every %v: it is said %d times, want %d", every, said, want)
		}
	}
}
