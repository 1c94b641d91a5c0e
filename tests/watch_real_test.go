package tests

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/terminal"
)

// Real sessions on a small limit, watched on a small and on a large terminal.
func TestRealSessionsAreWatched(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 60, Burst: 1}},
		Answer: agent(time.Second / 2),
	})
	s := m.session("watcher")
	s.Args = []string{"status", "--watch"}
	var watchers []*terminal.Terminal
	for _, size := range [][2]int{{60, 20}, {200, 50}} {
		w, err := terminal.Open(s, size[0], size[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		watchers = append(watchers, w)
		m.sees(w, "no session takes turns now")
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { m.print(m.session(fmt.Sprint("session", i))) })
	}
	for _, w := range watchers {
		for _, text := range []string{"4 sessions", "calls a minute", "▆", "░", "work", "last rejection"} {
			m.sees(w, text)
		}
	}
	wg.Wait()
	for _, w := range watchers {
		if err := w.Send([]byte("q")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if code, err := w.Wait(ctx); code != 0 || err != nil {
			t.Errorf("after q it ends with %d, %v", code, err)
		}
		// What it showed last may come after its end.
		if err := w.WaitUntil(ctx, "the screen as it was", func(screen string) bool { return strings.TrimSpace(screen) == "" }); err != nil {
			t.Error(err)
		}
		cancel()
	}
}
