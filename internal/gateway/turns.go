package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
)

const (
	// mostError bounds what is read of an answer that may be held back, in bytes.
	mostError = 1 << 20
	// renew is how often a growing answer renews the lease of its turn.
	renew = 30 * time.Second
)

// turns sends each call to the model when it has the turn.
type turns struct {
	base   http.RoundTripper
	gate   *gate
	bodies *bodies
	hold   time.Duration
}

// RoundTrip sends the request, once or until it is no longer rejected for a rate limit.
func (t *turns) RoundTrip(r *http.Request) (*http.Response, error) {
	if !calls(r) {
		resp, err := t.base.RoundTrip(r)
		if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			resp.Body = &answer{ReadCloser: resp.Body, ctx: r.Context()}
		}
		return resp, err
	}
	deadline := time.Now().Add(t.hold)
	kept := &body{from: t.bodies}
	if r.Body != nil {
		var err error
		if kept, err = t.bodies.keep(r.Body); err != nil {
			return nil, err
		}
	}
	var class string
	guard.Run(func() { class = turn.Class(modelOf(kept.kept())) }, t.gate.log)
	p := t.gate.join(r.Header.Get("X-Claude-Code-Session-Id"), r.Header.Get("X-Claude-Code-Agent-Id"), class)
	resp, err := t.send(r, p, kept, deadline)
	if err != nil {
		p.leave()
		kept.drop()
		return nil, err
	}
	resp.Body = &answer{ReadCloser: resp.Body, ctx: r.Context(), over: kept.drop, place: p, usage: newUsage(resp.Header), ok: resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests}
	return resp, nil
}

// send is RoundTrip once the request is whole, or as much of it as there is room for: then it is sent once. The answer
// it returns is for Claude Code; the turn is given back when it was read.
func (t *turns) send(r *http.Request, p *place, kept *body, deadline time.Time) (*http.Response, error) {
	var held *http.Response
	for {
		ctx, cancel := context.WithDeadline(r.Context(), deadline)
		err := p.wait(ctx)
		cancel()
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		if err != nil && held != nil {
			left := p.cooling()
			p.leave()
			return fit(held, left), nil // Claude Code waits by itself
		}
		turnless := err != nil
		if turnless {
			p.leave()
		}
		out := r.Clone(r.Context())
		if r.Body != nil {
			out.Body = kept.reader()
			if out.GetBody = nil; !kept.once() {
				out.GetBody = func() (io.ReadCloser, error) { return kept.reader(), nil }
			}
		}
		sent := new(sentAt)
		resp, err := t.base.RoundTrip(sent.traced(out))
		if err != nil {
			return nil, err
		}
		now := time.Now()
		var limits turn.Limits
		var limit ratelimit.Limit
		var limited, waits bool
		guard.Run(func() {
			limits = resources(resp.Header)
			limit, limited = ratelimit.Header(resp.Header.Get, resp.StatusCode, now)
		}, t.gate.log)
		if !limited {
			p.accepted(sent.or(now), limits)
			return resp, nil
		}
		if err := slurp(resp); err != nil {
			return resp, nil // broken off; it is passed on as far as it came
		}
		guard.Run(func() { waits = holds(&limit, resp, now, deadline) }, t.gate.log)
		if turnless || kept.once() || !waits {
			p.limited(until(limit, now), limit.Kind.String(), sent.or(now), limits)
			return resp, nil
		}
		p.rejected(limit.RetryIn, resp.StatusCode, sent.or(now), limits)
		held = resp
	}
}

// sentAt is when a call was written to its connection whole. A call whose connection had to be made first is sent long after
// it was let go, and how long it is under way from there is much the same for all calls.
type sentAt struct{ atomic.Pointer[time.Time] }

func (s *sentAt) traced(r *http.Request) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteRequest: func(w httptrace.WroteRequestInfo) {
		if now := time.Now(); w.Err == nil {
			s.Store(&now)
		}
	}}))
}

