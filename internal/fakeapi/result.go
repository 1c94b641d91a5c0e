package fakeapi

import (
	"bufio"
	"encoding/json"
	"net/http"
	"time"
)

// batchResults writes the results in another order than that of the requests.
func (s *Server) batchResults(_ http.ResponseWriter, _ *http.Request, id string) answered {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batch(id)
	if b == nil || b.ended.IsZero() {
		return refuse(http.StatusNotFound, "", 0)
	}
	list, canceled := b.Requests, b.Canceled
	return func(w http.ResponseWriter, half bool) {
		w.Header().Set("content-type", "application/x-jsonl")
		step := 7919
		if len(list)%step == 0 {
			step = 1
		}
		out := bufio.NewWriter(w)
		for i := range list {
			if half && i == len(list)/2 {
				break
			}
			r := list[(i+1)*step%len(list)]
			data, err := json.Marshal(object{"custom_id": r.CustomID, "result": s.batches.result(r, canceled)})
			if err != nil {
				panic(err) // our own types
			}
			out.Write(append(data, '\n')) // a client that is gone needs no answer
		}
		out.Flush()
		if half {
			http.NewResponseController(w).Flush()
		}
	}
}

func (c Batches) fate(r BatchRequest, canceled bool) string {
	switch {
	case canceled:
		return "canceled"
	case c.Result == nil:
		return "succeeded"
	}
	return c.Result(r)
}

func (c Batches) result(r BatchRequest, canceled bool) object {
	fate := c.fate(r, canceled)
	switch fate {
	case "canceled", "expired":
		return object{"type": fate}
	case "succeeded":
		return object{"type": fate, "message": object{
			"id": "msg_" + r.CustomID, "type": "message", "role": "assistant", "model": r.Model,
			"content":     []object{{"type": "text", "text": "answer to " + r.Beginning}},
			"stop_reason": "end_turn", "stop_sequence": nil, "usage": object{"input_tokens": 10, "output_tokens": 3},
		}}
	}
	return object{"type": "errored", "error": failure(fate, fate+" it was", requestID(time.Now()))}
}

// shown is a batch as the API shows it: no count but processing before it has ended. Whoever calls it holds the lock.
func (s *Server) shown(b *Batch) object {
	counts := map[string]int{"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
	status, ended, results := "in_progress", any(nil), any(nil)
	switch {
	case b.ended.IsZero():
		counts["processing"] = len(b.Requests)
		if b.Canceled {
			status = "canceling"
		}
	default:
		status, ended = "ended", b.ended.UTC().Format(time.RFC3339Nano)
		results = s.url + "/v1/messages/batches/" + b.ID + "/results"
		for _, r := range b.Requests {
			kind := s.batches.fate(r, b.Canceled)
			if _, ok := counts[kind]; !ok {
				kind = "errored"
			}
			counts[kind]++
		}
	}
	return object{
		"id": b.ID, "type": "message_batch", "processing_status": status, "request_counts": counts, "ended_at": ended,
		"created_at": b.Created.UTC().Format(time.RFC3339Nano), "expires_at": b.Created.Add(24 * time.Hour).UTC().Format(time.RFC3339Nano),
		"archived_at": nil, "cancel_initiated_at": nil, "results_url": results,
	}
}
