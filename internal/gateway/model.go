package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// calls says whether a request is a call to the model, which takes a turn.
func calls(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages")
}

// modelOf finds the model that a request names, in the first part of it (2.1.330 names it first of all).
func modelOf(r io.Reader) string {
	dec := json.NewDecoder(io.LimitReader(r, 1<<20))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return ""
		}
		if name == "model" {
			var model string
			dec.Decode(&model) // another shape is no model
			return model
		}
		var skip json.RawMessage
		if dec.Decode(&skip) != nil {
			return ""
		}
	}
	return ""
}
