package oldstate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/turn"
)

// recording is what a state of before says, as it stands there.
type recording struct {
	Version  int
	Salt     string
	Pools    map[string]recorded
	Sessions map[string]map[string]any
}

type recorded struct {
	Queue, Grants []struct {
		turn.Key
		Event           string
		Process, Waiter turn.Process
		Since, At       time.Time
		Seen            time.Time
		Print           bool
		Class           string `json:"class"`
		Budget          turn.Budget
	}
	Retries []struct {
		turn.Key
		turn.Retry
	}
	Cool   turn.CoolDown
	Usage  turn.Usage
	Tokens limit.Tokens
	Pace   struct {
		limit.Pace
		Log   log
		Empty any `json:"empty"`
	}
	Account struct {
		Budget turn.Budget
		Calls  []any
	}
	At time.Time
}

// recordings are the states that programs of before wrote, by file.
func recordings(t testing.TB) map[string][]byte {
	t.Helper()
	files, _ := filepath.Glob("../../testdata/state/*/*.json")
	list := make(map[string][]byte)
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r recording
		if err := json.Unmarshal(data, &r); err != nil || r.Version != Version {
			continue
		}
		list[strings.TrimPrefix(path, "../../testdata/state/")] = data
	}
	if len(list) < 38 {
		t.Fatalf("%d recordings", len(list))
	}
	return list
}

func everybody(turn.Process) bool { return true }

// arrived reads a state, when it was last written, as whoever wrote it.
func arrived(t *testing.T, data []byte) (s *turn.State, old recording, now time.Time) {
	t.Helper()
	if err := json.Unmarshal(data, &old); err != nil {
		t.Fatal(err)
	}
	s, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range old.Pools {
		now = turn.Latest(now, p.At)
	}
	s.Arrive(now, "")
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s, old, now
}

// Whoever had the turn has it, and whoever waited stands where he stood; but those whose waiters look no more.
func TestTurnsAndPlacesInLineSurvive(t *testing.T) {
	for name, data := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			s, old, _ := arrived(t, data)
			for id, p := range old.Pools {
				id, class, _ := strings.Cut(id, "/")
				a := s.Accounts[id]
				if n := len(a.Turns(class)); n != len(p.Grants) {
					t.Errorf("%s: %d turns, want %d", id, n, len(p.Grants))
				}
				for _, g := range p.Grants {
					g.Key.Class = class
					i := slices.IndexFunc(a.Turns(class), func(c *turn.Call) bool {
						return c.Key == g.Key && c.Event == g.Event && c.Process == g.Process && c.Granted.Equal(g.At) && c.Seen.Equal(g.Seen) && c.Print == g.Print && c.Rules.Budget == g.Budget
					})
					if i < 0 || !a.Holds(g.Key) {
						t.Errorf("%s: the turn %+v is lost", id, g)
					}
				}
				line := a.Line(class)
				for _, q := range p.Queue {
					q.Key.Class = class
					if q.Process == q.Waiter || q.Event == turn.WakeEvent {
						continue
					}
					if len(line) == 0 {
						t.Fatalf("%s: %+v does not wait any more", id, q)
					}
					if c := line[0]; c.Key != q.Key || c.Event != q.Event || c.Waiter != q.Waiter || !c.Asked.Equal(q.Since) || c.Print != q.Print ||
						c.Rules.Budget != q.Budget || c.Model != q.Class {
						t.Errorf("%s: in line stands %+v, want %+v", id, c, q)
					}
					line = line[1:]
				}
				if len(line) > 0 {
					t.Errorf("%s: %d more wait", id, len(line))
				}
			}
		})
	}
}

