package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// patience bounds the wait for what must happen some time, on any machine.
const patience = time.Minute

// desk is where hooks of several sessions meet. The test is all their Claude Codes.
type desk struct {
	*testing.T
	store  *lockfile.Store
	rules  turn.Rules
	limits func(context.Context, string) ([]ratelimit.Rate, bool, error)
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	store, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	return &desk{T: t, store: store, rules: turn.Rules{Most: 1}}
}

func (d *desk) hook(env ...string) *Hook {
	return &Hook{
		Store: d.store, Rules: d.rules, MaxWait: time.Hour, Limits: d.limits,
		Pool: func() (string, string) { return "the limit", "secret" },
		Getenv: func(name string) string {
			for _, e := range append(env, "CLAUDE_PID="+strconv.Itoa(os.Getpid())) {
				if value, ok := strings.CutPrefix(e, name+"="); ok {
					return value
				}
			}
			return ""
		},
	}
}

// eventOf is what Claude Code writes to a hook; more are fields with values, such as "agent_id", "a".
func eventOf(name, session string, more ...string) string {
	fields := map[string]string{"hook_event_name": name, "session_id": session, "cwd": "/work", "transcript_path": "/nowhere/" + session + ".jsonl"}
	for i := 0; i+1 < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(data)
}

// send delivers an event and waits for the hook's end.
func (d *desk) send(event string) {
	d.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d.hook().Run(ctx, strings.NewReader(event), &out)
	if out.Len() > 0 || ctx.Err() != nil {
		d.Fatalf("the hook of %s says %q, %v; want silence", event, &out, ctx.Err())
	}
}

// waiting is a hook that waits for a turn.
type waiting struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (d *desk) ask(event string) waiting {
	ctx, cancel := context.WithCancel(context.Background())
	w := waiting{cancel, make(chan struct{})}
	d.Cleanup(func() { cancel(); <-w.done })
	go func() {
		defer close(w.done)
		d.hook().Run(ctx, strings.NewReader(event), &bytes.Buffer{})
	}()
	return w
}

func (d *desk) granted(w waiting) {
	d.Helper()
	select {
	case <-w.done:
	case <-time.After(patience):
		d.Fatalf("no turn; the account: %+v", d.account())
	}
}

func (d *desk) account() *turn.Account {
	d.Helper()
	v, err := d.store.View()
	if err != nil {
		d.Fatal(err)
	}
	defer v.Close()
	return v.State.Account(v.State.AccountID("secret"))
}

func (d *desk) turns() []*turn.Call { d.Helper(); return d.account().Turns("") }

// sent is how many calls were made and not rejected.
func (d *desk) sent() int {
	d.Helper()
	return d.account().Class("").Pace.Sent
}

// queue waits until these sessions stand in line, and nobody else.
func (d *desk) queue(sessions ...string) {
	d.Helper()
	var got []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got = nil
		for _, t := range d.account().Waiting() {
			got = append(got, t.Session)
		}
		if fmt.Sprint(got) == fmt.Sprint(sessions) {
			return
		}
	}
	d.Fatalf("in line are %q, want %q", got, sessions)
}

func TestTurnsGoRoundInOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	b := d.ask(eventOf("UserPromptSubmit", "b"))
	d.queue("b")
	c := d.ask(eventOf("UserPromptSubmit", "c"))
	d.queue("b", "c")
	d.send(eventOf("PreToolUse", "a"))
	d.granted(b)
	d.queue("c")
	a := d.ask(eventOf("PostToolBatch", "a"))
	d.queue("c", "a")
	d.send(eventOf("Stop", "b"))
	d.granted(c)
	d.send(eventOf("StopFailure", "c", "error", "server_error"))
	d.granted(a)
	d.send(eventOf("SessionEnd", "a"))
	if a := d.account(); len(a.Turns(""))+len(a.Waiting()) != 0 {
		t.Errorf("after the end: %+v", a)
	}
}

func TestTheSameEventTwiceIsOneTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	d.send(eventOf("UserPromptSubmit", "a"))
	b1, b2 := d.ask(eventOf("UserPromptSubmit", "b")), d.ask(eventOf("UserPromptSubmit", "b"))
	d.queue("b")
	d.send(eventOf("Stop", "a"))
	d.granted(b1)
	d.granted(b2)
	if turns, sent := len(d.turns()), d.sent(); turns != 1 || sent != 2 {
		t.Errorf("%d turns and %d calls, want 1 and 2", turns, sent)
	}
}

// Up to 2.1.198 a prompt that was sent, stopped by Esc before the first word, and sent again makes the same event, to the
// byte (seen on 2.1.118 and 2.1.186; later ones name each prompt). What tells them apart is the first one's row: it is
// written when all its hooks have ended.
func TestTheSamePromptSentAgainIsAnotherCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.rules = turn.Rules{Budget: turn.Budget{Calls: 1}}
	transcript := filepath.Join(t.TempDir(), "a.jsonl")
	prompt := eventOf("UserPromptSubmit", "a", "transcript_path", transcript, "prompt", "hello one")
	first, twin := d.ask(prompt), d.ask(prompt)
	d.granted(first)
	d.granted(twin)
	if calls := d.sent(); calls != 1 {
		t.Fatalf("the prompt makes %d calls, want 1", calls)
	}
	row := `{"parentUuid":null,"isSidechain":false,"promptId":"2120c0c3-a1b4-49b9-8c73-a0b96343e3f5","type":"user","message":{"role":"user","content":"hello one"},` +
		`"uuid":"7ae89a68-53e8-4f5e-a59b-1c7b0d7f1a10","timestamp":"2026-11-26T21:24:45.651Z","permissionMode":"default","userType":"external","version":"2.1.186"}` + "\n"
	if err := os.WriteFile(transcript, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	again, twin := d.ask(prompt), d.ask(prompt)
	d.queue("a")
	again.cancel()
	twin.cancel()
	<-again.done
	<-twin.done
	d.queue()
}

// Up to 2.1.117 the gate after the tools runs once for each of them.
func TestSeveralToolsOfOneAnswerAreOneTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("PostToolUse", "a", "tool_use_id", "1"))
	d.send(eventOf("PostToolUse", "a", "tool_use_id", "2"))
	if turns, sent := len(d.turns()), d.sent(); turns != 1 || sent != 1 {
		t.Errorf("%d turns and %d calls, want one of each", turns, sent)
	}
}

func TestAnInterruptedWaiterLeavesTheLine(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	b := d.ask(eventOf("UserPromptSubmit", "b"))
	d.queue("b")
	b.cancel()
	<-b.done
	d.queue()
}

func TestAWaitHasABound(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	h := d.hook()
	h.MaxWait = 10 * time.Millisecond
	h.Run(context.Background(), strings.NewReader(eventOf("UserPromptSubmit", "b")), &bytes.Buffer{})
	d.queue()
	if log, _ := os.ReadFile(filepath.Join(d.store.Dir(), "log")); !strings.Contains(string(log), "max_wait") {
		t.Errorf("the log says %q", log)
	}
}

func TestASubagentWaitsForItsOwnTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	sub := d.ask(eventOf("SubagentStart", "a", "agent_id", "s"))
	d.queue("a")
	d.send(eventOf("PreToolUse", "a"))
	d.granted(sub)
	d.send(eventOf("SubagentStop", "a", "agent_id", "s"))
	if turns := d.turns(); len(turns) != 0 {
		t.Errorf("turns: %+v", turns)
	}
}

func TestACompactionTakesOneTurnAndCountsItsCalls(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("PreCompact", "a"))
	d.send(eventOf("SubagentStop", "a", "agent_id", "x"))
	d.send(eventOf("SubagentStop", "a", "agent_id", "y"))
	d.send(eventOf("SessionStart", "a", "source", "compact"))
	d.send(eventOf("PostCompact", "a"))
	if turns, sent := len(d.turns()), d.sent(); turns != 0 || sent != 2 {
		t.Errorf("%d turns and %d calls, want none and 2", turns, sent)
	}
}

func TestALimitThatEndedATurnCoolsAllDown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	d.send(eventOf("StopFailure", "a", "error", "rate_limit"))
	if until := d.account().CoolsUntil(time.Now(), ""); time.Until(until) < 20*time.Second {
		t.Errorf("cool-down until %v, want 30 s", until)
	}
}

