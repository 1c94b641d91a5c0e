package fakeapi

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
)

// dialect is a provider's packing of the Messages API. The path of a call says which one is spoken.
type dialect int

const (
	firstParty dialect = iota
	vertex             // Vertex AI: the model stands in the path
	bedrock            // Amazon Bedrock: so does whether to stream, and events come in frames
)

// route reads the path of a model call. Where the model stands in the path, so does whether the answer is streamed.
func route(path string) (d dialect, model string, stream, ok bool) {
	if path == "/v1/messages" {
		return firstParty, "", false, true
	}
	if _, rest, found := strings.Cut(path, "/publishers/anthropic/models/"); found {
		model, verb, _ := strings.Cut(rest, ":")
		return vertex, model, verb == "streamRawPredict", (verb == "streamRawPredict" || verb == "rawPredict") && model != "count-tokens"
	}
	if rest, found := strings.CutPrefix(path, "/model/"); found {
		model, verb, _ := strings.Cut(rest, "/")
		return bedrock, model, verb == "invoke-with-response-stream", verb == "invoke-with-response-stream" || verb == "invoke"
	}
	return firstParty, "", false, false
}

// on returns the manner in which a dialect is spoken: no cloud says how its limits stand, or when to come again.
func (m Manner) on(d dialect) Manner {
	if d != firstParty {
		m.Headers, m.NoRetryAfter = None, true
	}
	return m
}

// rejection returns the message of a 429, in the words of 2026-04 (clouds: 2025). limit names the limit, such as "50
// requests", or is empty.
func (d dialect) rejection(model, limit string) string {
	_, kind, named := strings.Cut(limit, " ")
	switch {
	case d == bedrock && strings.HasSuffix(kind, "tokens"):
		return "Too many tokens, please wait before trying again."
	case d == bedrock:
		return "Too many requests, please wait before trying again."
	case d == vertex && named:
		if kind != "requests" {
			kind += " per minute"
		}
		return fmt.Sprintf("Quota exceeded for aiplatform.googleapis.com/online_prediction_%s_per_base_model with base model: anthropic-%s. "+
			"Please submit a quota increase request. https://cloud.google.com/vertex-ai/docs/generative-ai/quotas-genai.", strings.ReplaceAll(kind, " ", "_"), model)
	case d == vertex:
		return "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 " +
			"for more details."
	case named:
		return fmt.Sprintf("This request would exceed your organization's rate limit of %s per minute (org: "+
			"00000000-0000-4000-8000-000000000000, model: %s). For details, refer to: https://docs.claude.com/en/api/rate-limits. You can "+
			"see the response headers for current usage. Please reduce the prompt length or the maximum tokens requested, or try again "+
			"later. You may also contact sales at https://claude.com/contact-sales to discuss your options for a rate limit increase.", limit, model)
	}
	return "This request would exceed your organization's rate limit. For details, refer to: https://docs.claude.com/en/api/rate-limits."
}

func (d dialect) fail(w http.ResponseWriter, status int, kind, message, id string) {
	limited := status == http.StatusTooManyRequests
	switch {
	case d == vertex && limited:
		writeJSON(w, status, object{"error": object{"code": status, "message": message, "status": "RESOURCE_EXHAUSTED"}})
	case d == bedrock && limited:
		w.Header().Set("x-amzn-errortype", "ThrottlingException")
		writeJSON(w, status, object{"message": message})
	default:
		writeJSON(w, status, failure(kind, message, id))
	}
}

func (d dialect) contentType() string {
	if d == bedrock {
		return "application/vnd.amazon.eventstream"
	}
	return "text/event-stream; charset=utf-8"
}

func (d dialect) event(out *bytes.Buffer, kind string, data []byte) {
	if d != bedrock {
		fmt.Fprintf(out, "event: %s\ndata: %s\n\n", kind, data)
		return
	}
	chunk, err := json.Marshal(map[string][]byte{"bytes": data}) // bytes become base64
	if err != nil {
		panic(err) // our own types
	}
	frame(out, chunk)
}

// frame writes an event of AWS's event streams: lengths, headers and payload, with a checksum after the lengths and one
// at the end.
func frame(out *bytes.Buffer, payload []byte) {
	var headers []byte
	for _, h := range [][2]string{{":event-type", "chunk"}, {":content-type", "application/json"}, {":message-type", "event"}} {
		headers = append(append(headers, byte(len(h[0]))), h[0]...)
		headers = append(headers, 7) // a string
		headers = append(binary.BigEndian.AppendUint16(headers, uint16(len(h[1]))), h[1]...)
	}
	f := binary.BigEndian.AppendUint32(nil, uint32(4+4+4+len(headers)+len(payload)+4))
	f = binary.BigEndian.AppendUint32(f, uint32(len(headers)))
	f = binary.BigEndian.AppendUint32(f, crc32.ChecksumIEEE(f))
	f = append(append(f, headers...), payload...)
	out.Write(binary.BigEndian.AppendUint32(f, crc32.ChecksumIEEE(f)))
}
