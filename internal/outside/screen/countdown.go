package screen

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"afteryou/internal/ratelimit"
)

// countdown is the line that Claude Code shows in place of its spinner while it waits to try again (2.1.330; 2.1.186 to
// 2.1.234 say "Retrying"):
//
//	✻ API error · retrying in 8s · attempt 1/10
//	✻ 429 This request would exceed your rate limit · retrying in 1m 17s · attempt 3/300
//	✻ 5-hour limit reached · retrying in 20s (5:17pm) · attempt 1/300
//
// With -p, standard error has the same without the glyph, "attempt 1 of 10". It begins in the first column, where the
// text of a conversation never stands. Older versions (2.1.118) show it where a tool's output stands, or not at all: they
// write a row of every retry into their transcript.
var countdown = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[` + glyphs + `] )?(\S.*?) · [Rr]etrying in ((?:\d+[dhms] ?){1,4})(?: \([^()]*\))? · attempt (\d{1,4})(?:/| of )(\d{1,4})\s*$`)
})

// glyphs are the frames of the spinner.
const glyphs = "·✢✳✶✻✽*"

// readCountdown reads the parts of a countdown. It is not ok for a reason that is no limit.
func readCountdown(reason, in, attempt, attempts string) (ratelimit.Limit, bool) {
	l, ok := ratelimit.Reason(reason)
	if !ok {
		return l, false
	}
	if l.RetryIn, ok = duration(in); !ok {
		return ratelimit.Limit{}, false
	}
	l.Attempt, _ = strconv.Atoi(attempt)
	l.MaxAttempts, _ = strconv.Atoi(attempts)
	return l, true
}

// longest is the longest wait that is believed.
const longest = 366 * 24 * time.Hour

// duration reads "1h 2m 3s".
func duration(s string) (time.Duration, bool) {
	var sum float64
	for _, f := range strings.Fields(s) {
		n, err := strconv.ParseFloat(f[:len(f)-1], 64)
		if err != nil {
			return 0, false
		}
		switch f[len(f)-1] {
		case 'd':
			n *= 24 * 60 * 60
		case 'h':
			n *= 60 * 60
		case 'm':
			n *= 60
		}
		sum += n
	}
	if sum > longest.Seconds() {
		return 0, false
	}
	return time.Duration(sum * float64(time.Second)), true
}
