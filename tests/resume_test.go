package tests

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
	"afteryou/internal/terminal"
)

// limitedFor answers as then does, but from the first call that begins is true of, and for as long as given, with the
// retry-after that is left.
func limitedFor(d time.Duration, begins func(fakeapi.Request) bool, then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	var mu sync.Mutex
	var until time.Time
	return func(r fakeapi.Request) fakeapi.Answer {
		mu.Lock()
		defer mu.Unlock()
		if until.IsZero() && begins(r) {
			until = r.Arrived.Add(d)
		}
		if left := until.Sub(r.Arrived); left > 0 {
			return fakeapi.RateLimited(left)
		}
		return then(r)
	}
}

// withoutNetWaits makes Claude Code let a turn die of a long retry-after, and the limit known to nobody but it.
var withoutNetWaits = []string{"CLAUDE_CODE_RETRY_WATCHDOG=0", "AFTERYOU_GATEWAY=off"}

// woken counts how often the session of that name was made to go on.
func (m *machine) woken(name string) int {
	m.t.Helper()
	paths, err := realclaude.Transcripts(filepath.Join(m.dir, name))
	if err != nil {
		m.t.Fatal(err)
	}
	var rows []json.RawMessage
	for _, path := range paths {
		more, err := realclaude.Rows(path)
		if err != nil {
			m.t.Fatal(err)
		}
		rows = append(rows, more...)
	}
	n := 0
	for _, raw := range rows {
		var row struct {
			Type    string
			Message struct{ Content any }
		}
		if json.Unmarshal(raw, &row) != nil || row.Type != "user" {
			continue
		}
		if text, ok := row.Message.Content.(string); ok && strings.Contains(text, "The API limit that stopped you is over") {
			n++
		}
	}
	return n
}

// wokenOnce wants the session to have been made to go on once, and to be left alone then.
func (m *machine) wokenOnce(name string) {
	m.t.Helper()
	// The transcript is written a moment after the screen.
	for deadline := time.Now().Add(patience); m.woken(name) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("the session is not woken; our log:\n%s", m.logged())
		}
	}
	m.quietFor(2 * time.Second)
	if n := m.woken(name); n != 1 {
		m.t.Errorf("woken %d times, want once", n)
	}
}

// neverWoken wants the session not to have been made to go on, and to be left alone for as long as given.
func (m *machine) neverWoken(name string, d time.Duration) {
	m.t.Helper()
	m.quietFor(d)
	if n := m.woken(name); n != 0 {
		m.t.Errorf("woken %d times, want never", n)
	}
	if log := m.logged(); strings.Contains(log, " woken ") {
		m.t.Errorf("our log says\n%s\nwant nobody woken", log)
	}
}