// The transcript's rows are those of 2.1.330, shortened.
func TestARetryInTheTranscriptHoldsTheOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.rules = turn.Rules{}
	transcript := filepath.Join(t.TempDir(), "a.jsonl")
	d.send(eventOf("UserPromptSubmit", "a", "transcript_path", transcript))
	stamp := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	row := fmt.Sprintf(`{"type":"api-request","sessionId":"a","id":"1","timestamp":%[1]q,"querySource":"sdk"}
{"type":"system","subtype":"api_error","error":{"status":429,"formatted":"429 slow down"},"retryInMs":75000,"retryAttempt":1,"maxRetries":300,"timestamp":%[1]q,"sessionId":"a"}
`, stamp)
	if err := os.WriteFile(transcript, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	d.ask(eventOf("UserPromptSubmit", "b"))
	d.queue("b")
	a := d.account()
	if until := a.CoolsUntil(time.Now(), ""); time.Until(until) < time.Minute {
		t.Errorf("cool-down until %v, want some 75 s", until)
	}
	if a.Class("").Pace.Rate == 0 {
		t.Error("the pace was not learned")
	}
}

func TestWhateverIsWrongTheSessionGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, in := range []string{"", "{", "[]", "null", `{"hook_event_name":"Stop"}`, eventOf("Never heard of", "a"), `{"hook_event_name":3}`} {
		var out bytes.Buffer
		d.hook().Run(context.Background(), strings.NewReader(in), &out)
		if out.Len() > 0 {
			t.Errorf("the hook of %q says %q", in, &out)
		}
	}
	if err := os.WriteFile(filepath.Join(d.store.Dir(), "state.json"), []byte(`{"version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d.send(eventOf("UserPromptSubmit", "a"))
	var out bytes.Buffer
	d.hook().Run(context.Background(), strings.NewReader(eventOf("SessionStart", "a")), &out)
	var says struct{ SystemMessage string }
	if err := json.Unmarshal(out.Bytes(), &says); err != nil || !strings.Contains(says.SystemMessage, "newer afteryou") {
		t.Errorf("at the start of a session the hook says %q, want that the state is newer", &out)
	}
	out.Reset()
	d.hook(WarnedEnv+"=1").Run(context.Background(), strings.NewReader(eventOf("SessionStart", "a")), &out)
	if out.Len() > 0 {
		t.Errorf("after the launcher's warning the hook says %q too", &out)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(eventOf("PostToolBatch", "a", "agent_id", "s")))
	f.Add([]byte(`{"hook_event_name":"Stop","session_id":"a","error":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := read(bytes.NewReader(data))
		if err == nil && (e.Name == "" || e.Session == "" || e.id == "") {
			t.Errorf("read(%q) = %+v without an error", data, e)
		}
	})
}

// Of a session that nothing tells of when its calls are rejected, the turns know it.
func TestWhoseRejectionsAreToldLate(t *testing.T) {
	t.Parallel()
	terminal, print := "CLAUDE_CODE_ENTRYPOINT=cli", "CLAUDE_CODE_ENTRYPOINT=sdk-cli"
	launched := LauncherEnv + "=1:"
	prompt, subagent := eventOf("UserPromptSubmit", "a"), eventOf("SubagentStart", "a", "agent_id", "s")
	for _, tt := range []struct {
		name, event string
		env         []string
		late        bool
	}{
		{"a terminal", prompt, []string{terminal}, true},
		{"a terminal that a launcher reads", prompt, []string{terminal, launched}, false},
		{"-p", prompt, []string{print}, false},
		{"a subagent", subagent, []string{terminal, launched}, true},
		{"a subagent of -p", subagent, []string{print}, true},
	} {
		d := newDesk(t)
		d.hook(tt.env...).Run(t.Context(), strings.NewReader(tt.event), io.Discard)
		if calls := d.account().Calls; len(calls) != 1 || (calls[0].News == turn.ByNext) != tt.late {
			t.Errorf("%s: %+v, want told late: %v", tt.name, calls, tt.late)
		}
	}
}
