package fakeapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

type stream struct {
	*call
	w   http.ResponseWriter
	hr  *http.Request
	out *bytes.Buffer // events that are not written yet
}

func (s stream) run() {
	if s.a.Cut == Silent {
		s.forever()
		return
	}
	if s.a.status() != http.StatusOK {
		if !s.sleepUntil(s.manner.refusal(s.r.Seq)) {
			return
		}
		s.headers(s.w.Header())
		s.end()
		s.fail()
		return
	}
	if !s.sleepUntil(s.first()) {
		return
	}
	if !s.r.Stream && s.a.Cut == Whole {
		s.plain()
		return
	}
	s.events()
}

// first returns the time from the call's arrival to the first event, whole that to the end.
func (s stream) first() time.Duration { return cmp.Or(s.a.FirstToken, s.manner.first(s.r.Seq)) }

func (s stream) whole() time.Duration { return s.first() + s.manner.streaming(s.r.Cost.Output) }

// sleepUntil waits until that long after the call's arrival; false when the client went before, which ends the call.
func (s stream) sleepUntil(after time.Duration) bool {
	timer := time.NewTimer(time.Until(s.r.Arrived.Add(after)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.hr.Context().Done():
		s.end()
		return false
	}
}

func (s stream) forever() {
	<-s.hr.Context().Done()
	s.end()
}

func (s stream) fail() {
	if s.a.Body != "" {
		s.w.Header().Set("content-type", "application/json")
		s.w.WriteHeader(s.a.Status)
		fmt.Fprint(s.w, s.a.Body)
		return
	}
	kind, message := s.r.dialect.errorOf(s.a.Status)
	s.r.dialect.fail(s.w, s.a.Status, cmp.Or(s.a.Type, kind), cmp.Or(s.a.Message, message), s.r.ID)
}

// errorOf returns the type of an error with that status, and a message.
func (d dialect) errorOf(status int) (kind, message string) {
	e, ok := map[int][2]string{
		http.StatusBadRequest:            {"invalid_request_error", "Bad request"},
		http.StatusUnauthorized:          {"authentication_error", "invalid x-api-key"},
		http.StatusForbidden:             {"permission_error", "Forbidden"},
		http.StatusNotFound:              {"not_found_error", "Not found"},
		http.StatusRequestEntityTooLarge: {"request_too_large", "Request exceeds the maximum size"},
		http.StatusTooManyRequests:       {"rate_limit_error", d.rejection("", "")},
		529:                              {"overloaded_error", "Overloaded"},
	}[status]
	if !ok {
		e = [2]string{"api_error", "Internal server error"}
	}
	return e[0], e[1]
}

type object = map[string]any

// usage returns what the call costs: as the answer says, else by the sizes.
func (a Answer) usage(r Request, estimate Usage) Usage {
	if a.Usage != (Usage{}) {
		return a.Usage
	}
	size := len(a.text())
	for _, t := range a.Tools {
		input, _ := json.Marshal(t.Input) // what cannot be encoded fails when it is written
		size += len(input)
	}
	estimate.Output = max(1, size/4)
	return estimate
}

func (s stream) message() object {
	return object{
		"id": "msg_" + s.r.ID[len("req_"):], "type": "message", "role": "assistant", "model": s.r.Model,
		"content": []any{}, "stop_reason": nil, "stop_sequence": nil, "usage": s.usage(1),
	}
}

func (s stream) usage(output int) object {
	u := s.r.Cost
	return object{
		"input_tokens": u.Input, "cache_creation_input_tokens": u.CacheCreation, "cache_read_input_tokens": u.CacheRead,
		"output_tokens":  output,
		"cache_creation": object{"ephemeral_5m_input_tokens": u.CacheCreation - u.CacheHour, "ephemeral_1h_input_tokens": u.CacheHour},
	}
}

func (s stream) toolID(i int) string { return fmt.Sprintf("toolu_%s_%d", s.r.ID[len("req_"):], i) }

// toolCheck is the safety check of auto mode.
const toolCheck = "dangerous_tool_use"

// check adds the outcome of the safety check to the end of an answer, if the call asked for it: every tool is safe.
func (s stream) check(end object) {
	if !s.r.Checked {
		return
	}
	uses := object{}
	for i := range s.a.Tools {
		uses[s.toolID(i)] = object{"type": "evaluated", "outcome": "not_flagged"}
	}
	end["safeguard_results"] = []object{{"type": toolCheck, "status": object{"type": "available", "tool_uses": uses}}}
}

// plain answers a call that asked for no stream.
func (s stream) plain() {
	if !s.sleepUntil(s.whole()) {
		return
	}
	var blocks []any
	if text := s.a.text(); text != "" {
		blocks = append(blocks, object{"type": "text", "text": text})
	}
	for i, t := range s.a.Tools {
		blocks = append(blocks, object{"type": "tool_use", "id": s.toolID(i), "name": t.Name, "input": t.Input})
	}
	m := s.message()
	m["content"], m["stop_reason"], m["usage"] = blocks, s.a.stopReason(), s.usage(s.r.Cost.Output)
	s.check(m)
	s.headers(s.w.Header())
	s.end()
	writeJSON(s.w, http.StatusOK, m)
}

// part is a content block: its beginning, and how a piece of what is in it is told.
type part struct {
	start object
	text  string
	delta func(piece string) object
}

func (s stream) parts() (list []part) {
	if text := s.a.text(); text != "" {
		list = append(list, part{object{"type": "text", "text": ""}, text, func(piece string) object {
			return object{"type": "text_delta", "text": piece}
		}})
	}
	for i, t := range s.a.Tools {
		input, err := json.Marshal(t.Input)
		if err != nil {
			panic(fmt.Sprintf("encoding the input of tool %q: %v", t.Name, err)) // the caller's mistake
		}
		start := object{"type": "tool_use", "id": s.toolID(i), "name": t.Name, "input": object{}}
		list = append(list, part{start, string(input), func(piece string) object {
			return object{"type": "input_json_delta", "partial_json": piece}
		}})
	}
	return list
}

// events answers with server-sent events. The first content block is streamed; its end goes out in one write with the other
// blocks and the end of the message: a client may start a tool as soon as its block is complete, and nothing shall happen
// because of an answer that still runs.
func (s stream) events() {
	s.w.Header().Set("content-type", s.r.dialect.contentType())
	s.w.Header().Set("cache-control", "no-cache")
	s.headers(s.w.Header())
	s.w.WriteHeader(http.StatusOK)

	s.event("message_start", object{"message": s.message()})
	s.event("ping", object{})
	s.flush()
	switch s.a.Cut {
	case Whole:
		s.content()
	case Hang:
		s.forever()
	default:
		s.breakOff()
	}
}

// event adds an event to what is to be written.
func (s stream) event(kind string, fields object) {
	fields["type"] = kind
	data, err := json.Marshal(fields)
	if err != nil {
		panic(fmt.Sprintf("encoding %s: %v", kind, err)) // our own types
	}
	s.r.dialect.event(s.out, kind, data)
}

func (s stream) flush() {
	s.w.Write(s.out.Bytes()) // a client that is gone shows in the context
	s.out.Reset()
	http.NewResponseController(s.w).Flush()
}

// breakOff ends the answer, after its whole time, with a reset or an error.
func (s stream) breakOff() {
	if !s.sleepUntil(s.whole()) {
		return
	}
	s.end()
	if s.a.Cut == Reset {
		s.reset()
		return
	}
	s.event("error", object{"error": object{"type": "overloaded_error", "message": "Overloaded"}})
	s.flush()
}

func (s stream) content() {
	for i, p := range s.parts() {
		s.event("content_block_start", object{"index": i, "content_block": p.start})
		pieces := []string{p.text}
		if i == 0 {
			pieces = s.manner.pieces(p.text)
		}
		for n, piece := range pieces {
			s.event("content_block_delta", object{"index": i, "delta": p.delta(piece)})
			if i > 0 {
				continue
			}
			s.flush()
			if !s.sleepUntil(s.first() + s.manner.streaming(s.r.Cost.Output)*time.Duration(n+1)/time.Duration(len(pieces))) {
				return
			}
		}
		s.event("content_block_stop", object{"index": i})
	}
	delta := object{"stop_reason": s.a.stopReason(), "stop_sequence": nil}
	s.check(delta)
	s.event("message_delta", object{"delta": delta, "usage": s.usage(s.r.Cost.Output)})
	s.event("message_stop", object{})
	s.end()
	s.flush()
}

func (s stream) reset() { hangUp(s.w) }

// hangUp resets the connection.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2, which nobody asked for: breaking off is the next best
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // so that closing sends RST; if it cannot, the stream is cut all the same
	}
	conn.Close()
}
