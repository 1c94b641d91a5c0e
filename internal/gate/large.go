package gate

import (
	"errors"
	"fmt"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
)

// leastLarge is the least input, in tokens, that is taken for too much: no limit is smaller, and a look at the state is saved.
const leastLarge = 1000

// errTooLarge says that a call never fits, as far as is known: it stands in nobody's way, is sent at once, and the server's
// word counts.
var errTooLarge = errors.New("the call is larger than the limit")

// TooLarge is how much more input a call has than the limit lets through in a minute: waiting never makes it fit.
type TooLarge struct{ Tokens, Limit float64 }

func (l TooLarge) Error() string {
	return fmt.Sprintf("This prompt has about %.0f input tokens, and the rate limit is %.0f a minute: however long it waits, it never fits. "+
		"Make it smaller, or ask for a higher limit.", l.Tokens, l.Limit)
}

// seemsTooLarge reports whether a call never fits at the limit that is known.
func (p *Place) seemsTooLarge() (is bool) {
	if p.Call.Fresh >= leastLarge {
		p.gate.Look(func(_ time.Time, a *turn.Account) { is = exceeds(p.Call.Fresh, a.Class(p.Call.Class).Tokens.Most()) })
	}
	return is
}

// exceeds reports whether an estimate of tokens is surely more than a limit: by so much no estimate errs.
func exceeds(tokens, most float64) bool { return most > 0 && tokens >= 2*most }

// tooLarge reports whether a rejected call never fits: it is surely larger than the limit that the answer tells, or the server
// lacked input tokens for it though none were used. fresh is how much of it comes from no cache, in tokens.
func (p *Place) tooLarge(fresh float64, h limit.Headers, body []byte) (l TooLarge, is bool) {
	named, ok := ratelimit.Named(body)
	input := h.Input
	if input.Limit == 0 {
		input = h.Total
	}
	full := ok && named.Name == "input-tokens" && h.Input.Limit > 0 && h.Input.Remaining >= h.Input.Limit
	if ok && input.Limit == 0 && named.Name != "requests" && named.Name != "output-tokens" {
		input.Limit = named.Limit
	}
	l = TooLarge{max(fresh, p.Call.Size.Input), input.Limit}
	return l, full && l.Tokens > l.Limit/2 || exceeds(fresh, input.Limit)
}
