package fakeapi

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Batches says how the server plays the Message Batches API. The zero Batches lets each request succeed, and ends a batch
// the first time it is asked for.
type Batches struct {
	// Result returns what becomes of a request: "succeeded", "expired", or the type of an error such as
	// "overloaded_error". Nil: it succeeds.
	Result func(BatchRequest) string
	// Polls is how often a batch is in progress when it is asked for or listed, before it has ended.
	Polls int
	// Fault is asked twice for each call: when it arrived and nothing is done yet, and when it is done and nobody knows.
	Fault func(BatchCall) Fault
}

// BatchRequest is one request of a batch.
type BatchRequest struct {
	Batch            int // in the order of their creation, from 1
	CustomID         string
	Model, Beginning string // Beginning is that of the first message's text, 60 bytes at most
}

// BatchCall is one HTTP request to the batches.
type BatchCall struct {
	Seq  int    // order of arrival, from 1
	What string // create, list, retrieve, results, cancel, delete
	Nth  int    // of its kind, from 1
	Done bool   // what it asks for is done
}

// Fault is what goes wrong with a call. The zero Fault is none.
type Fault struct {
	Reset      bool // the connection is reset
	Half       bool // the results end in their midst, in good order unless it is reset
	Status     int  // an error instead of what it asks for
	RetryAfter time.Duration
	Message    string
}

// Batch is one that was created.
type Batch struct {
	ID       string
	Created  time.Time
	Requests []BatchRequest
	Canceled bool

	polls   int
	ended   time.Time // zero: it is in progress
	deleted bool
}

const (
	mostRequests   = 100_000
	mostBatchBytes = 256_000_000
)

// BatchLog returns all batches that were created, the first of them first.
func (s *Server) BatchLog() []Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Batch, len(s.created))
	for i, b := range s.created {
		list[i] = *b
	}
	return list
}

// batchCall answers a call to the batches, and reports whether it was one.
func (s *Server) batchCall(w http.ResponseWriter, hr *http.Request) bool {
	path, ok := strings.CutPrefix(hr.URL.Path, "/v1/messages/batches")
	if !ok || path != "" && path[0] != '/' {
		return false
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	answers := map[string]struct {
		what   string
		answer func(w http.ResponseWriter, hr *http.Request, id string) answered
	}{
		"POST ":        {"create", s.createBatch},
		"GET ":         {"list", s.listBatches},
		"GET /":        {"retrieve", s.retrieveBatch},
		"DELETE /":     {"delete", s.deleteBatch},
		"POST /cancel": {"cancel", s.cancelBatch},
		"GET /results": {"results", s.batchResults},
	}
	key := hr.Method + " "
	if id != "" {
		key += "/" + verb
	}
	one, ok := answers[key]
	if !ok {
		return false
	}
	s.mu.Lock()
	s.batchCalls[""]++
	s.batchCalls[one.what]++
	call := BatchCall{Seq: s.batchCalls[""], What: one.what, Nth: s.batchCalls[one.what]}
	s.mu.Unlock()
	if s.faulty(w, call, nil) {
		return true
	}
	a := one.answer(w, hr, id)
	call.Done = true
	if !s.faulty(w, call, a) {
		a(w, false)
	}
	return true
}

// answered writes an answer that is ready, or of results the half.
type answered func(w http.ResponseWriter, half bool)

// faulty does what is to go wrong, and reports whether that is the answer.
func (s *Server) faulty(w http.ResponseWriter, call BatchCall, a answered) bool {
	if s.batches.Fault == nil {
		return false
	}
	f := s.batches.Fault(call)
	switch {
	case f.Half && a != nil:
		if a(w, true); f.Reset {
			hangUp(w)
		}
	case f.Reset:
		hangUp(w)
	case f.Status != 0:
		refuse(f.Status, f.Message, f.RetryAfter)(w, false)
	default:
		return false
	}
	return true
}

func refuse(status int, message string, retryAfter time.Duration) answered {
	return func(w http.ResponseWriter, _ bool) {
		kind, usual := firstParty.errorOf(status)
		if retryAfter > 0 {
			w.Header().Set("retry-after", seconds(RetryAfter(retryAfter)))
		}
		writeJSON(w, status, failure(kind, cmp.Or(message, usual), requestID(time.Now())))
	}
}

func answerJSON(v any) answered {
	return func(w http.ResponseWriter, _ bool) { writeJSON(w, http.StatusOK, v) }
}

func (s *Server) createBatch(_ http.ResponseWriter, hr *http.Request, _ string) answered {
	if hr.ContentLength > mostBatchBytes {
		io.Copy(io.Discard, hr.Body)
		return refuse(http.StatusRequestEntityTooLarge, "Request exceeds the maximum size", 0)
	}
	list, err := batchRequests(bufio.NewReader(hr.Body))
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error(), 0)
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.created) + 1
	for i := range list {
		list[i].Batch = n
	}
	b := &Batch{ID: fmt.Sprintf("msgbatch_%020d", n), Created: now, Requests: list}
	s.created = append(s.created, b)
	return answerJSON(s.shown(b))
}

