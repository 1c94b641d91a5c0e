package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"afteryou/internal/gate"
)

const (
	// leastFresh is how long a request is at least that is looked at, in bytes.
	leastFresh = 4 << 10
	// perToken is how many bytes of text are taken for a token.
	perToken = 4
)

// fresh estimates how many tokens of input a request has that come from no cache: of one that uses the cache those of its last
// messages. 0: that can't be told, as of pictures.
func fresh(body []byte) float64 {
	if len(body) < leastFresh || bytes.Contains(body, []byte(`"base64"`)) {
		return 0
	}
	if bytes.Contains(body, []byte(`"cache_control"`)) {
		body = news(body)
	}
	n := 0
	for i, c := range body { // what repeats takes few tokens
		if i == 0 || c != body[i-1] {
			n++
		}
	}
	return float64(n) / perToken
}

// news is what a request adds to a conversation: the messages since the last answer.
func news(body []byte) []byte {
	var b struct{ Messages []json.RawMessage }
	if json.Unmarshal(body, &b) != nil {
		return nil
	}
	from := 0
	for i, m := range b.Messages {
		var one struct{ Role string }
		if json.Unmarshal(m, &one); one.Role == "assistant" {
			from = i + 1
		}
	}
	var text []byte
	for _, m := range b.Messages[from:] {
		text = append(text, m...)
	}
	return text
}

// refusal is the answer to a call that never fits, in place of one that has the client try it again and again: the API's own word
// for a request that is too large, which no SDK tries twice. Claude Code says something else of that word (2.1.332), so it is told
// of a limit that is not to be tried again.
func refusal(rejected *http.Response, why gate.TooLarge, claudeCode bool) *http.Response {
	kind, status := "request_too_large", http.StatusRequestEntityTooLarge
	if claudeCode {
		kind, status = "rate_limit_error", http.StatusTooManyRequests
	}
	text, err := json.Marshal(map[string]any{"type": "error", "request_id": rejected.Header.Get("Request-Id"),
		"error": map[string]string{"type": kind, "message": why.Error()}})
	if err != nil {
		return rejected // never: these are strings
	}
	rejected.Body.Close()
	r := *rejected
	r.StatusCode, r.Status = status, ""
	r.Header = rejected.Header.Clone()
	for _, name := range []string{"Retry-After", "Content-Encoding"} {
		r.Header.Del(name)
	}
	r.Header.Set("X-Should-Retry", "false")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	r.ContentLength, r.TransferEncoding, r.Body = int64(len(text)), nil, io.NopCloser(bytes.NewReader(text))
	return &r
}
