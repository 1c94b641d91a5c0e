package tests

import (
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// narrow is a server that lets through so many input tokens a minute, and nothing that is larger.
func narrow(perMinute int, then fakeapi.AnswerFunc) fakeapi.Config {
	return fakeapi.Config{Limits: fakeapi.Limits{Input: fakeapi.Limit{PerMinute: float64(perMinute)}},
		Cost: func(fakeapi.Request) fakeapi.Usage { return fakeapi.Usage{Input: 10} },
		Answer: func(r fakeapi.Request) fakeapi.Answer {
			if strings.Contains(string(r.Body), huge) {
				return fakeapi.RateLimited(time.Second)
			}
			return then(r)
		}}
}

// huge begins a prompt of twice the limit.
const huge = "a huge prompt"

// A prompt of twice the limit ends its turn with one line that tells the numbers, after one request, by the module and by the gateway;
// a session beside it goes on as ever.
func TestRealPromptThatNeverFits(t *testing.T) {
	t.Parallel()
	const limit = 14_000
	prompt := huge + strings.Repeat(" word another", 2*limit*4/13+1)
	for name, extra := range map[string][]string{"module": {withModule}, "gateway": {throughGateway}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, narrow(limit, fakeapi.Agentic(3)), extra...)
			m.print(m.session("before"))
			var wg sync.WaitGroup
			other := m.session("beside")
			wg.Go(func() { m.print(other) })
			r, err := realclaude.Print(t.Context(), m.session("huge"), prompt)
			wg.Wait()
			t.Logf("%d after %v: %s%s", r.Code, r.Elapsed, r.Stdout, r.Stderr)
			if err != nil || r.Code != 1 {
				t.Errorf("%d, %v", r.Code, err)
			}
			if n := len(m.api.Rejections()); n != 1 {
				t.Errorf("%d requests for it, want one", n)
			}
			m.free()
		})
	}
}
