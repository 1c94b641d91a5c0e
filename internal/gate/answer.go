package gate

import (
	"time"

	"afteryou/internal/fleet"
	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
)

// Verdict is what becomes of a call by its answer.
type Verdict string

const (
	Pass  Verdict = "pass"  // the answer is for Claude Code
	Again Verdict = "again" // it was rejected, and is to be sent again when its turn comes
	Later Verdict = "later" // it was rejected for longer than Claude Code waits for an answer
	Never Verdict = "never" // it was rejected, and always will be: [Place.TooLarge] says why
)

// Answer is how a call was answered.
type Answer struct {
	Status int
	Header func(name string) string
	// Body is asked for that of a rejection, as far as it can be had and read; it tells of money, which headers do not. Where it
	// breaks off, the answer is passed on as far as it came.
	Body     func() (data []byte, err error)
	Fresh    float64 // its input that comes from no cache, in tokens, where that was not known yet when it was asked for
	Sent     time.Time
	Deadline time.Time // until when Claude Code bears to wait
	Once     bool      // it can't be sent again
}

// mostLost is how often a call is sent again whose connection was lost; who asked does so itself then.
const mostLost = 2

// Lost returns after how long a call may be sent again whose connection was lost for the nth time before anything was answered:
// Claude Code and the SDKs wait as long. It may not where that was too often.
func Lost(n int) (wait time.Duration, again bool) {
	return 500 * time.Millisecond << (n - 1), n <= mostLost
}

// Judge tells all what an answer says of limits, and returns what becomes of the call. Of one that is not sent again at once
// [Place.Death] says why.
func (p *Place) Judge(a Answer) Verdict {
	now := time.Now()
	var says said
	var l ratelimit.Limit
	var limited, waits bool
	guard.Run(func() {
		says = resources(a.Header)
		l, limited = ratelimit.Header(a.Header, a.Status, now)
	}, p.gate.Log)
	if !limited {
		p.accepted(a.Sent, says)
		return Pass
	}
	data, err := a.Body()
	if err != nil {
		return Pass
	}
	large := false
	guard.Run(func() {
		waits = lifts(&l, data, now)
		if why, is := p.tooLarge(max(p.Call.Fresh, a.Fresh), says.limits, data); is && waits && a.Status == 429 {
			p.TooLarge, large = why, true
		}
	}, p.gate.Log)
	if large {
		p.Death = turn.Death{At: now, Limit: ratelimit.Tokens.String()}
		p.died(a.Sent, says)
		return Never
	}
	if soon := now.Add(l.RetryIn).Before(a.Deadline); waits && soon && !a.Once {
		p.rejected(turn.Rejection{In: l.RetryIn, Limit: a.Status == 429, Headers: says.limits, Window: l.Kind == ratelimit.UsageWindow}, a.Sent, says)
		return Again
	}
	var until time.Time // unknown, or waiting does not lift it
	if l.Wait && l.RetryIn > 0 {
		until = now.Add(l.RetryIn)
	}
	p.Death = turn.Death{At: now, Limit: l.Kind.String(), Lifts: !until.IsZero(), Reset: until}
	p.died(a.Sent, says)
	if waits && !a.Once {
		return Later
	}
	return Pass
}

// lifts reports whether a rejected call is to be sent again by us once the limit is over: waiting must lift it. It puts into l what
// the answer's body says beside the headers.
func lifts(l *ratelimit.Limit, body []byte, now time.Time) bool {
	if ratelimit.Spends(body, now) {
		l.Kind, l.Wait = ratelimit.Spend, false
	}
	if d := l.ResetsAt.Sub(now); l.Kind == ratelimit.UsageWindow && d > l.RetryIn {
		l.RetryIn = d
	}
	return !l.Dead && l.Wait
}

// said is what an answer's headers tell of limits.
type said struct {
	limits  limit.Headers
	windows []turn.Told
	// organization is whose the account is; empty: it does not say.
	organization string
}

// resources reads them.
func resources(header func(string) string) (s said) {
	for _, r := range ratelimit.Rates(header) {
		s.limits.Set(r.Name, r.Limit, r.Remaining)
	}
	s.organization = fleet.Organization(header("Anthropic-Organization-Id"))
	for _, name := range turn.WindowNames() {
		if w, ok := ratelimit.WindowOf(header, name); ok {
			s.windows = append(s.windows, turn.Told{Name: w.Name, Used: w.Used, ResetsAt: w.ResetsAt})
		}
	}
	return s
}
