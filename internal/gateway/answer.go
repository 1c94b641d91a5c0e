package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"afteryou/internal/gate"
	"afteryou/internal/guard"
	"afteryou/internal/limit"
)

// renew is how often a growing answer renews the lease of its turn.
const renew = 30 * time.Second

// passing is the body of an answer on its way to Claude Code.
type passing struct {
	io.ReadCloser
	ctx context.Context // of the request
}

func (p *passing) Read(data []byte) (int, error) {
	n, err := p.ReadCloser.Read(data)
	reset(p.ctx, err)
	return n, err
}

// reset has the connection to Claude Code reset when it is closed, where the upstream reset its own. If it can't be, it is
// lost all the same.
func reset(ctx context.Context, err error) {
	if c, ok := ctx.Value(connKey{}).(*net.TCPConn); ok && errors.Is(err, syscall.ECONNRESET) {
		c.SetLinger(0)
	}
}

// answer is the body of the answer to a call. At its end the turn is given back.
type answer struct {
	passing
	place *gate.Place
	over  func()
	usage *usage
	log   func(text string)
	ok    bool // the call counts as answered
	done  bool
	alive time.Time
}

func (a *answer) Read(data []byte) (int, error) {
	n, err := a.passing.Read(data)
	if n > 0 {
		a.learn(func() bool { return a.usage.feed(data[:n]) })
		if now := time.Now(); now.Sub(a.alive) > renew {
			a.alive = now
			a.place.Grows()
		}
	}
	if errors.Is(err, io.EOF) {
		a.learn(func() bool { return a.usage.end() })
	}
	if err != nil {
		a.finish()
	}
	return n, err
}

func (a *answer) Close() error {
	err := a.ReadCloser.Close()
	a.finish()
	return err
}

// learn tells what f finds in the answer. Where it panics, the rest of the answer just passes.
func (a *answer) learn(f func() (news bool)) {
	if !guard.Run(func() {
		if f() {
			a.place.Used(a.usage.took())
		}
	}, a.log) {
		a.usage = &usage{}
	}
}

// finish gives the turn back, once.
func (a *answer) finish() {
	if a.done {
		return
	}
	a.done = true
	if a.ok {
		if !a.usage.readable() { // it must count as something, or each would count as one of which nothing is known yet
			a.place.Used(limit.Costs{Input: 1, Output: 1})
		}
		a.place.Answered()
	}
	a.place.Leave()
	a.over()
}
