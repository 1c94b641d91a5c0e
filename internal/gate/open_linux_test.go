package gate

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// Whatever is told, no state of before stays open; nor is one read again that is known.
func TestNoStateStaysOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it closes what nobody holds
	g := newGate(t)
	for range 50 {
		p := g.Join(key("a"))
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Leave()
		g.settles(t, 0, 0)
	}
	open := 0
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(links) == 0 {
		t.Fatal("which files are open is not known: ", err)
	}
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && strings.HasPrefix(path, g.Store.Dir()+"/state.") {
			open++
		}
	}
	if open > 1 {
		t.Errorf("%d states are open, want the one that there is", open)
	}
}
