package fakeapi

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// call is one model call, from its arrival to its end.
type call struct {
	server   *Server
	r        *Request
	entry    *Request // of the log
	manner   Manner
	estimate Usage   // what it takes before it is answered
	admitted buckets // as they were once it was let through or rejected
	reserved float64 // what it took of the quota, and has back at its end
	a        Answer
}

// call answers a model call. It blocks until the call is over.
func (s *Server) call(w http.ResponseWriter, hr *http.Request, r *Request, data []byte) {
	r.ID = requestID(r.Arrived)
	if err := r.parse(data); err != nil {
		s.other(r, http.StatusBadRequest)
		writeJSON(w, http.StatusBadRequest, failure("invalid_request_error", "reading the body: "+err.Error(), r.ID))
		return
	}
	c := &call{server: s, r: r, manner: s.manner.on(r.dialect), estimate: s.cost(*r)}
	c.decide(c.admit())
	stream{call: c, w: w, hr: hr, out: new(bytes.Buffer)}.run()
}

// admit asks the buckets, in the order of arrival. wait is 0 for a call that they let through; else what names the limit
// that does not. answer is how the server answers at that moment.
func (c *call) admit() (wait time.Duration, what string, answer AnswerFunc) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c.r.Arrived = time.Now()
	s.seq++
	c.r.Seq = s.seq
	b := s.of(c.r)
	if wait, what = b.wait(c.estimate, c.r.MaxTokens, c.r.Arrived); wait == 0 {
		*b = b.take(1, c.estimate, c.r.Arrived)
		c.reserve(b, c.estimate.reserved(c.r.MaxTokens), c.r.Arrived)
		c.r.Cost = c.estimate
	}
	c.admitted = *b
	entry := entryOf(*c.r)
	c.entry = &entry
	s.log = append(s.log, c.entry)
	return wait, what, s.answer
}

// reserve takes from the quota, in place of what was taken before.
func (c *call) reserve(b *buckets, tokens float64, now time.Time) {
	if b.quota.on() {
		b.quota = b.quota.Take(tokens-c.reserved, now)
		c.reserved = tokens
	}
}

// decide makes the answer, and takes from the buckets what it costs instead of the estimate.
func (c *call) decide(wait time.Duration, what string, answer AnswerFunc) {
	if wait > 0 {
		c.a = RateLimited(wait)
		if !c.manner.Unnamed {
			c.a.Message = c.r.dialect.rejection(c.r.Model, what)
		}
	} else {
		c.a = answer(*c.r)
		c.r.Scripted = c.a.status() != http.StatusOK
	}
	if c.manner.NoRetryAfter {
		c.a.Header = c.a.Header.Clone() // the script may give it again
		c.a.Header.Del("retry-after")
	}
	c.r.Status, c.r.Cut = c.a.status(), c.a.Cut
	if secs, err := strconv.Atoi(c.a.Header.Get("retry-after")); err == nil {
		c.r.RetryAfter = time.Duration(secs) * time.Second
	}
	s := c.server
	s.mu.Lock()
	b := s.of(c.r)
	if c.r.Scripted && c.r.Status == http.StatusTooManyRequests {
		*b = b.take(-1, Usage{Input: -c.estimate.limited()}, time.Now())
		c.r.Cost = Usage{}
	}
	if c.r.Status == http.StatusOK {
		c.r.Cost = c.a.usage(*c.r, c.estimate)
		*b = b.take(0, Usage{Input: c.r.Cost.limited() - c.estimate.limited()}, time.Now())
	}
	s.mu.Unlock()
	c.record()
}

// headers sets what the answer says of itself and of the limits.
func (c *call) headers(h http.Header) {
	now, b := c.r.Arrived, c.admitted
	if !c.manner.AtAdmission {
		c.server.mu.Lock()
		now, b = time.Now(), *c.server.of(c.r)
		c.server.mu.Unlock()
	}
	c.manner.limits(h, b, now)
	h.Set("request-id", c.r.ID)
	for _, more := range []http.Header{c.server.header, c.a.Header} {
		for name, values := range more {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
}

// end ends the call, once: just before the end of the answer is written, or when there is none.
func (c *call) end() {
	s := c.server
	c.r.Ended = time.Now()
	s.mu.Lock()
	if b := s.of(c.r); c.r.Status == http.StatusOK && b.output.on() {
		b.output = b.output.Take(float64(c.r.Cost.Output), c.r.Ended)
	}
	settled := 0.0
	if c.r.Status == http.StatusOK {
		settled = c.r.Cost.settled()
	}
	c.reserve(s.of(c.r), settled, c.r.Ended)
	s.mu.Unlock()
	c.record()
}

// record writes what is known of the call into the log, and tells it.
func (c *call) record() {
	s := c.server
	s.mu.Lock()
	*c.entry = entryOf(*c.r)
	s.mu.Unlock()
	s.onRequest(entryOf(*c.r))
}

func entryOf(r Request) Request {
	r.Body = nil
	return r
}
