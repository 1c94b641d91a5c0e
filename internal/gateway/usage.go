package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"afteryou/internal/limit"
)

// mostEvent bounds what is kept of one event, in bytes: those that tell of usage are small.
const mostEvent = 64 << 10

// usage reads from a passing answer how many tokens it took, as the API counts them against its limits. It keeps a line
// at most. An answer in an encoding tells nothing.
type usage struct {
	stream, plain bool
	line          []byte
	skip          bool        // the line is too long to be one of ours
	costs         limit.Costs // so far
}

func newUsage(h http.Header) *usage {
	u := &usage{}
	if h.Get("Content-Encoding") == "" {
		u.stream = strings.HasPrefix(h.Get("Content-Type"), "text/event-stream")
		u.plain = strings.HasPrefix(h.Get("Content-Type"), "application/json")
	}
	return u
}

// readable reports whether the answer is one that can be read.
func (u *usage) readable() bool { return u.stream || u.plain }

// took is what the answer says that the call took so far.
func (u *usage) took() limit.Costs { return u.costs }

type tokens struct {
	Input   float64 `json:"input_tokens"`
	Written float64 `json:"cache_creation_input_tokens"`
	Read    float64 `json:"cache_read_input_tokens"`
	Output  float64 `json:"output_tokens"`
	Kept    struct {
		Hour float64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
}

// costs are what the tokens count, but for those of the output.
func (t tokens) costs() limit.Costs {
	return limit.Costs{Input: t.Input + t.Written, Whole: t.Input + t.Written + t.Read, Cached: t.Written + t.Read, Hour: t.Kept.Hour > 0}
}

// feed takes the next part of the answer, and says whether something became known.
func (u *usage) feed(p []byte) (news bool) {
	if !u.readable() {
		return false
	}
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part, p = p[:i], p[i+1:]
		} else {
			p = nil
		}
		if u.skip = u.skip || len(u.line)+len(part) > mostEvent; !u.skip {
			u.line = append(u.line, part...)
		}
		if i >= 0 {
			news = u.event() || news
			u.line, u.skip = u.line[:0], false
		}
	}
	return news
}

// end says whether the rest of the answer, without a line's end, told something.
func (u *usage) end() bool { return u.readable() && !u.skip && u.event() }

func (u *usage) event() bool {
	data := u.line
	if u.stream {
		var ok bool
		if data, ok = bytes.CutPrefix(data, []byte("data:")); !ok {
			return false
		}
	}
	if !bytes.Contains(data, []byte(`"usage"`)) {
		return false
	}
	var e struct {
		Type    string
		Usage   tokens
		Message struct{ Usage tokens }
	}
	if json.Unmarshal(data, &e) != nil {
		return false
	}
	was := u.costs
	switch e.Type {
	case "message_start":
		u.costs = e.Message.Usage.costs()
	case "message_delta":
		u.costs.Output = e.Usage.Output
	case "message":
		u.costs = e.Usage.costs()
		u.costs.Output = e.Usage.Output
	}
	return u.costs != was
}
