package fakeapi

import (
	"context"
	"net"
	"net/http"
)

// Quiet waits until no connection is open, so that what a client sent before it died is done. It fails with the context.
func (s *Server) Quiet(ctx context.Context) error {
	for {
		s.mu.Lock()
		open, changed := len(s.open), s.closed
		s.mu.Unlock()
		if open == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// connection notes which connections are open.
func (s *Server) connection(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(s.open, c)
		close(s.closed)
		s.closed = make(chan struct{})
	}
}