// batchRequests reads the body of a create, keeping little of it.
func batchRequests(body io.Reader) (list []BatchRequest, err error) {
	d := json.NewDecoder(body)
	for _, want := range []json.Token{json.Delim('{'), "requests", json.Delim('[')} {
		if got, err := d.Token(); err != nil || got != want {
			return nil, fmt.Errorf("requests: Field required (%v, %v)", got, err)
		}
	}
	goodID := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`) // as the API itself names the pattern
	seen := make(map[string]bool)
	for d.More() {
		var r struct {
			CustomID string `json:"custom_id"`
			Params   *struct {
				Model    string `json:"model"`
				Messages []struct {
					Content content `json:"content"`
				} `json:"messages"`
			} `json:"params"`
		}
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		at := fmt.Sprintf("requests.%d.", len(list))
		switch {
		case !goodID.MatchString(r.CustomID):
			return nil, errors.New(at + "custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'")
		case seen[r.CustomID]:
			return nil, errors.New(at + "custom_id: must be unique")
		case r.Params == nil:
			return nil, errors.New(at + "params: Field required")
		}
		seen[r.CustomID] = true
		one := BatchRequest{CustomID: r.CustomID, Model: r.Params.Model}
		if m := r.Params.Messages; len(m) > 0 && len(m[0].Content) > 0 {
			one.Beginning = strings.Clone(m[0].Content[0].Text[:min(60, len(m[0].Content[0].Text))])
		}
		if list = append(list, one); len(list) > mostRequests {
			return nil, errors.New("requests: List should have at most 100000 items")
		}
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if got, err := d.Token(); err != nil || got != want {
			return nil, fmt.Errorf("reading the body: %v, %v", got, err)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("requests: List should have at least 1 item")
	}
	return list, nil
}

func (s *Server) listBatches(_ http.ResponseWriter, hr *http.Request, _ string) answered {
	q := hr.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 20
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page := struct {
		Data    []any   `json:"data"`
		HasMore bool    `json:"has_more"`
		FirstID *string `json:"first_id"`
		LastID  *string `json:"last_id"`
	}{Data: []any{}}
	behind := q.Get("after_id") == ""
	for i := len(s.created) - 1; i >= 0; i-- {
		b := s.created[i]
		switch {
		case b.deleted:
		case !behind:
			behind = b.ID == q.Get("after_id")
		case len(page.Data) == limit:
			page.HasMore = true
		default:
			page.Data = append(page.Data, s.shown(b.polled(s.batches.Polls)))
			if page.LastID = &b.ID; page.FirstID == nil {
				page.FirstID = &b.ID
			}
		}
	}
	return answerJSON(page)
}

func (s *Server) batch(id string) *Batch {
	for _, b := range s.created {
		if b.ID == id && !b.deleted {
			return b
		}
	}
	return nil
}

// polled is a batch that is asked for once more.
func (b *Batch) polled(most int) *Batch {
	if b.polls++; b.ended.IsZero() && (b.polls > most || b.Canceled) {
		b.ended = time.Now()
	}
	return b
}

func (s *Server) retrieveBatch(_ http.ResponseWriter, _ *http.Request, id string) answered {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batch(id)
	if b == nil {
		return refuse(http.StatusNotFound, "", 0)
	}
	return answerJSON(s.shown(b.polled(s.batches.Polls)))
}

func (s *Server) cancelBatch(_ http.ResponseWriter, _ *http.Request, id string) answered {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batch(id)
	if b == nil {
		return refuse(http.StatusNotFound, "", 0)
	}
	b.Canceled = b.Canceled || b.ended.IsZero()
	return answerJSON(s.shown(b))
}

func (s *Server) deleteBatch(_ http.ResponseWriter, _ *http.Request, id string) answered {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batch(id)
	switch {
	case b == nil:
		return refuse(http.StatusNotFound, "", 0)
	case b.ended.IsZero():
		return refuse(http.StatusBadRequest, "a batch in progress can't be deleted", 0)
	}
	b.deleted = true
	return answerJSON(object{"id": id, "type": "message_batch_deleted"})
}
