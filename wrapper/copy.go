package wrapper

import (
	"sync"
	"time"

	"afteryou/internal/guard"
)

const (
	copyLimit = 1 << 20     // bytes that wait for a slow reader
	copyGrace = time.Second // how long the end waits for it
)

// sideCopy hands a stream to a reader that may be slow, without ever making the stream wait.
// A nil *sideCopy throws everything away.
//
// Its one goroutine ends after end; if the reader never returns it is left behind, and holds nothing but its buffer.
type sideCopy struct {
	read  func([]byte)
	ready chan struct{} // holds a token when there may be something to take
	done  chan struct{}

	mu    sync.Mutex // held for a copy of the bytes at most, never while the reader runs
	buf   []byte
	lost  bool // something was dropped behind buf
	dead  bool // the reader panicked: nobody reads any more
	ended bool
}

func newSideCopy(read func([]byte), failed func(text string)) *sideCopy {
	if read == nil {
		return nil
	}
	c := &sideCopy{read: read, ready: make(chan struct{}, 1), done: make(chan struct{})}
	guard.Go(c.run, func(text string) {
		c.mu.Lock()
		c.dead, c.buf = true, nil
		c.mu.Unlock()
		failed(text)
	})
	return c
}

// put hands p to the reader. It never blocks on it.
func (c *sideCopy) put(p []byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	if c.dead || c.lost || len(c.buf)+len(p) > copyLimit {
		c.lost = true
	} else {
		c.buf = append(c.buf, p...)
	}
	c.mu.Unlock()
	c.wake()
}

// end ends the stream, and waits for copyGrace at most until the reader has seen the rest.
func (c *sideCopy) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.wake()
	grace := time.NewTimer(copyGrace)
	defer grace.Stop()
	select {
	case <-c.done:
	case <-grace.C:
	}
}

func (c *sideCopy) wake() {
	select {
	case c.ready <- struct{}{}:
	default: // a token is there already
	}
}

func (c *sideCopy) run() {
	defer close(c.done)
	var spare []byte
	for range c.ready {
		c.mu.Lock()
		p, lost, ended := c.buf, c.lost, c.ended
		c.buf, c.lost = spare[:0], false
		c.mu.Unlock()
		spare = p
		if len(p) > 0 {
			c.read(p)
		}
		if lost {
			c.read(nil)
		}
		if ended {
			return
		}
	}
}
