package tests

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// 1. Three sessions with a subscription's login meet its usage limit, after a tool ran. 2. It lasts longer than they bear to wait
// for an answer, so Claude Code gives their turns up. 3. After its reset each goes on, once, without a word of it.
func TestRealModuleOverAUsageWindow(t *testing.T) {
	t.Parallel()
	resets := time.Now().Add(25 * time.Second)
	answer := func(r fakeapi.Request) fakeapi.Answer {
		if now := time.Now(); r.Results > 0 && now.Before(resets) {
			return fakeapi.UsageLimited(resets, now)
		}
		return toolOnce()(r)
	}
	m := newInside(t, fakeapi.Config{Answer: answer})
	dir := moduleDir(t)
	var wg sync.WaitGroup
	for i := range 3 {
		name := fmt.Sprint("session", i)
		wg.Go(func() {
			m.silently(m.inside(name, dir, realclaude.Login, "API_TIMEOUT_MS=5000"))
			m.unaware(name)
			ranOnce(t, filepath.Join(m.dir, name, "work", "proof"))
		})
	}
	wg.Wait()
	after := make(map[string]int)
	for _, r := range m.api.Answers() {
		if r.Results > 0 {
			after[r.Session]++
		}
	}
	if len(after) != 3 || time.Now().Before(resets) {
		t.Errorf("after the reset %v went on, want three sessions", after)
	}
	for session, n := range after {
		if n != 1 {
			t.Errorf("session %s went on %d times", session, n)
		}
	}
}
