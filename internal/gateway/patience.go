package gateway

import (
	"net/http"
	"strconv"
	"time"
)

const (
	// silence is how long a client bears to wait for the first byte of an answer unless it says more: Claude Code whatever
	// API_TIMEOUT_MS says beyond (docs; 2.1.330 was seen to do so after 360 s), and Node's fetch, which the SDK for TypeScript
	// asks by (20.20).
	silence = 300 * time.Second
	// margin is the share of that for which a call is kept: it counts from when it was made.
	margin = 0.9
)

// patience is how long a call may be kept: until shortly before who asks would give it up.
func (t *turns) patience(h http.Header) time.Duration {
	bears := silence
	for _, name := range []string{"X-Stainless-Read-Timeout", "X-Stainless-Timeout"} { // the SDK for Python says the first
		s, err := strconv.ParseFloat(h.Get(name), 64)
		if err != nil || !(s > 0 && s <= (24*time.Hour).Seconds()) {
			continue
		}
		if bears = time.Duration(s * float64(time.Second)); h.Get("X-Stainless-Lang") == "js" {
			bears = min(bears, silence)
		}
	}
	keep := time.Duration(margin * float64(bears))
	if t.hold > 0 {
		keep = min(keep, t.hold)
	}
	return keep
}
