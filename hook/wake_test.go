package hook

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// died is the row with which a turn ends, with more fields, such as `"apiErrorStatus":429,`.
func died(at time.Time, text, more string) string {
	return fmt.Sprintf(`{"type":"assistant","isApiErrorMessage":true,%s"timestamp":%q,"message":{"model":"<synthetic>","content":[{"type":"text","text":%q}]}}`,
		more, at.UTC().Format(time.RFC3339Nano), text)
}

// prompted is the row of a prompt, answered that of an answer.
func prompted(at time.Time) string {
	return fmt.Sprintf(`{"type":"user","timestamp":%q,"message":{"role":"user","content":"hello"}}`, at.UTC().Format(time.RFC3339Nano))
}

func answered(at time.Time) string {
	return fmt.Sprintf(`{"type":"assistant","timestamp":%q,"message":{"model":"m","content":[{"type":"text","text":"hi"}]}}`, at.UTC().Format(time.RFC3339Nano))
}

const tooMany = "API Error: Request rejected (429) · This request would exceed your organization's rate limit"

// transcript writes the rows of a session's transcript.
func transcript(t *testing.T, rows ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func appendTo(t *testing.T, path, row string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(row + "\n"); err != nil {
		t.Fatal(err)
	}
}

// wake runs the handler to its end and says whether the session is to go on.
func (d *desk) wake(path string, more ...string) bool {
	d.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	event := eventOf("StopFailure", "s", append([]string{"transcript_path", path, "error", "rate_limit"}, more...)...)
	reason, ok := d.hook("CLAUDE_CODE_ENTRYPOINT=cli").Wake(ctx, strings.NewReader(event))
	if ctx.Err() != nil {
		d.Fatal("the handler does not come to an end")
	}
	if ok && reason == "" {
		d.Error("woken without a reason")
	}
	return ok
}

// cool makes everybody wait until then.
func (d *desk) cool(until time.Time) {
	d.Helper()
	v, err := d.store.Update(context.Background(), func(s *turn.State) error {
		s.Open(s.AccountID("secret")).Limited(time.Now(), "", until, "a test")
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
	v.Close()
}

func (d *desk) log() string {
	data, _ := os.ReadFile(filepath.Join(d.store.Dir(), "log")) // none: nothing was logged
	return string(data)
}

func TestWake(t *testing.T) {
	t.Parallel()
	now := time.Now()
	reset := func(at time.Time) string {
		return fmt.Sprintf(`"apiErrorStatus":429,"quotaLimits":{"resetsAt":%d},`, at.Unix())
	}
	const limit = `"apiErrorStatus":429,`
	for _, tt := range []struct {
		name string
		rows []string
		more []string // of the event
		cool time.Duration
		want bool
		log  string
	}{
		{"after the cool-down", []string{prompted(now), died(now, tooMany, limit)}, nil, 1500 * time.Millisecond, true, "woken"},
		{"bookkeeping behind the error", []string{died(now, tooMany, limit), `{"type":"last-prompt"}`, `{"type":"mode","mode":"normal"}`, `{"type":"user","isMeta":true}`}, nil, time.Second, true, "woken"},
		{"a subagent's work behind the error", []string{died(now, tooMany, limit), `{"type":"user","isSidechain":true}`, `{"type":"api-request","querySource":"agent:x"}`}, nil, time.Second, true, "woken"},
		{"a usage limit, after the time that Claude Code has for itself", []string{died(now, "You've hit your 5-hour limit", reset(now.Add(-3*time.Minute+2*time.Second)))}, nil, 0, true, "woken"},
		{"a usage limit whose time stands in the text", []string{died(now, "You've hit your 5-hour limit · resets "+now.Add(-3*time.Minute-time.Minute).UTC().Format("15:04")+" (UTC)", limit)}, nil, 0, true, "woken"},

		{"a spend limit", []string{died(now, "Credit balance is too low", "")}, nil, 0, false, "waiting does not lift its spend limit"},
		{"a usage limit without a time", []string{died(now, "You've hit your weekly limit", limit)}, nil, 0, false, "nothing says when"},
		{"a usage limit of days", []string{died(now, "You've hit your weekly limit", reset(now.Add(72*time.Hour)))}, nil, 0, false, "longer than max_wait"},
		{"another error", []string{died(now, "Invalid API key", `"apiErrorStatus":401,`)}, nil, 0, false, ""},
		{"a subagent", []string{died(now, tooMany, limit)}, []string{"agent_id", "a"}, 0, false, ""},
		{"another event", []string{died(now, tooMany, limit)}, []string{"hook_event_name", "Stop"}, 0, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			begin := time.Now()
			if tt.cool > 0 {
				d.cool(time.Now().Add(tt.cool))
			}
			got := d.wake(transcript(t, tt.rows...), tt.more...)
			if got != tt.want {
				t.Errorf("Wake is %v, want %v; log:\n%s", got, tt.want, d.log())
			}
			if took := time.Since(begin); got && took < tt.cool-time.Millisecond {
				t.Errorf("woken after %v, want not before %v", took, tt.cool)
			}
			if log := d.log(); !strings.Contains(log, tt.log) || tt.log == "" && log != "" {
				t.Errorf("the log says %q, want %q", log, tt.log)
			}
		})
	}
}

func TestWakeIsForInteractiveSessions(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cool(time.Now().Add(time.Second))
	event := eventOf("StopFailure", "s", "transcript_path", transcript(t, died(time.Now(), tooMany, "")))
	if _, ok := d.hook("CLAUDE_CODE_ENTRYPOINT=sdk-cli").Wake(t.Context(), strings.NewReader(event)); ok {
		t.Error("a session with -p is woken")
	}
}

// Both handlers of a doubled set of hooks wake, and one of them after a while only.
func TestWakeOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cool(time.Now().Add(time.Second))
	path := transcript(t, died(time.Now(), tooMany, ""))
	woken := make(chan bool)
	for range 2 {
		go func() { woken <- d.wake(path) }()
	}
	if a, b := <-woken, <-woken; a == b {
		t.Errorf("woken by the first: %v, by the second: %v; want one", a, b)
	}
	d.cool(time.Now().Add(time.Second))
	if d.wake(path) {
		t.Error("woken once more for the same error")
	}
}

// A session that is rejected each time is woken as often as the rules say.
func TestWakeAsOftenAsTheRulesSay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.rules.Resumes = 2
	path := transcript(t, prompted(time.Now()))
	for i := range 3 {
		appendTo(t, path, died(time.Now(), tooMany, ""))
		d.cool(time.Now().Add(time.Second))
		if got, want := d.wake(path), i < 2; got != want {
			t.Errorf("time %d: Wake is %v, want %v; log:\n%s", i+1, got, want, d.log())
		}
	}
	if log := d.log(); !strings.Contains(log, "max_resumes allows") {
		t.Errorf("the log says\n%s\nwant why", log)
	}
}

