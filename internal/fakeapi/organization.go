package fakeapi

import "net/http"

// Group is models that share limits, as the Rate Limits API tells.
type Group struct {
	Models   []string
	Requests int // a minute
	Input    int
	Output   int
}

// organization answers as the Rate Limits API does (docs, 2026-09).
func (s *Server) organization(w http.ResponseWriter, r *Request) {
	if r.Header.Get("x-api-key") != s.admin {
		s.other(r, http.StatusUnauthorized)
		writeJSON(w, http.StatusUnauthorized, failure("authentication_error", "invalid x-api-key", requestID(r.Arrived)))
		return
	}
	data := []any{}
	for _, g := range s.groups {
		data = append(data, map[string]any{"type": "rate_limit", "group_type": "model_group", "models": g.Models, "limits": []any{
			map[string]any{"type": "requests_per_minute", "value": g.Requests},
			map[string]any{"type": "input_tokens_per_minute", "value": g.Input},
			map[string]any{"type": "output_tokens_per_minute", "value": g.Output},
		}})
	}
	s.other(r, http.StatusOK)
	writeJSON(w, http.StatusOK, map[string]any{"data": data, "next_page": nil})
}
