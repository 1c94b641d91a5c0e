package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// changing changes the limit of a server during a run. Its timers end with stop.
type changing struct {
	scenario Scenario
	server   *fakeapi.Server

	mu     sync.Mutex
	timers []*time.Timer
	begun  bool
	done   []change
}

// first is told of every call; the first starts the time.
func (c *changing) first() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun || !c.scenario.Cut {
		return
	}
	c.begun = true
	cut, restored := c.scenario.cuts()
	c.timers = []*time.Timer{
		time.AfterFunc(cut, func() { c.set(1. / 3) }),
		time.AfterFunc(restored, func() { c.set(1) }),
	}
}

func (c *changing) set(share float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limits := c.scenario.limits(share)
	c.server.SetLimits(limits)
	c.done = append(c.done, change{time.Now(), share, limits})
}

// stop ends the changes and returns those that were made.
func (c *changing) stop() []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		t.Stop() // one that is about to fire changes the limit of a server that nobody calls
	}
	return c.done
}

// recorded counts the 429s in all the transcripts of a run, those of subagents included. Sessions on terminals write none down
// (2.1.332).
func recorded(dir string) (n int, err error) {
	homes, err := filepath.Glob(filepath.Join(dir, "home*", ".claude", "projects"))
	if err != nil {
		return 0, err
	}
	found := false
	for _, home := range homes {
		err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".jsonl") {
				return err
			}
			found = true
			rows, err := realclaude.Rows(path)
			for _, row := range rows {
				if !bytes.Contains(row, []byte("api_error")) {
					continue
				}
				var r struct {
					Subtype string
					Error   struct{ Status int }
				}
				if json.Unmarshal(row, &r) == nil && r.Subtype == "api_error" && r.Error.Status == 429 {
					n++
				}
			}
			return err
		})
		if err != nil {
			return n, err
		}
	}
	if !found {
		return 0, fmt.Errorf("no transcript under %s", dir)
	}
	return n, nil
}
