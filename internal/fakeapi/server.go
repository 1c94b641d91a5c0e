// Package fakeapi is a Messages API on loopback, for tests, the bench and the demo: it stands in for the server only, so
// that the real Claude Code can be driven without an account. It limits calls with token buckets as the API does, says so
// with the API's own bodies and headers, or those of Vertex AI and Amazon Bedrock where a path is theirs, answers as it is
// told to, as late and as tersely as its Manner is, and logs every call. It does not check credentials, parameters or the
// order of messages, and knows no model.
package fakeapi

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Config says how the server behaves. The zero Config answers "ok" to everything.
type Config struct {
	Limits
	Manner Manner
	Answer AnswerFunc
	// Cost estimates the input of a call before it is let through. Nil: a token per four bytes of the body.
	Cost func(Request) Usage
	// Header is added to every answer, e.g. Unified{…}.Header().
	Header http.Header
	// AdminKey may ask for the Groups of the organization; empty: there is none.
	AdminKey string
	Groups   []Group
	// OnRequest is told of every model call when its fate is decided (Ended is zero) and again when it is over, before the
	// client can know. It must return soon.
	OnRequest func(Request)
	Batches   Batches
}

// Server is a running fake API. Its methods may be called from any goroutine.
type Server struct {
	onRequest func(Request)
	cost      func(Request) Usage
	header    http.Header
	manner    Manner
	admin     string
	groups    []Group
	url       string
	http      *http.Server
	stop      context.CancelFunc // ends waiting handlers

	mu      sync.Mutex
	answer  AnswerFunc
	limits  Limits
	buckets map[string]*buckets // by model where each has its own, else of ""
	seq     int
	log     []*Request
	others  []*Request

	batches    Batches
	created    []*Batch
	batchCalls map[string]int // by kind; "": all
	open       map[net.Conn]bool
	closed     chan struct{} // closed and replaced when a connection is
}

// Start listens on a free port of 127.0.0.1. Whoever starts a server closes it.
func Start(c Config) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		onRequest: c.OnRequest, cost: c.Cost, header: c.Header, manner: c.Manner, admin: c.AdminKey, groups: c.Groups, answer: c.Answer,
		url: "http://" + l.Addr().String(), limits: c.Limits, buckets: make(map[string]*buckets),
		batches: c.Batches, batchCalls: make(map[string]int), open: make(map[net.Conn]bool), closed: make(chan struct{}),
	}
	s.of(&Request{})
	if s.onRequest == nil {
		s.onRequest = func(Request) {}
	}
	if s.answer == nil {
		s.answer = func(Request) Answer { return Answer{} }
	}
	if s.cost == nil {
		s.cost = func(r Request) Usage { return Usage{Input: max(1, len(r.Body)/4)} }
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http = &http.Server{
		Handler:     http.HandlerFunc(s.serve),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState:   s.connection,
	}
	go s.http.Serve(l) // until Close; it reports only that it was closed
	return s, nil
}

// URL returns the base URL, without a slash at the end.
func (s *Server) URL() string { return s.url }

// Close breaks off what runs and waits, for two seconds at most, until nothing does.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s.http.Shutdown(ctx) // when clients keep it from ending, Close ends them
	return s.http.Close()
}

// SetLimits changes all limits; what is in the buckets stays, as far as it fits.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.limits = l
	for _, b := range s.buckets {
		*b = buckets{b.requests.Limited(l.Requests, now), b.input.Limited(l.Input, now), b.output.Limited(l.Output, now),
			b.quota.Limited(l.Quota, now)}
	}
}

// of returns the buckets that limit a call. Whoever calls it holds the lock.
func (s *Server) of(r *Request) *buckets {
	model := ""
	if s.manner.PerModel {
		model = r.Model
	}
	b := s.buckets[model]
	if b == nil {
		fresh := full(s.limits, time.Now())
		b = &fresh
		s.buckets[model] = b
	}
	return b
}

// SetAnswer changes how the calls from now on are answered.
func (s *Server) SetAnswer(f AnswerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Log returns all model calls in the order of their arrival.
func (s *Server) Log() []Request { return s.list(&s.log, func(Request) bool { return true }) }

// Answers returns the calls that were answered, or are being.
func (s *Server) Answers() []Request {
	return s.list(&s.log, func(r Request) bool { return r.OK() })
}

// Rejections returns the calls that got a 429.
func (s *Server) Rejections() []Request {
	return s.list(&s.log, func(r Request) bool { return r.Status == http.StatusTooManyRequests })
}

// Others returns the requests that were no model calls.
func (s *Server) Others() []Request { return s.list(&s.others, func(Request) bool { return true }) }

func (s *Server) list(from *[]*Request, want func(Request) bool) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Request
	for _, r := range *from {
		if want(*r) {
			list = append(list, *r)
		}
	}
	return list
}

func (s *Server) serve(w http.ResponseWriter, hr *http.Request) {
	if s.batchCall(w, hr) {
		return
	}
	data, err := io.ReadAll(hr.Body)
	if err != nil {
		return // the client is gone
	}
	r := Request{
		Method: hr.Method, Path: hr.URL.Path, Query: hr.URL.Query(), Header: hr.Header,
		Session: hr.Header.Get("x-claude-code-session-id"), Agent: hr.Header.Get("x-claude-code-agent-id"),
		Arrived: time.Now(),
	}
	var ok bool
	r.dialect, r.Model, r.Stream, ok = route(hr.URL.Path)
	post := hr.Method == http.MethodPost
	switch {
	case post && ok:
		s.call(w, hr, &r, data)
	case post && hr.URL.Path == "/v1/messages/count_tokens":
		r.Kind = Count
		s.other(&r, http.StatusOK)
		writeJSON(w, http.StatusOK, map[string]int{"input_tokens": max(1, len(data)/4)})
	case hr.URL.Path == "/v1/organizations/rate_limits" && s.admin != "":
		s.organization(w, &r)
	case hr.URL.Path == "/":
		s.other(&r, http.StatusOK)
		w.WriteHeader(http.StatusOK)
	default:
		s.other(&r, http.StatusNotFound)
		writeJSON(w, http.StatusNotFound, failure("not_found_error", "Not found", requestID(r.Arrived)))
	}
}

func (s *Server) other(r *Request, status int) {
	r.Status, r.Ended = status, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = append(s.others, r)
}

func requestID(now time.Time) string {
	return "req_" + strconv.FormatInt(now.UnixNano(), 36)
}

type failureBody struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
	RequestID string `json:"request_id"`
}

func failure(kind, message, id string) failureBody {
	f := failureBody{Type: "error", RequestID: id}
	f.Error.Type, f.Error.Message = kind, message
	return f
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types
	}
	w.Header().Set("content-type", "application/json")
	w.Header().Set("content-length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	w.Write(data) // a client that is gone needs no answer
}