// Behind a gateway, which gives the turns, nobody stands in line to be woken, and the session stays known as the gateway's.
func TestWakeBehindAGateway(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const url = "http://127.0.0.1:4711/secret"
	env := []string{"CLAUDE_CODE_ENTRYPOINT=cli", "ANTHROPIC_BASE_URL=" + url, GatewayEnv + "=" + url + " https://api"}
	event := eventOf("StopFailure", "s", "transcript_path", transcript(t, died(time.Now(), "You've hit your 5-hour limit", fmt.Sprintf(
		`"apiErrorStatus":429,"quotaLimits":{"resetsAt":%d},`, time.Now().Add(-3*time.Minute-time.Minute).Unix()))))
	if _, ok := d.hook(env...).Wake(t.Context(), strings.NewReader(event)); !ok {
		t.Errorf("the session is not woken; log:\n%s", d.log())
	}
	v, err := d.store.View()
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if s, a := v.State.Sessions["s"], v.State.Account(v.State.AccountID("secret")); s == nil || !s.Gateway || len(a.Calls) > 0 {
		t.Errorf("session %+v, calls %+v; want the gateway's, and none", s, a.Calls)
	}
}

// Two sessions are stopped by one limit. The second is woken once the first has had its turn.
func TestWakeOneByOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.cool(time.Now().Add(time.Second))
	woken := make(chan string, 2)
	for _, session := range []string{"one", "two"} {
		event := eventOf("StopFailure", session, "transcript_path", transcript(t, prompted(time.Now()), died(time.Now(), tooMany, "")), "error", "rate_limit")
		go func() {
			if _, ok := d.hook("CLAUDE_CODE_ENTRYPOINT=cli").Wake(t.Context(), strings.NewReader(event)); !ok {
				session = "none"
			}
			woken <- session
		}()
	}
	first := <-woken
	select {
	case second := <-woken:
		t.Fatalf("%s is woken with %s", second, first)
	case <-time.After(time.Second):
	}
	d.send(eventOf("UserPromptSubmit", first))
	d.send(eventOf("Stop", first))
	if second := <-woken; second == first || second == "none" {
		t.Errorf("%s is woken after %s", second, first)
	}
}

