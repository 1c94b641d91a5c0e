package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
)

// requested is the row of a request to a model.
func requested(at time.Time, model string) string {
	return fmt.Sprintf(`{"type":"api-request","timestamp":%q,"querySource":"repl_main_thread","params":{"model":%q}}`, at.UTC().Format(time.RFC3339Nano), model)
}

// stops is what Wake does of a session whose turn died without a time, where ask asks the API.
func (d *desk) stops(ctx context.Context, session string, ask func(context.Context, string) (ratelimit.Limit, error), rows ...string) bool {
	d.Helper()
	h := d.hook("CLAUDE_CODE_ENTRYPOINT=cli")
	h.Ask = ask
	event := eventOf("StopFailure", session, "transcript_path", transcript(d.T, rows...), "error", "rate_limit")
	_, ok := h.Wake(ctx, strings.NewReader(event))
	return ok
}

func TestWakeWhenTheAPISays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	now := time.Now()
	var asks atomic.Int32
	ask := func(_ context.Context, model string) (ratelimit.Limit, error) {
		if model != "the-model" {
			t.Errorf("asks about the model %q", model)
		}
		asks.Add(1)
		time.Sleep(100 * time.Millisecond) // the others come meanwhile
		return ratelimit.Limit{Kind: ratelimit.Requests, Wait: true, RetryIn: 4 * time.Second}, nil
	}
	const sessions = 3
	woken := make(chan string)
	for i := range sessions {
		session := fmt.Sprint("s", i)
		go func() {
			if !d.stops(t.Context(), session, ask, requested(now, "the-model"), died(now, tooMany, `"apiErrorStatus":429,`)) {
				t.Errorf("session %d is not woken; log:\n%s", i, d.log())
			}
			woken <- session
		}()
	}
	for range sessions {
		session := <-woken
		if wait := time.Since(now); wait < 4*time.Second || wait >= 30*time.Second {
			t.Errorf("woken after %v, want 4 s from when the API was asked", wait)
		}
		d.send(eventOf("UserPromptSubmit", session)) // it goes on, and the next one's turn comes
		d.send(eventOf("Stop", session))
	}
	if n := asks.Load(); n != 1 {
		t.Errorf("the API is asked %d times for %d sessions, want once", n, sessions)
	}
}

// limitedBefore has limits without a time met so many times in a row, the last some minutes ago.
func (d *desk) limitedBefore(times int) {
	d.Helper()
	v, err := d.store.Update(d.Context(), func(s *turn.State) error {
		a := s.Open(s.AccountID("secret"))
		for at := time.Now().Add(-5 * time.Minute); a.Class("").CoolDown.Times < times; at = a.Class("").CoolDown.Until.Add(time.Second) {
			a.Limited(at, "", time.Time{}, "x")
		}
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
	v.Close()
}

// Nothing is asked where there is nothing to ask about or with, and what is not learned changes nothing.
func TestWakeBlindly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	dies := died(now, tooMany, `"apiErrorStatus":429,`)
	answered := func(context.Context, string) (ratelimit.Limit, error) { return ratelimit.Limit{}, nil }
	for _, tt := range []struct {
		name  string
		rows  []string
		times int // limits in a row before
		ask   func(context.Context, string) (ratelimit.Limit, error)
		asks  int32
		woken bool // soon
		log   string
	}{
		{"nobody to ask", []string{requested(now, "m"), dies}, 0, nil, 0, false, ""},
		{"no model known", []string{prompted(now), dies}, 0, answered, 0, false, ""},
		{"an error", []string{requested(now, "m"), dies}, 0, func(context.Context, string) (ratelimit.Limit, error) { return ratelimit.Limit{}, errors.New("no way") }, 1, false, "does not learn how long its rate limit lasts: no way"},
		{"a limit without a time", []string{requested(now, "m"), dies}, 0, func(context.Context, string) (ratelimit.Limit, error) {
			return ratelimit.Limit{Kind: ratelimit.Requests, Wait: true}, nil
		}, 1, false, ""},
		{"an answer", []string{requested(now, "m"), dies}, 0, answered, 1, true, "woken"},
		{"an answer to a small request, where tokens are limited", []string{requested(now, "m"),
			died(now, "API Error: Request rejected (429) · This request would exceed your organization's rate limit of 30,000 input tokens per minute", `"apiErrorStatus":429,`)}, 0, answered, 1, false, ""},
		{"an answer, and it was rejected again all the same", []string{requested(now, "m"), dies}, 1, answered, 1, false, ""},
		{"a spend limit", []string{requested(now, "m"), dies}, 0, func(context.Context, string) (ratelimit.Limit, error) {
			return ratelimit.Limit{Kind: ratelimit.Spend}, nil
		}, 1, false, "waiting does not lift its spend limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.limitedBefore(tt.times)
			var asks atomic.Int32
			ask := tt.ask
			if ask != nil {
				ask = func(ctx context.Context, model string) (ratelimit.Limit, error) {
					asks.Add(1)
					return tt.ask(ctx, model)
				}
			}
			most := 2500 * time.Millisecond
			if tt.woken {
				most = patience
			}
			ctx, cancel := context.WithTimeout(t.Context(), most)
			defer cancel()
			if woken := d.stops(ctx, "s", ask, tt.rows...); woken != tt.woken {
				t.Errorf("woken: %v, want %v; log:\n%s", woken, tt.woken, d.log())
			}
			if n := asks.Load(); n != tt.asks {
				t.Errorf("asked %d times, want %d", n, tt.asks)
			}
			if log := d.log(); !strings.Contains(log, tt.log) {
				t.Errorf("the log says %q, want %q", log, tt.log)
			}
			if c := d.account().Class("").CoolDown; !tt.woken && tt.log == "" && (!c.Blind || time.Until(c.Until) < 20*time.Second) {
				t.Errorf("the cool-down is %+v, want a blind one", c)
			}
		})
	}
}