// Each limit is known as it was: announced tries, cool-downs, usage limits, what was learned of the pace and of tokens, and which
// calls were sent.
func TestWhatWasLearnedSurvives(t *testing.T) {
	for name, data := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			s, old, _ := arrived(t, data)
			for id, p := range old.Pools {
				id, class, _ := strings.Cut(id, "/")
				a := s.Accounts[id]
				retries := p.Retries
				for _, c := range a.Calls {
					if c.Class != class {
						continue
					}
					if i, logged := p.Pace.Log.find(c.Sent); logged && c.Nth != i+1 {
						t.Errorf("%s: the call of %v is number %d of %d, want %d", id, c.Sent, c.Nth, len(p.Pace.Log), i+1)
					}
					retries = slices.DeleteFunc(retries, func(r struct {
						turn.Key
						turn.Retry
					}) bool {
						return c.Retry != nil && c.Session == r.Session && c.Agent == r.Agent && *c.Retry == r.Retry && c.Refused.Equal(r.Rejected)
					})
				}
				if len(retries) > 0 {
					t.Errorf("%s: lost are %+v", id, retries)
				}
				l := *a.Class(class)
				p.Pace.Sent = len(p.Pace.Log)
				if !reflect.DeepEqual(l.Pace, p.Pace.Pace) || l.Tokens != p.Tokens || l.CoolDown != p.Cool || l.Usage != p.Usage {
					t.Errorf("%s: the limit is %+v, want %+v", id, l, p)
				}
				if class == "" && (a.Budget != p.Account.Budget || len(a.Requests) > len(p.Account.Calls)) {
					t.Errorf("%s: budget %v with %d requests, want %v with %d at most", id, a.Budget, len(a.Requests), p.Account.Budget, len(p.Account.Calls))
				}
			}
		})
	}
}

func TestSessionsSurvive(t *testing.T) {
	for name, data := range recordings(t) {
		s, old, _ := arrived(t, data)
		if s.Salt != old.Salt || len(s.Sessions) != len(old.Sessions) {
			t.Errorf("%s: %d sessions with %q, want %d with %q", name, len(s.Sessions), s.Salt, len(old.Sessions), old.Salt)
		}
		for id, was := range old.Sessions {
			var is map[string]any
			text, _ := json.Marshal(s.Sessions[id])
			json.Unmarshal(text, &is)
			for _, gone := range []string{"traced", "asked", "answer"} {
				delete(was, gone)
			}
			is["pool"] = is["account"]
			delete(is, "account")
			if !reflect.DeepEqual(is, was) {
				t.Errorf("%s: session %s is %v, want %v", name, id, is, was)
			}
		}
	}
}

// 1. A state of before is read. 2. A session asks for a turn, while nobody gives one back. 3. Those who have one give it back. 4. The
// session gets its turn, in 10 minutes at most, and gives it back. What becomes of the state at each step can be true.
func TestAStateOfBeforeGoesOn(t *testing.T) {
	for name, data := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			s, _, now := arrived(t, data)
			for id, a := range s.Accounts {
				for class := range a.Classes {
					goesOn(t, s, id, class, now)
				}
			}
		})
	}
}

func goesOn(t *testing.T, s *turn.State, id, class string, now time.Time) {
	t.Helper()
	a := s.Open(id)
	k := turn.Key{Session: "new", Class: class}
	a.Ask(now, turn.Call{Key: k, Event: "e", Rules: turn.Rules{Most: 1}})
	for at := now; !a.Granted(k, "e"); {
		again := written(t, s)
		if waits := again.Account(id).Waits(k); !waits {
			t.Fatalf("%s: the new session waits no more", id)
		}
		next := a.Admit(at, everybody)
		for _, c := range a.Turns(class) {
			if c.Key != k {
				a.Succeeded(at, c.Key)
			}
		}
		if at = turn.Latest(at.Add(time.Millisecond), next); at.Sub(now) > 10*time.Minute {
			t.Fatalf("%s: the new session waits until %v, from %v on", id, at, now)
		}
		a.Sweep(at, everybody, true)
	}
	a.Succeeded(a.At, k)
	s.Forget(a.At, everybody)
	written(t, s)
}

// written is the state as the next one reads it.
func written(t *testing.T, s *turn.State) *turn.State {
	t.Helper()
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again := new(turn.State)
	if err := json.Unmarshal(data, again); err != nil {
		t.Fatal(err)
	}
	if err := again.Check(); err != nil {
		t.Fatalf("what became of it can't be true: %v", err)
	}
	return again
}

