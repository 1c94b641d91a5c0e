package keeper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/ratelimit"
)

// output is the standard output of a run, as far as it is not shown yet. What a run writes at its end is held back, until
// it is known whether it was the last one; a stream is shown line by line, but for what ends it with an error. A run
// that goes on with a stream does not begin it again.
type output struct {
	to     io.Writer
	format string
	again  bool
	failed func(text string) // is told of a panic over a line, which is then shown
	held   bytes.Buffer
	line   []byte
}

func (o *output) Write(data []byte) (int, error) {
	if o.format != "stream-json" {
		return o.held.Write(data)
	}
	n := len(data)
	o.line = append(o.line, data...)
	for {
		i := bytes.IndexByte(o.line, '\n')
		if i < 0 {
			return n, nil
		}
		line := o.line[:i+1]
		o.line = o.line[i+1:]
		var limit bool
		guard.Run(func() { limit = limited(line, time.Now()) }, o.failed)
		switch {
		case o.again && bytes.Contains(line, []byte(`"type":"system"`)) && bytes.Contains(line, []byte(`"subtype":"init"`)):
		case limit || o.held.Len() > 0:
			o.held.Write(line)
		default:
			if _, err := o.to.Write(line); err != nil {
				return n, err
			}
		}
	}
}

func (o *output) flush() error {
	if _, err := o.to.Write(append(o.held.Bytes(), o.line...)); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// said is a line of what -p writes with --output-format stream-json, or the one object that it writes with json.
type said struct {
	Type string `json:"type"`

	// rate_limit_event (2.1.330)
	Info struct {
		Status string `json:"status"`
	} `json:"rate_limit_info"`

	// result; assistant
	IsError        bool   `json:"is_error"`
	APIErrorStatus int    `json:"api_error_status"`
	Result         string `json:"result"`
	Message        struct {
		Model   string          `json:"model"`
		Content json.RawMessage `json:"content"`
	} `json:"message"`
}

// limited reports whether a line tells of a limit that ends the run, as now. A retry that is announced does not, nor a usage limit
// that does not stop anything yet (rate_limit_event with another status than rejected).
func limited(line []byte, now time.Time) bool {
	var s said
	if json.Unmarshal(line, &s) != nil {
		return false
	}
	text := ""
	switch {
	case s.Type == "rate_limit_event":
		return s.Info.Status == "rejected"
	case s.Type == "result" && s.IsError:
		if s.APIErrorStatus == 429 || s.APIErrorStatus == 529 {
			return true
		}
		text = s.Result
	case s.Type == "assistant" && s.Message.Model == "<synthetic>":
		text = ratelimit.FirstText(s.Message.Content)
	}
	_, ok := ratelimit.Text(strings.TrimSpace(text), now, time.Local)
	return ok
}
