package observe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/turn"
)

// The rows are those of 2.1.330, shortened to what is read of them.
func request(at time.Time, id string) string {
	return fmt.Sprintf(`{"type":"api-request","sessionId":"s","id":%q,"timestamp":%q,"querySource":"repl_main_thread"}`, id, stamp(at))
}

func answer(at time.Time, id string) string {
	return fmt.Sprintf(`{"parentUuid":"p","isSidechain":false,"message":{"id":%q,"type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":1,"output_tokens":1}},"type":"assistant","timestamp":%q}`, id, stamp(at))
}

func interrupted(at time.Time) string {
	return fmt.Sprintf(`{"parentUuid":"p","isSidechain":false,"type":"user","message":{"role":"user","content":[{"type":"text","text":"[Request interrupted by user]"}]},"timestamp":%q}`, stamp(at))
}

func died(at time.Time) string {
	return fmt.Sprintf(`{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":429,"timestamp":%q,"message":{"content":[{"type":"text","text":"API Error: Request rejected (429)"}]}}`, stamp(at))
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// scene is a session that has the turn and writes a transcript, and nothing else tells of its rejections.
type scene struct {
	*testing.T
	now   time.Time
	state *turn.State
	key   turn.Key
	file  string
}

func newScene(t *testing.T) *scene {
	s := &scene{T: t, now: time.Now(), state: turn.NewState(), key: turn.Key{Session: "s"}, file: filepath.Join(t.TempDir(), "s.jsonl")}
	s.state.Sessions = map[string]*turn.Session{"s": {Account: "p", Transcript: s.file}}
	s.ask(turn.Call{Key: s.key, Event: "e", News: turn.ByNext}, 0)
	return s
}

func (s *scene) account() *turn.Account { return s.state.Open("p") }

// ask gives a call its turn at a time after the beginning, if it can have it.
func (s *scene) ask(c turn.Call, after time.Duration) {
	s.account().Ask(s.now.Add(after), c)
	s.account().Admit(s.now.Add(after), func(turn.Process) bool { return true })
}

// sent is how many calls count.
func (s *scene) sent() int {
	return s.pace().Sent
}

func (s *scene) pace() limit.Pace { return s.account().Class("").Pace }

func (s *scene) write(rows ...string) {
	s.Helper()
	f, err := os.OpenFile(s.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString(strings.Join(rows, "\n") + "\n")
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		s.Fatal(err)
	}
}

// look reads and tells at a time after the beginning.
func (s *scene) look(after time.Duration) {
	for _, r := range Read(s.state, s.key) {
		r.Apply(s.now.Add(after), s.state)
	}
}

func (s *scene) rejections() (n int) {
	for _, c := range s.account().Calls {
		if !c.Refused.IsZero() {
			n++
		}
	}
	return n
}

// A turn died of a limit, or was interrupted, and the session asked for another one before anybody read of it.
func TestALateEndTakesNoLaterTurn(t *testing.T) {
	for name, row := range map[string]func(time.Time) string{"a limit": died, "an interrupt": interrupted} {
		s := newScene(t)
		s.write(row(s.now.Add(time.Second)))
		s.ask(turn.Call{Key: s.key, Event: "next"}, 3*time.Second)
		if s.look(4 * time.Second); !s.account().Granted(s.key, "next") {
			t.Errorf("%s: the next call has lost its turn: %+v", name, s.account().Calls)
		}
	}
}

// What made nobody wait when it was news makes nobody wait when it is none.
func TestALateDeathCoolsNobodyDown(t *testing.T) {
	s := newScene(t)
	s.write(died(s.now.Add(time.Second)))
	if s.look(time.Minute); !s.account().CoolsUntil(s.now.Add(time.Minute), "").IsZero() {
		t.Errorf("all cool down: %+v", s.account().Class("").CoolDown)
	}
	if s.account().Holds(s.key) {
		t.Error("the dead turn is kept")
	}
}

func TestARowIsToldOnce(t *testing.T) {
	s := newScene(t)
	s.write(request(s.now.Add(time.Second), "1"), request(s.now.Add(5*time.Second), "2"))
	first, second := Read(s.state, s.key), Read(s.state, s.key)
	if len(first) != 1 || len(second) != 1 {
		t.Fatalf("%d and %d reports, want one each", len(first), len(second))
	}
	first[0].Apply(s.now.Add(6*time.Second), s.state)
	rate, calls := s.pace().Rate, s.sent()
	second[0].Apply(s.now.Add(6*time.Second), s.state)
	if s.pace().Rate != rate || s.sent() != calls {
		t.Errorf("told twice: %+v", s.pace())
	}
	if len(Read(s.state, s.key)) != 0 {
		t.Error("there is still something to read")
	}
}

func TestASecondRequestWithoutAnAnswerTellsOfARejection(t *testing.T) {
	s := newScene(t)
	s.write(request(s.now.Add(20*time.Millisecond), "1"), request(s.now.Add(5*time.Second), "2"))
	s.look(6 * time.Second)
	if s.rejections() != 1 || s.pace().Rate == 0 {
		t.Errorf("nothing was learned: %+v", s.account())
	}
}

// A limit that the message of a 429 names is the pace.
func TestALimitThatIsNamedIsLearned(t *testing.T) {
	s := newScene(t)
	s.write(request(s.now.Add(20*time.Millisecond), "1"), fmt.Sprintf(`{"type":"system","subtype":"api_error","error":{"message":"429 {\"type\":\"error\",\"error\":`+
		`{\"type\":\"rate_limit_error\",\"message\":\"This request would exceed your organization's rate limit of 30 requests per minute.\"}}","status":429},`+
		`"retryInMs":4100,"retryAttempt":1,"maxRetries":10,"timestamp":%q}`, stamp(s.now.Add(time.Second))))
	s.look(2 * time.Second)
	if limit := s.pace().Limit; limit != 0.5 {
		t.Errorf("a limit of %g a second was learned, want 0.5", limit)
	}
}

// What 2.1.330 wrote: a prompt stopped by Esc before the first word, sent again, stopped again; then another one, whose call
// was rejected once. Only that second try is one.
func TestARequestAfterEscTellsOfNoRejection(t *testing.T) {
	data, err := os.ReadFile("testdata/claude-2.1.330/esc.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(data)), "\n")
	s := newScene(t)
	s.now = time.Date(2026, 11, 26, 21, 15, 23, 0, time.UTC)
	ask := func(event string, after time.Duration) {
		s.ask(turn.Call{Key: s.key, Event: event, News: turn.ByNext}, after)
		if !s.account().Holds(s.key) {
			t.Fatalf("%s has no turn: %+v", event, s.account())
		}
	}
	s.state = turn.NewState()
	s.state.Sessions = map[string]*turn.Session{"s": {Account: "p", Transcript: s.file}}
	// So that no prompt waits for the trial of the one before.
	s.account().Classes = map[string]*turn.Class{"": {Pace: limit.Pace{Window: 3}}}
	for i, sent := range []time.Duration{642, 2736, 5128} { // by the rows, in milliseconds
		ask(fmt.Sprint("prompt ", i), (sent-100)*time.Millisecond)
		s.write(rows[2*i : 2*i+2]...)
		s.look((sent + 50) * time.Millisecond)
		if n := s.rejections(); n != 0 || s.pace().Rate != 0 {
			t.Fatalf("prompt %d: %d rejections are told, and the pace is %g", i+1, n, s.pace().Rate)
		}
	}
	s.write(rows[6])
	s.look(8 * time.Second)
	if s.rejections() != 1 || s.pace().Rate == 0 {
		t.Errorf("nothing was learned of the second try: %+v", s.account())
	}
}

func TestASecondRequestAfterAnAnswerTellsOfNone(t *testing.T) {
	s := newScene(t)
	s.write(request(s.now.Add(20*time.Millisecond), "1"), answer(s.now.Add(time.Second), "m1"), request(s.now.Add(5*time.Second), "2"))
	s.look(6 * time.Second)
	if s.rejections() != 0 || s.pace().Rate != 0 {
		t.Errorf("a rejection was made up: %+v", s.account())
	}
}

// A transcript is written by the clock of its session's machine, and may be read on another one.
func TestRowsOfAnotherMachineAreOfItsClock(t *testing.T) {
	s := newScene(t)
	const behind = -3 * time.Hour
	s.state.Clocks = map[string]int64{"b": -behind.Milliseconds()}
	s.state.Arrive(s.now, "a/1")
	s.state.Sessions["s"].Process = turn.Process{PID: 1, Host: "b/1"}
	s.write(request(s.now.Add(behind+20*time.Millisecond), "1"), request(s.now.Add(behind+5*time.Second), "2"))
	s.look(6 * time.Second)
	calls := s.account().Calls
	if sent := calls[len(calls)-1].Sent.Sub(s.now); s.rejections() != 1 || sent < 4*time.Second || sent > 6*time.Second {
		t.Errorf("%d rejections, and the last call was sent %v from the start; want 1 and 5s", s.rejections(), sent)
	}
}

func TestAnInterruptGivesTheTurnBack(t *testing.T) {
	s := newScene(t)
	s.write(request(s.now.Add(20*time.Millisecond), "1"), interrupted(s.now.Add(time.Second)))
	s.look(2 * time.Second)
	if s.account().Holds(s.key) {
		t.Error("the session still has the turn")
	}
}

// Versions without request rows are counted by their answers.
func TestAnswersWithoutATurnAreCounted(t *testing.T) {
	s := newScene(t)
	s.write(answer(s.now.Add(time.Second), "m1"))
	s.look(time.Second)
	s.account().Succeeded(s.now.Add(time.Second), s.key)
	s.write(answer(s.now.Add(2*time.Second), "m2"), answer(s.now.Add(2*time.Second), "m2"))
	s.look(3 * time.Second)
	if got := s.sent(); got != 2 {
		t.Errorf("%d calls are counted, want 2: the one with a turn and m2", got)
	}
}

func TestSubagentsWriteBesideTheirSession(t *testing.T) {
	got := Transcript(&turn.Session{Transcript: "/dir/s.jsonl"}, turn.Key{Session: "s", Agent: "a"})
	if want := "/dir/s/subagents/agent-a.jsonl"; got != want {
		t.Errorf("Transcript = %q, want %q", got, want)
	}
}

// A session has hundreds of subagents a day, and what is remembered of each is read and written at every call.
func TestFinishedSubagentsAreForgotten(t *testing.T) {
	s := newScene(t)
	session := s.state.Sessions["s"]
	session.Offsets = map[string]int64{"": 5}
	write := func(agent string, age time.Duration) {
		path := Transcript(session, turn.Key{Session: "s", Agent: agent})
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(request(s.now.Add(-age), "1")+"\n"), 0o600),
			os.Chtimes(path, s.now.Add(-age), s.now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	for i, age := range []time.Duration{0, 59 * time.Minute, 61 * time.Minute, 1000 * time.Hour} {
		agent := fmt.Sprint("old-", i)
		write(agent, age)
		session.Offsets[agent] = 7
	}
	session.Offsets["gone"] = 9
	session.Offsets["busy"] = 9
	finished := Finished(s.now, session, "s")
	session.Offsets["busy"] = 10 // it goes on just then
	Forget(session, finished)
	if got := fmt.Sprint(session.Offsets); got != "map[:5 busy:10 old-0:7 old-1:7]" {
		t.Errorf("remembered are %s", got)
	}
	// One that was forgotten and goes on: what it did before is not told again.
	write("old-3", 1000*time.Hour)
	calls := s.sent()
	for _, r := range Read(s.state, turn.Key{Session: "s", Agent: "old-3"}) {
		r.Apply(s.now, s.state)
	}
	if got := s.sent(); got != calls {
		t.Errorf("%d calls of long ago are counted", got-calls)
	}
}

func TestCallersAreTheSessionsOfTheAccountAndItsBusySubagents(t *testing.T) {
	s := newScene(t)
	s.state.Sessions["other"] = &turn.Session{Account: "another"}
	s.ask(turn.Call{Key: turn.Key{Session: "s", Agent: "a"}, Event: "e"}, 3*time.Second)
	if got := fmt.Sprint(Callers(s.state, "p")); got != "[{s  } {s a }]" {
		t.Errorf("Callers = %s", got)
	}
}

// An answer tells of which class the session's model is, and what the call took: for the budget, and for what is expected
// of the next. What came from the cache does not count, and a row told again changes nothing.
func TestAnswersTellWhatCallsTook(t *testing.T) {
	s := &scene{T: t, now: time.Now(), state: turn.NewState(), key: turn.Key{Session: "s"}, file: filepath.Join(t.TempDir(), "s.jsonl")}
	s.state.Sessions = map[string]*turn.Session{"s": {Account: "p", Transcript: s.file}}
	ask := func(event string, after time.Duration) {
		s.ask(turn.Call{Key: s.key, Event: event, Rules: turn.Rules{Budget: turn.Budget{Calls: 9, Input: 5000}}}, after)
	}
	ask("e", 0)
	answer := fmt.Sprintf(`{"parentUuid":"p","isSidechain":false,"message":{"id":"m1","type":"message","role":"assistant","model":"claude-opus-4-6","content":[],`+
		`"usage":{"input_tokens":300,"cache_creation_input_tokens":700,"cache_read_input_tokens":90000,"output_tokens":50}},"type":"assistant","timestamp":%q}`, stamp(s.now.Add(2*time.Second)))
	s.write(request(s.now.Add(time.Second), "r1"), answer, answer)
	s.look(3 * time.Second)
	if class := s.state.Sessions["s"].Class; class != "opus-4.5-4.8" {
		t.Errorf("class %q, want that of Opus 4.5 to 4.8", class)
	}
	took, _, ok := s.account().Spending(s.now.Add(3 * time.Second))
	if want := (turn.Budget{Calls: 1, Input: 1000, Output: 50}); !ok || took != want {
		t.Errorf("the last minute took %+v, %v; want %+v", took, ok, want)
	}
	s.account().Succeeded(s.now.Add(3*time.Second), s.key)
	ask("f", 4*time.Second)
	if took, _, _ := s.account().Spending(s.now.Add(4 * time.Second)); took.Input != 2300 || took.Calls != 2 {
		t.Errorf("with a call that is expected to add as much, and to have what was not put into the cache: %+v", took)
	}
}