// logged is what our own log says.
func (m *machine) logged() string {
	data, err := os.ReadFile(filepath.Join(m.stateDir(), "log"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// deadTurn is a session that was opened and asked, and whose call was rejected by the limit: its turn is dead.
func deadTurn(t *testing.T, limited fakeapi.AnswerFunc, settings []string, args ...string) (*machine, realclaude.Session, *terminal.Terminal) {
	t.Helper()
	m := newMachine(t, fakeapi.Config{Answer: limited}, append(settings, withoutNetWaits...)...)
	s := m.session("one")
	terminal := m.open(s, args...)
	m.ask(terminal, "hello")
	m.sees(terminal, "Request rejected (429)")
	return m, s, terminal
}

// stopped waits until status shows the session as stopped, until the API's time.
func (m *machine) stopped() {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		r := m.status()
		if len(r.Pools) == 1 && len(r.Pools[0].Stopped) == 1 && r.Pools[0].Stopped[0].Seconds > 31 && r.Pools[0].Stopped[0].Why == "rate limit" {
			return
		}
		if time.Now().After(deadline) {
			m.t.Errorf("status does not show the session that stopped: %+v", r)
			return
		}
	}
}

// atOnce begins a limit with the first call.
func atOnce(fakeapi.Request) bool { return true }

// short is a limit from the first call on, long enough to be seen, whose rejections end a turn all the same.
const short = 40 * time.Second

func shortly(then fakeapi.AnswerFunc) fakeapi.AnswerFunc {
	return deadly(limitedFor(short, atOnce, then))
}

// wentOnAfter wants one conversation, one rejected call of it, and its next one when the limit was over: not before, and
// soon. It returns the requests that are no session's.
func (m *machine) wentOnAfter(limit time.Duration) (ours []fakeapi.Request) {
	m.t.Helper()
	ids := make(map[string]bool)
	var rejected, next time.Time
	for _, r := range m.api.Log() {
		switch {
		case r.Session == "":
			ours = append(ours, r)
			continue
		case r.Status == 429 && rejected.IsZero():
			rejected = r.Arrived
		case r.Status == 429:
			m.t.Errorf("rejected once more, after %v", r.Arrived.Sub(rejected))
		case !rejected.IsZero() && next.IsZero():
			next = r.Arrived
		}
		ids[r.Session] = true
	}
	if len(ids) != 1 {
		m.t.Errorf("calls of %d conversations, want one", len(ids))
	}
	after := next.Sub(rejected)
	m.t.Logf("the session went on %v after the rejection", after.Round(100*time.Millisecond))
	// 10 s more where the machine is not slow; reaching the limit of patience would be another way of going on.
	if after < limit || after > limit+25*time.Second {
		m.t.Errorf("the session went on %v after the rejection, want it %v after it or soon", after, limit)
	}
	return ours
}

// 1. A session runs a tool, and its next call is told to come back after 75 seconds: the turn dies at once, and Claude Code
// tells nobody for how long. 2. Nobody types; the API is asked once, with the session's key and model. 3. The session is
// woken when the limit is over, and ends its task. The tool ran once.
func TestRealDeadTurnIsWoken(t *testing.T) {
	t.Parallel()
	task := fakeapi.AgenticCommand(2, func(int) string { return "echo ran >> count" })
	const limit = 75 * time.Second
	once := func(r fakeapi.Request) bool { return r.Results == 1 }
	m, s, terminal := deadTurn(t, limitedFor(limit, once, task), nil, "--permission-mode", "bypassPermissions")
	m.sees(terminal, "done")
	m.wokenOnce("one")
	ours := m.wentOnAfter(limit)
	real := m.api.Log()[0]
	if len(ours) != 1 || ours[0].Model != real.Model || ours[0].MaxTokens != 1 || ours[0].Header.Get("X-Api-Key") != real.Header.Get("X-Api-Key") {
		t.Errorf("the API is asked by %+v, want one small request with the session's key and model", ours)
	}
	if ran, err := os.ReadFile(filepath.Join(s.Dir, "count")); strings.Count(string(ran), "ran") != 1 {
		t.Errorf("the tool ran %q, %v; want once", ran, err)
	}
	m.rings(terminal, "(rate limit)")
	// The log tells which session was stopped by what, from when until when, and how it went on.
	id := real.Session
	for _, want := range []string{
		"session " + id + ` stopped by a rate limit; goes on after \w+ \d+ \d\d:\d\d:\d\d\n`,
		"session " + id + ` woken 1m\d+s after its rate limit\n`,
	} {
		if !regexp.MustCompile(want).MatchString(m.logged()) {
			t.Errorf("our log says\n%s\nwant %s", m.logged(), want)
		}
	}
}

// rings wants a terminal to have been told once that its session goes on after more than a minute.
func (m *machine) rings(terminal *terminal.Terminal, why string) {
	m.t.Helper()
	want := regexp.MustCompile("\x1b\\]9;afteryou: work goes on after [1-9]m\\d+s " + regexp.QuoteMeta(why) + "\a\a")
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		raw := terminal.Raw()
		if want.Match(raw) && bytes.Count(raw, []byte("]9;afteryou")) == 1 {
			return
		}
		if time.Now().After(deadline) {
			m.t.Errorf("the terminal is not told, or more than once, that the session goes on %s", why)
			return
		}
	}
}

// Where the API is not to be asked, the session is woken after the first blind cool-down, and Claude Code waits for the
// rest by itself.
func TestRealDeadTurnIsWokenBlindly(t *testing.T) {
	t.Parallel()
	m, _, terminal := deadTurn(t, limitedFor(75*time.Second, atOnce, fakeapi.Agentic(1)), []string{"AFTERYOU_PROBE=off"})
	m.sees(terminal, "done")
	m.wokenOnce("one")
	for _, r := range m.api.Log() {
		if r.Session == "" {
			t.Errorf("the API is asked all the same: %+v", r)
		}
	}
}

// The person goes on before the limit is over: the prompt waits for its end, and the session is not woken too.
func TestRealDeadTurnIsNotWokenOverThePerson(t *testing.T) {
	t.Parallel()
	m, _, terminal := deadTurn(t, shortly(fakeapi.Agentic(1)), nil)
	m.ask(terminal, "never mind")
	m.sees(terminal, "done")
	m.wentOnAfter(short)
	m.neverWoken("one", 5*time.Second)
}

// quietFor wants the server to get no more calls for that long.
func (m *machine) quietFor(d time.Duration) {
	m.t.Helper()
	calls := len(m.api.Log())
	time.Sleep(d)
	if n := len(m.api.Log()); n != calls {
		m.t.Errorf("%d more calls, want none", n-calls)
	}
}

// The person goes on, and a permission dialog is open when the limit has ended: it stays as it is.
func TestRealDeadTurnIsNotWokenIntoADialog(t *testing.T) {
	t.Parallel()
	const dialog = "Do you want to proceed?"
	task := fakeapi.AgenticCommand(2, func(int) string { return "touch made" })
	m, _, terminal := deadTurn(t, shortly(task), nil, "--permission-mode", "default")
	m.ask(terminal, "go on")
	m.sees(terminal, dialog)
	m.neverWoken("one", 5*time.Second)
	if after := terminal.Screen(); !strings.Contains(after, dialog) {
		t.Errorf("the dialog is gone:\n%s", after)
	}
}

// A menu of Claude Code is open when the session is woken: it stays open, nothing is sent, and the session goes on once it
// is closed.
func TestRealMenuSurvivesTheWaking(t *testing.T) {
	t.Parallel()
	const menu = "Enter to continue · Esc to cancel"
	m, _, terminal := deadTurn(t, shortly(fakeapi.Agentic(1)), nil)
	esc := func() {
		if err := terminal.Send([]byte("\x1b")); err != nil {
			t.Fatal(err)
		}
	}
	esc()
	time.Sleep(300 * time.Millisecond) // two keys, not one sequence
	esc()
	m.sees(terminal, menu)
	for deadline := time.Now().Add(patience); !strings.Contains(m.logged(), " woken "); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the session is not woken; our log:\n%s", m.logged())
		}
	}
	m.quietFor(3 * time.Second)
	if after := terminal.Screen(); !strings.Contains(after, menu) {
		t.Errorf("the menu is gone:\n%s", after)
	}
	esc()
	m.sees(terminal, "done")
	m.wokenOnce("one")
}

