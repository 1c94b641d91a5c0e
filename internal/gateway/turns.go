package gateway

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"afteryou/internal/gate"
	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/turn"
	"afteryou/internal/upstream"
)

// mostError bounds what is read of an answer that may be held back, in bytes.
const mostError = 1 << 20

// turns sends each call to the model when it has the turn.
type turns struct {
	base     http.RoundTripper
	accounts *accounts
	bodies   *bodies
	hold     time.Duration
	called   func()
	groups   limit.Groups
}

// RoundTrip sends the request, once or until it is no longer rejected for a rate limit.
func (t *turns) RoundTrip(r *http.Request) (*http.Response, error) {
	model, is := calls(r)
	if !is {
		resp, err := t.base.RoundTrip(r)
		if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			resp.Body = &passing{resp.Body, r.Context()}
		}
		return resp, err
	}
	if t.called != nil {
		t.called()
	}
	deadline := time.Now().Add(t.patience(r.Header))
	g := t.accounts.of(r)
	request := &body{from: t.bodies}
	if r.Body != nil {
		var err error
		if request, err = t.bodies.keep(r.Body); err != nil {
			return nil, err
		}
	}
	c := turn.Call{Key: turn.Key{Session: r.Header.Get("X-Claude-Code-Session-Id"), Agent: r.Header.Get("X-Claude-Code-Agent-Id")}}
	guard.Run(func() {
		var group limit.Group
		c.Class, group = t.groups.Of(cmp.Or(model, modelOf(request.kept())))
		c.AtMost, c.Fresh = group.Requests/60, fresh(request.data)
		if c.Reserves = strings.Contains(r.URL.Path, "/invoke"); c.Reserves {
			c.Size = limit.Costs{Input: float64(len(request.data)) / perToken, Output: mostOf(request.data)}
		}
	}, g.Log)
	p := g.Join(c)
	resp, err := t.send(r, p, request, deadline)
	for lost := 1; err != nil && t.again(r, request, lost, err); lost++ {
		p.Leave()
		p = g.Join(c)
		resp, err = t.send(r, p, request, deadline)
	}
	if err != nil {
		p.Leave()
		request.drop()
		return nil, err
	}
	resp.Body = &answer{passing: passing{resp.Body, r.Context()}, place: p, over: request.drop, usage: newUsage(resp.Header), log: g.Log,
		ok: resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests && p.TooLarge == (gate.TooLarge{})}
	return resp, nil
}

// again blocks until a request may be sent again that the server, for the nth time, gave no answer to. It returns false where it
// is not to be: it was lost too often, can't be sent twice, the client is gone, or the server is not who it should be.
func (t *turns) again(r *http.Request, request *body, n int, err error) bool {
	wait, ok := gate.Lost(n)
	if !ok || request.once() || errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(*upstream.RefusedError)) {
		return false
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
	}
	return r.Context().Err() == nil
}

// send is RoundTrip once the request is whole, or as much of it as there is room for: then it is sent once. The answer
// it returns is for Claude Code; the turn is given back when it was read.
func (t *turns) send(r *http.Request, p *gate.Place, request *body, deadline time.Time) (*http.Response, error) {
	var held *http.Response
	for {
		ctx, cancel := context.WithDeadline(r.Context(), deadline)
		turnless := p.Wait(ctx) != nil
		cancel()
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		if turnless && held != nil { // Claude Code waits by itself, for what is left of the wait
			if held.Header.Get("Retry-After") != "" {
				held.Header.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(p.Cooling().Seconds())))))
			}
			p.Leave()
			return held, nil
		}
		if turnless {
			if until := p.KeptBack(); !until.IsZero() { // Claude Code waits by itself
				p.Leave()
				return keptBack(r, until), nil
			}
			p.GiveBack() // and keeps its name: what is told of it is of no other call
		}
		out := r.Clone(r.Context())
		if r.Body != nil {
			out.Body = request.reader()
			if out.GetBody = nil; !request.once() {
				out.GetBody = func() (io.ReadCloser, error) { return request.reader(), nil }
			}
		}
		sent := new(sentAt)
		resp, err := t.base.RoundTrip(sent.traced(out))
		if err != nil {
			return nil, err
		}
		// The body that Judge may ask for is read as far as it came, and put back.
		verdict := p.Judge(gate.Answer{Status: resp.StatusCode, Header: resp.Header.Get, Body: func() ([]byte, error) { return slurp(resp) },
			Sent: sent.or(time.Now()), Deadline: deadline, Once: turnless || request.once()})
		switch verdict {
		case gate.Again:
			held = resp
		case gate.Never:
			return refusal(resp, p.TooLarge, r.Header.Get("X-Claude-Code-Session-Id") != ""), nil
		default:
			return resp, nil
		}
	}
}

// keptBack is the answer to a call of -p that is not sent, for what is left of a subscription's window is for people.
func keptBack(r *http.Request, until time.Time) *http.Response {
	const body = `{"type":"error","error":{"type":"rate_limit_error","message":"afteryou keeps what is left of the window for people"}}`
	header := http.Header{"Content-Type": {"application/json"}, "Retry-After": {strconv.Itoa(max(1, int(math.Ceil(time.Until(until).Seconds()))))}}
	return &http.Response{StatusCode: http.StatusTooManyRequests, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}
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

// slurp reads an answer that may be held back, and puts it back unread. What is too long, or broken off, goes on as it does; what
// is encoded tells nothing.
func slurp(resp *http.Response) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostError))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), resp.Body), resp.Body}
	if resp.Header.Get("Content-Encoding") != "" {
		data = nil
	}
	return data, err
}
