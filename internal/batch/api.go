package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"afteryou/internal/probe"
	"afteryou/internal/ratelimit"
)

// API is the Message Batches API, asked with the credential and at the base URL of the environment.
type API struct {
	getenv func(string) string
	agent  string
	client *http.Client
}

const (
	// patience bounds the wait for the first byte of an answer, once a request is sent, and for the next byte of results.
	patience = 5 * time.Minute
	// maxAnswer bounds what is read of an answer but of results, in bytes.
	maxAnswer = 8 << 20
)

// NewAPI returns the API. agent is the name that requests go by.
func NewAPI(getenv func(string) string, agent string) (*API, error) {
	if _, err := probe.Request(context.Background(), getenv, http.MethodGet, path, nil, agent); err != nil {
		return nil, err // there is nothing to ask with, or nobody to ask
	}
	client, err := probe.Client(getenv)
	if err != nil {
		return nil, err
	}
	client.Transport.(*http.Transport).ResponseHeaderTimeout = patience
	return &API{getenv, agent, client}, nil
}

// A lostError is a request of which nobody knows whether it was answered.
type lostError struct {
	what string
	sent bool // the server may have all of it
}

func (e *lostError) Error() string { return e.what }

// Remote is a batch as the API tells of it.
type Remote struct {
	ID        string    `json:"id"`
	Status    string    `json:"processing_status"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Counts    struct {
		Processing, Succeeded, Errored, Canceled, Expired int
	} `json:"request_counts"`
}

func (r Remote) requests() int {
	c := r.Counts
	return c.Processing + c.Succeeded + c.Errored + c.Canceled + c.Expired
}

func (r Remote) ended() bool { return r.Status == "ended" }

const path = "/v1/messages/batches"

// create submits a batch. body is read once: a request that was lost is never sent again from here.
func (a *API) create(ctx context.Context, body io.Reader, size int64) (r Remote, err error) {
	counted := &counting{r: body}
	err = a.ask(ctx, http.MethodPost, path, counted, size, &r)
	if lost := new(lostError); errors.As(err, &lost) {
		lost.sent = counted.n.Load() >= size
	}
	if err == nil && r.ID == "" {
		return r, &lostError{what: "the API's answer names no batch", sent: true}
	}
	return r, err
}

// counting counts what is read, in bytes. It is read by the transport's goroutine, which may outlast a request that fails.
type counting struct {
	r io.Reader
	n atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (a *API) retrieve(ctx context.Context, id string) (r Remote, err error) {
	return r, a.ask(ctx, http.MethodGet, path+"/"+id, nil, 0, &r)
}

func (a *API) cancel(ctx context.Context, id string) (r Remote, err error) {
	return r, a.ask(ctx, http.MethodPost, path+"/"+id+"/cancel", nil, 0, &r)
}

// newest returns the batch that was created last; zero where there is none.
func (a *API) newest(ctx context.Context) (Remote, error) {
	var page struct{ Data []Remote }
	err := a.ask(ctx, http.MethodGet, path+"?limit=1", nil, 0, &page)
	if err != nil || len(page.Data) == 0 {
		return Remote{}, err
	}
	return page.Data[0], nil
}

// since returns the batches that were created after the mark, the last first. The server's clock alone is asked.
func (a *API) since(ctx context.Context, mark Mark) (list []Remote, err error) {
	after := ""
	for {
		var page struct {
			Data    []Remote
			HasMore bool   `json:"has_more"`
			LastID  string `json:"last_id"`
		}
		if err := a.ask(ctx, http.MethodGet, path+"?limit=100"+after, nil, 0, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Data {
			if r.ID == mark.ID || r.CreatedAt.Before(mark.CreatedAt) {
				return list, nil
			}
			list = append(list, r)
		}
		if !page.HasMore || page.LastID == "" {
			return list, nil
		}
		after = "&after_id=" + page.LastID
	}
}

// results returns the results of a batch that has ended. The caller closes them.
func (a *API) results(ctx context.Context, id string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	resp, err := a.send(ctx, http.MethodGet, path+"/"+id+"/results", nil, 0)
	if err != nil {
		cancel()
		return nil, err
	}
	stall := time.AfterFunc(patience, cancel)
	return &stream{resp.Body, a.getenv, stall, cancel}, nil
}

// stream is the body of an answer. A read of it fails where no byte comes for long.
type stream struct {
	body   io.ReadCloser
	getenv func(string) string
	stall  *time.Timer
	cancel context.CancelFunc
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.stall.Reset(patience)
	if err != nil && err != io.EOF {
		err = &lostError{what: "reading results: " + probe.Failure(err, s.getenv)}
	}
	return n, err
}

func (s *stream) Close() error {
	s.stall.Stop()
	s.cancel()
	return s.body.Close()
}

// ask sends a request and reads its answer into v.
func (a *API) ask(ctx context.Context, method, path string, body io.Reader, size int64, v any) error {
	resp, err := a.send(ctx, method, path, body, size)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &lostError{what: "asking the API: " + probe.Failure(err, a.getenv)}
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &lostError{what: "reading the API's answer: " + err.Error()}
	}
	return nil
}

// send returns an answer that is no error. All others are a refusal, a lostError, or the context's error.
func (a *API) send(ctx context.Context, method, path string, body io.Reader, size int64) (*http.Response, error) {
	r, err := probe.Request(ctx, a.getenv, method, path, body, a.agent)
	if err != nil {
		return nil, err
	}
	r.ContentLength = size
	resp, err := a.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &lostError{what: "asking the API: " + probe.Failure(err, a.getenv)}
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what is missing of a message is not missed
	now := time.Now()
	limit, _ := ratelimit.Header(resp.Header.Get, resp.StatusCode, now)
	return nil, &refusal{
		RefusedError: probe.RefusedError{Status: resp.StatusCode, Message: probe.Message(data, a.getenv)},
		retryIn:      limit.RetryIn, spends: ratelimit.Spends(data, now),
	}
}

// A refusal is an answer that is an error.
type refusal struct {
	probe.RefusedError
	retryIn time.Duration // 0: nothing says
	spends  bool          // waiting does not help
}

func (e *refusal) Unwrap() error { return &e.RefusedError }

// passes reports whether the same request may get another answer later, and in what time; 0 where nothing says.
func passes(err error) (wait time.Duration, ok bool) {
	if lost := new(lostError); errors.As(err, &lost) {
		return 0, true
	}
	r := new(refusal)
	if !errors.As(err, &r) || r.spends {
		return 0, false
	}
	return r.retryIn, r.Status == http.StatusTooManyRequests || r.Status == http.StatusRequestTimeout || r.Status >= 500
}

// taken reports whether a create that failed may have made a batch all the same.
func taken(err error) bool {
	if lost := new(lostError); errors.As(err, &lost) {
		return lost.sent
	}
	if r := new(refusal); errors.As(err, &r) {
		return r.Status >= 500 && r.Status != http.StatusServiceUnavailable && r.Status != 529
	}
	return true // interrupted in the midst of it
}

// customID is what the API is told of a line: it says whose batch it is, wherever it is found.
func customID(run string, part, line int) string { return fmt.Sprintf("%s%d", mark(run, part), line) }

func mark(run string, part int) string { return fmt.Sprintf("ay-%s-%d-", run, part) }