// A draft stands in the prompt when the session is woken: it stays there.
func TestRealDraftSurvivesTheWaking(t *testing.T) {
	t.Parallel()
	const draft = "a draft of mine"
	m, _, terminal := deadTurn(t, shortly(fakeapi.Agentic(1)), []string{"AFTERYOU_NOTIFY=off"})
	if err := terminal.Send([]byte(draft)); err != nil {
		t.Fatal(err)
	}
	m.sees(terminal, draft)
	m.stopped()
	m.sees(terminal, "done")
	m.wokenOnce("one")
	m.wentOnAfter(short)
	if bytes.Contains(terminal.Raw(), []byte("]9;afteryou")) {
		t.Error("the terminal is told that the session goes on, with notify off")
	}
	if screen := strings.ReplaceAll(terminal.Screen(), "\u00a0", " "); !strings.Contains(screen, "❯ "+draft) {
		t.Errorf("the draft is gone from the prompt:\n%s", screen)
	}
	for _, r := range m.api.Log() {
		if strings.Contains(r.LastText, draft) {
			t.Errorf("the draft was sent: %q", r.LastText)
		}
	}
}

// A conversation that quotes every wording, said by the person and by the model and printed by a tool, is no limit.
func TestRealQuotesAreNoLimit(t *testing.T) {
	t.Parallel()
	quotes := strings.Join([]string{
		"API Error: Request rejected (429) · This request would exceed your organization's rate limit",
		"You've hit your 5-hour limit · resets 6:12pm (UTC)", "Claude AI usage limit reached|1795776000", "API Error: Rate limit reached",
		"✻ API error · retrying in 50s · attempt 1/10", "✻ 5-hour limit reached · retrying in 20s (5:17pm) · attempt 1/300",
		"● API Error: Repeated 529 Overloaded errors.", "  ⎿  Credit balance is too low", "Usage limit reached · set to continue automatically at 5:15pm",
		`{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":429,"error":"rate_limit"}`,
	}, "\n")
	m := newMachine(t, fakeapi.Config{Answer: func(r fakeapi.Request) fakeapi.Answer {
		if r.Tools > 0 && r.Since == 0 {
			return fakeapi.Bash("cat quotes")
		}
		return fakeapi.Say(quotes + "\n\ndone")
	}})
	s := m.session("one")
	if err := os.WriteFile(filepath.Join(s.Dir, "quotes"), []byte(quotes), 0o600); err != nil {
		t.Fatal(err)
	}
	terminal := m.open(s, "--permission-mode", "bypassPermissions")
	m.ask(terminal, "what is \"API Error: Request rejected (429) · x\" and \"✻ API error · retrying in 50s · attempt 1/10\"?")
	m.sees(terminal, "done")
	m.quietFor(3 * time.Second)
	if r := m.status(); len(r.Pools) != 1 || r.Pools[0].CoolDown != nil || r.Pools[0].Usage != nil || len(r.Pools[0].Retrying) > 0 {
		t.Errorf("status shows a limit: %+v", r)
	}
	if log := m.logged(); strings.Contains(log, "stopped by") {
		t.Errorf("our log says\n%s", log)
	}
}