// or is when the call was sent, or answered, where it was answered before it was sent whole.
func (s *sentAt) or(answered time.Time) time.Time {
	if at := s.Load(); at != nil && at.Before(answered) {
		return *at
	}
	return answered
}

// holds says whether a rejected call is to be sent again by us: waiting must lift the limit, and soon enough. It puts
// into l what the body says beside the headers.
func holds(l *ratelimit.Limit, resp *http.Response, now, deadline time.Time) bool {
	if k, ok := resp.Body.(*kept); ok && resp.Header.Get("Content-Encoding") == "" && ratelimit.Spends(k.data, now) {
		l.Kind, l.Wait = ratelimit.Spend, false
	}
	if d := l.ResetsAt.Sub(now); l.Kind == ratelimit.UsageWindow && d > l.RetryIn {
		l.RetryIn = d
	}
	return !l.Dead && l.Wait && now.Add(l.RetryIn).Before(deadline)
}

// fit makes the retry-after of an answer that was held back what is left of the wait.
func fit(resp *http.Response, left time.Duration) *http.Response {
	if resp.Header.Get("Retry-After") != "" {
		resp.Header.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(left.Seconds())))))
	}
	return resp
}

// until is when the limit ends, if that was said and waiting lifts it.
func until(l ratelimit.Limit, now time.Time) time.Time {
	if !l.Wait || l.RetryIn <= 0 {
		return time.Time{}
	}
	return now.Add(l.RetryIn)
}

// kept is an answer that was read whole.
type kept struct {
	io.Reader
	data []byte
	rest io.Closer
}

func (k *kept) Close() error { return k.rest.Close() }

// slurp reads an answer that may be held back, and puts it back unread. One that is too long is passed on.
func slurp(resp *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostError))
	var tail io.Reader = resp.Body
	if err != nil {
		tail = failing{err}
	}
	resp.Body = &kept{io.MultiReader(bytes.NewReader(data), tail), data, resp.Body}
	return err
}

// failing breaks off where the upstream did.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// resources reads the limits that an answer's headers tell.
func resources(h http.Header) (l turn.Limits) {
	for _, r := range ratelimit.Rates(h.Get) {
		if of := l.Of(r.Name); of != nil && r.Remaining >= 0 {
			*of = turn.Resource{Limit: r.Limit, Remaining: r.Remaining}
		}
	}
	return l
}

// answer is the body of an answer on its way to Claude Code.
type answer struct {
	io.ReadCloser
	ctx   context.Context
	over  func()
	place *place // nil: no call
	usage *usage
	ok    bool
	done  bool
	alive time.Time
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.place != nil && n > 0 {
		a.reads(func() bool { return a.usage.feed(p[:n]) })
		if now := time.Now(); now.Sub(a.alive) > renew {
			a.alive = now
			a.place.alive()
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if a.place != nil {
			a.reads(func() bool { return a.usage.end() })
		}
		a.finish()
	default:
		if c, ok := a.ctx.Value(connKey{}).(*net.TCPConn); ok && errors.Is(err, syscall.ECONNRESET) {
			c.SetLinger(0) // as in broken
		}
		a.finish()
	}
	return n, err
}

// reads tells what f finds in the answer. Where it panics, the rest of the answer just passes.
func (a *answer) reads(f func() (news bool)) {
	if !guard.Run(func() {
		if f() {
			a.place.used(a.usage)
		}
	}, a.place.gate.log) {
		a.usage = &usage{}
	}
}

func (a *answer) Close() error {
	err := a.ReadCloser.Close()
	a.finish()
	return err
}

// finish gives the turn back.
func (a *answer) finish() {
	if a.done || a.place == nil {
		return
	}
	a.done = true
	if a.ok {
		if !a.usage.tells() { // it must count as something, or each would count as one of which nothing is known yet
			a.place.used(&usage{input: 1, output: 1})
		}
		a.place.answered()
	}
	a.place.leave()
	a.over()
}