// The limit is over in the quiet hours: nobody is woken before their end.
func TestNobodyIsWokenInQuietHours(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	minute := func(at time.Time) int { return at.Hour()*60 + at.Minute() }
	now := time.Now()
	end := now.Truncate(time.Minute).Add(3 * time.Minute)
	d.rules.Quiet = turn.Quiet{From: minute(now.Add(-time.Minute)), To: minute(end)}
	d.cool(now.Add(time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	if d.stops(ctx, "s", nil, died(now, tooMany, `"apiErrorStatus":429,`)) {
		t.Error("woken in the quiet hours")
	}
	if want := "goes on after " + end.Format("Jan 2 15:04:05"); !strings.Contains(d.log(), want) {
		t.Errorf("the log says %q, want %q", d.log(), want)
	}
}

// One of those that wait asks what the limit is when a call was rejected and nobody said; all go on at that, and who has asked
// once asks no more.
func TestWhoWaitsAsksWhatTheLimitIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.rules = turn.Rules{}
	asked := make(chan string, 10)
	d.limits = func(_ context.Context, model string) ([]ratelimit.Rate, bool, error) {
		asked <- model
		return []ratelimit.Rate{{Name: "requests", Limit: 120, Remaining: 0}}, false, nil
	}
	file := filepath.Join(t.TempDir(), "a.jsonl")
	d.send(eventOf("UserPromptSubmit", "a", "transcript_path", file))
	now := time.Now()
	row := requested(now, "the-model") + "\n" + fmt.Sprintf(`{"type":"system","subtype":"api_error","error":{"status":429,"formatted":"429 slow down"},`+
		`"retryInMs":75000,"retryAttempt":1,"maxRetries":300,"timestamp":%q,"sessionId":"a"}`, now.UTC().Format(time.RFC3339Nano)) + "\n"
	if err := os.WriteFile(file, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	d.ask(eventOf("UserPromptSubmit", "b"))
	d.ask(eventOf("UserPromptSubmit", "c"))
	select {
	case model := <-asked:
		if model != "the-model" {
			t.Errorf("asks about the model %q", model)
		}
	case <-time.After(patience):
		t.Fatalf("nobody asks; log:\n%s", d.log())
	}
	var p limit.Pace
	for deadline := time.Now().Add(patience); p.Limit == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		p = d.account().Class("").Pace
	}
	if p.Limit != 2 || p.Source() != limit.ByMessage {
		t.Errorf("the pace is %+v, want 2 calls a second that the API named; log:\n%s", p, d.log())
	}
	if len(asked) > 0 {
		t.Error("the API is asked twice")
	}
}
