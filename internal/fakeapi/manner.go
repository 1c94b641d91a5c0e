package fakeapi

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Manner says how late and how terse a server is, whatever it answers. The zero Manner answers at once and says all it
// knows.
type Manner struct {
	// FirstToken is from the arrival of a call to the first event of its answer, with which the headers come. It varies
	// evenly by that share Jitter of itself, up and down: the nth call of the same Seed is always as late. A server that is
	// late rejects a call after 10 to 300 ms, as the API does, which need not wait for a token to say no.
	FirstToken time.Duration `json:"first_token_ns"`
	Jitter     float64       `json:"jitter"`
	Seed       uint64        `json:"seed,omitempty"`
	Speed      float64       `json:"tokens_per_s,omitempty"` // from the first on; 0: all with it

	// AtAdmission makes headers say what remained when the call was let through; otherwise, what remains as its answer
	// begins.
	AtAdmission  bool    `json:"at_admission,omitempty"`
	Headers      Headers `json:"headers,omitempty"`
	NoRetryAfter bool    `json:"no_retry_after,omitempty"` // a 429 does not say when to come again
	Unnamed      bool    `json:"unnamed,omitempty"`        // nor its message which limit it is
	PerModel     bool    `json:"per_model,omitempty"`      // each model has limits of its own, as at the API; else all share them
}

// Headers says whether the anthropic-ratelimit-* headers tell the truth.
type Headers string

const (
	True Headers = ""     // what is so
	None Headers = "none" // nothing: there are none
	Lies Headers = "lies" // that 42 of 50 requests remain, always
)

// Late returns the manner of a server on the other side of the internet. Figures measured on it may be published.
func Late() Manner { return Manner{FirstToken: 800 * time.Millisecond, Jitter: .25} }

// Takes returns how long an answer of so many tokens takes, on average.
func (m Manner) Takes(tokens int) time.Duration { return m.FirstToken + m.streaming(tokens) }

// Set adds what the words say, which stand between commas.
func (m *Manner) Set(words string) error {
	for word := range strings.SplitSeq(words, ",") {
		switch word {
		case "no-headers":
			m.Headers = None
		case "lying-headers":
			m.Headers = Lies
		case "no-retry-after":
			m.NoRetryAfter = true
		case "unnamed-limit":
			m.Unnamed = true
		case "at-admission":
			m.AtAdmission = true
		case "per-model":
			m.PerModel = true
		default:
			return fmt.Errorf("known are no-headers, lying-headers, no-retry-after, unnamed-limit, at-admission and per-model, not %q", word)
		}
	}
	return nil
}

// String describes the server for a person.
func (m Manner) String() string {
	text := "answers at once"
	if m.FirstToken > 0 {
		text = fmt.Sprintf("answers after %g s", m.FirstToken.Seconds())
	}
	if m.FirstToken > 0 && m.Jitter > 0 {
		text += fmt.Sprintf(" ± %g %%", 100*m.Jitter)
	}
	for _, more := range []struct {
		so   bool
		text string
	}{
		{m.Speed > 0, fmt.Sprintf("then %g tokens a second", m.Speed)},
		{m.AtAdmission, "counts what remains at admission"},
		{m.Headers == None, "without headers"},
		{m.Headers == Lies, "with headers that lie"},
		{m.NoRetryAfter, "without retry-after"},
		{m.Unnamed, "without naming the limit"},
		{m.PerModel, "limits each model by itself"},
	} {
		if more.so {
			text += ", " + more.text
		}
	}
	return text
}

// first returns the time to the first token of the call of that number.
func (m Manner) first(seq int) time.Duration {
	return time.Duration(float64(m.FirstToken) * (1 + m.Jitter*(2*m.random(seq)-1)))
}

// refusal returns how long the call of that number waits for its rejection.
func (m Manner) refusal(seq int) time.Duration {
	if m.FirstToken == 0 {
		return 0
	}
	return 10*time.Millisecond + time.Duration(m.random(seq)*float64(290*time.Millisecond))
}

func (m Manner) random(seq int) float64 { return rand.New(rand.NewPCG(m.Seed, uint64(seq))).Float64() }

// streaming returns how long an answer of so many tokens takes from the first on.
func (m Manner) streaming(tokens int) time.Duration {
	if m.Speed == 0 {
		return 0
	}
	return time.Duration(float64(tokens) / m.Speed * float64(time.Second))
}

// pieces returns the tokens of a text, if they come one by one.
func (m Manner) pieces(text string) (list []string) {
	if m.Speed == 0 {
		return []string{text}
	}
	for piece := range slices.Chunk([]rune(text), 4) {
		list = append(list, string(piece))
	}
	return list
}

// limits sets the headers that tell of the limits.
func (m Manner) limits(h http.Header, b buckets, now time.Time) {
	switch m.Headers {
	case None:
	case Lies:
		setLimit(h, "requests", 50, 42, now.Add(10*time.Second))
	default:
		b.headers(h, now)
	}
}