// What happens while the handler sleeps: each keeps it from waking the session.
func TestWakeNotOver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		does func(d *desk, path string, cancel func())
	}{
		{"a prompt", func(d *desk, path string, _ func()) { appendTo(d.T, path, prompted(time.Now())) }},
		{"an answer after an automatic continuation", func(d *desk, path string, _ func()) { appendTo(d.T, path, answered(time.Now())) }},
		{"a prompt that was queued", func(d *desk, path string, _ func()) {
			appendTo(d.T, path, `{"type":"queue-operation","operation":"enqueue"}`)
		}},
		{"another error", func(d *desk, path string, _ func()) { appendTo(d.T, path, died(time.Now(), tooMany, "")) }},
		{"a prompt that waits for its turn", func(d *desk, _ string, _ func()) { d.prompt("s") }},
		{"the end of the session", func(_ *desk, _ string, cancel func()) { cancel() }},
		{"the loss of the transcript", func(d *desk, path string, _ func()) { os.Remove(path) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			path := transcript(t, prompted(time.Now()), died(time.Now(), tooMany, ""))
			d.cool(time.Now().Add(4 * time.Second))
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			woken := make(chan bool)
			go func() {
				event := eventOf("StopFailure", "s", "transcript_path", path, "error", "rate_limit")
				_, ok := d.hook("CLAUDE_CODE_ENTRYPOINT=cli").Wake(ctx, strings.NewReader(event))
				woken <- ok
			}()
			for deadline := time.Now().Add(patience); !strings.Contains(d.log(), "goes on after"); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the handler does not wait")
				}
			}
			tt.does(d, path, cancel)
			if <-woken {
				t.Error("the session is woken, want it left alone")
			}
		})
	}
}

// prompt puts a prompt of the session in line.
func (d *desk) prompt(session string) {
	v, err := d.store.Update(context.Background(), func(s *turn.State) error {
		s.Open(s.AccountID("secret")).Ask(time.Now(), turn.Call{Key: turn.Key{Session: session}, Event: "e"})
		return nil
	})
	if err != nil {
		d.Error(err)
		return
	}
	v.Close()
}

// The words of the event count where the transcript is late: a usage limit is no blind cool-down for everybody.
func TestStopFailureSaysWhichLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		said, err string
		cool      bool
	}{
		{tooMany, "rate_limit", true},
		{tooMany, "unknown", true}, // 2.1.78
		{"Slow down.", "rate_limit", true},
		{"You've hit your 5-hour limit · resets " + time.Now().Add(2*time.Hour).UTC().Format("3:04pm") + " (UTC)", "rate_limit", false},
		{"You've hit your weekly limit", "rate_limit", false},
		{"Credit balance is too low", "billing_error", false},
		{"API Error: 500", "server_error", false},
	} {
		t.Run(tt.said, func(t *testing.T) {
			d := newDesk(t)
			d.send(eventOf("StopFailure", "s", "error", tt.err, "last_assistant_message", tt.said))
			v, err := d.store.View()
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			a := v.State.Account(v.State.AccountID("secret"))
			if cool := !a.CoolsUntil(time.Now(), "").IsZero(); cool != tt.cool {
				t.Errorf("StopFailure with %q, %q: cooling is %v, want %v", tt.err, tt.said, cool, tt.cool)
			}
		})
	}
}

// The row has more than the event's words: that waiting does not lift this limit, say.
func TestTheRowKnowsTheLimitBetterThanTheEvent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := transcript(t, prompted(time.Now()))
	d.send(eventOf("SessionStart", "s", "transcript_path", path))
	appendTo(t, path, died(time.Now(), tooMany, `"apiErrorStatus":429,"apiErrorCode":"enforced_spend_limit_reached",`))
	d.send(eventOf("StopFailure", "s", "transcript_path", path, "error", "rate_limit", "last_assistant_message", tooMany))
	if until := d.account().CoolsUntil(time.Now(), ""); !until.IsZero() {
		t.Errorf("all cool down until %v", until)
	}
}

// The row that tells of the limit may come so late that the sleeper is the first to read it. It tells of one limit, not of
// another when the session goes on.
func TestALateRowIsNoOtherLimit(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := transcript(t, prompted(time.Now()))
	d.send(eventOf("SessionStart", "s", "transcript_path", path))
	appendTo(t, path, died(time.Now(), tooMany, `"apiErrorStatus":429,`))
	d.cool(time.Now().Add(time.Second))
	if !d.wake(path) {
		t.Fatalf("not woken; log:\n%s", d.log())
	}
	begin := time.Now()
	d.send(eventOf("UserPromptSubmit", "s", "transcript_path", path))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it waits for %v more", took)
	}
}
