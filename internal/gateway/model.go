package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"afteryou/internal/limit"
)

// inPath finds the model in the path of a call to a cloud: Vertex AI, then Amazon Bedrock.
var inPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`/publishers/anthropic/models/([^/:]+):(?:r|streamR)awPredict$|/model/([^/]+)/invoke(?:-with-response-stream)?$`)
})

// calls says whether a request is a call to the model, which takes a turn, and names the model where its path does.
func calls(r *http.Request) (model string, ok bool) {
	if r.Method != http.MethodPost {
		return "", false
	}
	if strings.HasSuffix(r.URL.Path, "/messages") {
		return "", true
	}
	m := inPath().FindStringSubmatch(r.URL.EscapedPath())
	if m == nil {
		return "", false
	}
	model, _ = url.PathUnescape(m[1] + m[2])
	return model, model != "count-tokens"
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

// mostOf is how many tokens a request may be answered, as it says; 0: it does not.
func mostOf(body []byte) float64 {
	var b struct {
		Most float64 `json:"max_tokens"`
	}
	if json.Unmarshal(body, &b) != nil || !limit.Within(b.Most, 0, limit.MostLimit) {
		return 0
	}
	return b.Most
}
