package demo

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// holders looks once a second what afteryou's state says of who holds the calls of each session: that is gone with the session.
// It ends with stop.
type holders struct {
	paths []string
	quit  chan struct{}
	done  chan struct{}

	once sync.Once
	by   map[string]Gate // by session
}

// look begins to look at the states in dirs, which need not be there.
func look(dirs []string) *holders {
	h := &holders{quit: make(chan struct{}), done: make(chan struct{}), by: make(map[string]Gate)}
	for _, dir := range dirs {
		h.paths = append(h.paths, filepath.Join(dir, "afteryou", "state.json"))
	}
	go func() {
		defer close(h.done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-h.quit:
				return
			case <-tick.C:
				for _, path := range h.paths {
					h.read(path)
				}
			}
		}
	}()
	return h
}

func (h *holders) read(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return // not there yet, or nobody makes it
	}
	var state struct {
		Sessions map[string]struct {
			Gateway bool
			Gate    Gate
		}
	}
	if json.Unmarshal(data, &state) != nil {
		return
	}
	for id, s := range state.Sessions {
		switch {
		case s.Gateway:
			h.by[id] = Through
		case s.Gate != "":
			h.by[id] = s.Gate
		case h.by[id] == "": // once its module told, it is no hook's
			h.by[id] = Hooks
		}
	}
}

// stop ends the looking and returns how many of the sessions each gate held.
func (h *holders) stop(sessions []string) map[Gate]int {
	h.once.Do(func() { close(h.quit) })
	<-h.done
	n := make(map[Gate]int)
	for _, id := range sessions {
		if gate := h.by[id]; gate != "" {
			n[gate]++
		}
	}
	return n
}