// 1. One has the turn, and one waits, by a program of before. 2. Another comes by this one, and takes the state over. 3. Who waits
// goes on without a turn; who had the turn has it. 4. All events come to the program of before: it leaves the state alone, to
// the byte, and stops no session.
func TestAProgramOfBeforeLeavesANewStateAlone(t *testing.T) {
	files, _ := filepath.Glob("../../testdata/state/*/newer.json")
	if len(files) != 2 {
		t.Errorf("recorded are %q", files)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			State turn.State
			Hooks []struct {
				Event         string
				Exit          int
				Output        string
				Before, After string
			}
		}
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		for i, h := range r.Hooks {
			want := ""
			if h.Event == "SessionStart" {
				want = "takes no turns"
			}
			if h.Exit != 0 || (h.Output == "") != (want == "") || !strings.Contains(h.Output, want) || i > 0 && h.After != h.Before {
				t.Errorf("%s: the hook of %s ends with %d, says %q, and makes %s of %s", path, h.Event, h.Exit, h.Output, h.After, h.Before)
			}
		}
		if err := r.State.Check(); err != nil || r.State.Version != turn.Version || len(r.Hooks) < 15 {
			t.Errorf("%s: %d hooks on a state of layout %d, %v", path, len(r.Hooks), r.State.Version, err)
		}
		for _, a := range r.State.Accounts {
			held, waiting := a.Turns(""), a.Waiting()
			if len(held) != 1 || !strings.HasPrefix(held[0].Session, "holds-") || len(waiting) != 1 || !strings.HasPrefix(waiting[0].Session, "comes-") {
				t.Errorf("%s: %+v have the turn, and %+v wait", path, held, waiting)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, data := range recordings(f) {
		f.Add(data)
	}
	for _, text := range []string{
		`{"version":1,"pools":{"p":{"queue":[{"session":"a"}],"at":"2026-03-01T09:00:00Z","pace":{"rate":0.5,"level":1,"log":[1772355600000,5,5],"tries":[{"session":"a","at":"2026-03-01T09:00:00Z"}]}}}}`,
		`{"pools":{"p":{"at":"2026-03-01T09:00:00Z","retries":[{"session":"a","rejected":"2026-03-01T09:00:00Z","in":5000000000}]}}}`,
		`{"pools":{"p":{"at":"2100-01-01T00:00:00Z","retries":[{"session":"a","rejected":"2000-01-01T00:00:00Z","in":1}]}}}`,
		`{"pools":{"p":{"at":"2026-03-01T09:00:00Z","pace":{"window":1},"costs":{"input":1e9},"tokens":{"input":{"rate":1,"top":1e9,"at":"2026-03-01T09:00:00Z"}}}}}`,
		`{"pools":{"p":null,"p/c":{}},"sessions":{"s":null}}`, `{"pools":{"/":{"callers":[{}],"grants":[{},{}],"account":{"calls":[{}]}}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(data)
		if err != nil || s.Check() != nil {
			t.Skip()
		}
		now := time.Unix(1772355600, 0) // at least: what has no time yet is written at one all the same
		for _, a := range s.Accounts {
			now = turn.Latest(now, a.At)
		}
		s.Arrive(now, "")
		for _, a := range s.Accounts {
			a.Ask(now, turn.Call{Key: turn.Key{Session: "new"}, Event: "e"})
			a.Admit(now, everybody)
			a.Succeeded(now, turn.Key{Session: "new"})
		}
		s.Forget(now, everybody)
		written(t, s)
	})
}

// A turn of minutes ago, of which the log told no more, is withdrawn: what is counted then is no less than nothing.
func TestCallsOlderThanTheLog(t *testing.T) {
	data := `{"version":1,"pools":{"p":{"at":"2026-03-01T09:05:00Z",
		"grants":[{"session":"a","event":"e","at":"2026-03-01T09:04:00Z","seen":"2026-03-01T09:04:00Z"}],
		"callers":[{"session":"a","sent":"2026-03-01T09:04:00Z","owed":1}],
		"pace":{"rate":0.5,"level":1,"at":"2026-03-01T09:05:00Z","since":"2026-03-01T09:04:30Z","used":"2026-03-01T09:04:50Z"}}}}`
	s, _, now := arrived(t, []byte(data))
	s.Open("p").Withdraw(now, turn.Key{Session: "a"}, "e")
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}
