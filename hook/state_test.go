package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

var eventNames = []string{"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch", "PreCompact", "PostCompact",
	"SubagentStart", "SubagentStop", "Stop", "StopFailure", "SessionEnd", "Notification"}

// spoiled are states that did harm when they were believed. ACCOUNT is that of the hook's session, a; FIFO is a named pipe.
func spoiled() map[string]string {
	now := time.Now().UTC()
	const pid = `"process":{"pid":1}` // which lives, and whose start nobody knows
	session := `"sessions":{"a":{"account":"ACCOUNT",` + pid + `}},`
	account := func(fields string) string {
		return fmt.Sprintf(`{"version":2,"salt":"s",%s"accounts":{"ACCOUNT":{"name":"x","at":%q,%s}}}`, session, now.Format(time.RFC3339Nano), fields)
	}
	class := func(fields string) string { return account(`"classes":{"":{` + fields + `}}`) }
	far := now.AddDate(90, 0, 0).Format(time.RFC3339)
	return map[string]string{
		"null":                   `null`,
		"nothing":                ``,
		"a number":               `-1`,
		"a negative version":     `{"version":-1}`,
		"a newer layout":         `{"version":9,"accounts":[]}`,
		"wrong types":            `{"version":2,"sessions":[],"accounts":""}`,
		"a null session":         `{"version":2,"salt":"s","sessions":{"x":null}}`,
		"this session null":      `{"version":2,"salt":"s","sessions":{"a":null}}`,
		"this account null":      `{"version":2,"salt":"s",` + session + `"accounts":{"ACCOUNT":null,"x":null}}`,
		"a null class":           account(`"classes":{"":null,"opus":null}`),
		"a null call":            account(`"calls":[null]`),
		"cool-downs below none":  class(`"cool":{"times":-1}`),
		"a window below none":    class(`"pace":{"window":-3}`),
		"turns rejected before":  account(`"calls":[{"session":"a",` + pid + `,"phase":1,"rejections":-70,"granted":"` + far + `","seen":"` + far + `"}]`),
		"a cool-down for ever":   class(`"cool":{"until":"` + far + `"}`),
		"a pace of nothing":      class(`"pace":{"rate":1e-300,"level":-1e18}`),
		"a transcript in a pipe": strings.Replace(account(`"ahead":0`), `"a":{`, `"a":{"transcript":"FIFO","offsets":{"":7},`, 1),
		"one of a device":        strings.Replace(account(`"ahead":0`), `"a":{`, `"a":{"transcript":"/dev/zero","offsets":{"":7},`, 1),
		"one in a directory":     strings.Replace(account(`"ahead":0`), `"a":{`, `"a":{"transcript":"/","offsets":{"":7},`, 1),
		"the clock put back":     fmt.Sprintf(`{"version":2,"salt":"s",%s"accounts":{"ACCOUNT":{"name":"x","at":%q,"classes":{"":{"cool":{"until":%[2]q},"pace":{"rate":1,"level":-1,"at":%[2]q}}}}}}`, session, far),
		"a busy line": account(`"calls":[{"session":"b","event":"e",` + pid + `},{"session":"a","agent":"s","event":"f",` + pid + `},` +
			`{"session":"a","event":"g","phase":1,` + pid + `,"sent":"` + now.Format(time.RFC3339) + `","trial":true,"silent":true,"news":2},` +
			`{"session":"a","phase":2,"refused":"` + now.Format(time.RFC3339) + `","retry":{"rejected":"` + now.Format(time.RFC3339) + `","in":1000000000}}],` +
			`"classes":{"":{"pace":{"rate":0.5,"level":0.5},"tokens":{"input":{"rate":10,"level":5}}}},` +
			`"budgeted":"` + now.Format(time.RFC3339) + fmt.Sprintf(`","requests":[%d]`, now.UnixMilli())),
	}
}

// filled is a state or an event with the places of this test in it.
func filled(text []byte, fifo string) []byte {
	id := (&turn.State{Salt: "s"}).AccountID("secret")
	return []byte(strings.NewReplacer("ACCOUNT", id, "FIFO", fifo).Replace(string(text)))
}

func pipe(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe.jsonl")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bear delivers an event and holds the hook's promise: it ends, says nothing but JSON, and the next change of the state
// works; after it the state is good, or of a newer layout and untouched.
func bear(t testing.TB, store *lockfile.Store, event []byte, env ...string) {
	t.Helper()
	d := desk{store: store, rules: turn.Rules{}}
	h := d.hook(env...)
	h.MaxWait, h.Notify = 10*time.Millisecond, true
	h.Status = func(io.Writer) error { return errors.ErrUnsupported }
	var out bytes.Buffer
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		h.Run(context.Background(), bytes.NewReader(event), &out)
	}()
	select {
	case wrong := <-ended:
		if wrong != nil {
			t.Fatalf("the hook of %s panics: %v", event, wrong)
		}
	case <-time.After(patience):
		t.Fatalf("the hook of %s does not end", event)
	}
	if log, _ := os.ReadFile(filepath.Join(store.Dir(), "log")); bytes.Contains(log, []byte("panic")) {
		t.Fatalf("after the hook of %s the log says\n%s", event, log)
	}
	if out.Len() > 0 && !json.Valid(out.Bytes()) {
		t.Fatalf("the hook of %s says %q", event, &out)
	}
	v, err := store.Update(context.Background(), func(*turn.State) error { return nil })
	if v != nil {
		v.Close()
	}
	if errors.As(err, new(*lockfile.NewerError)) {
		return
	}
	if err != nil && !errors.As(err, new(*lockfile.CorruptError)) {
		t.Fatalf("after the hook of %s Update says %v", event, err)
	}
	if v, err = store.View(); err != nil {
		t.Fatalf("after a change View says %v", err)
	}
	v.Close()
}

func TestTheHookGoesOnWhateverTheStateSays(t *testing.T) {
	t.Parallel()
	fifo := pipe(t)
	for what, state := range spoiled() {
		t.Run(what, func(t *testing.T) {
			for _, name := range eventNames {
				for _, more := range [][]string{{"error", "rate_limit"}, {"agent_id", "s"}, {"transcript_path", fifo}, {"transcript_path", "/dev/zero"}} {
					store := newDesk(t).store
					if err := os.WriteFile(filepath.Join(store.Dir(), "state.json"), filled([]byte(state), fifo), 0o600); err != nil {
						t.Fatal(err)
					}
					bear(t, store, []byte(eventOf(name, "a", more...)))
				}
			}
		})
	}
}

func TestTheHookGoesOnWhateverStandsInThePlaceOfTheState(t *testing.T) {
	t.Parallel()
	for what, put := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link":      func(path string) error { return os.Symlink("/dev/zero", path) },
		"100 MB": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 100<<20))
		},
		"a closed file": func(path string) error { return os.WriteFile(path, nil, 0) },
		"a full list": func(path string) error {
			return os.WriteFile(path, []byte(`{"version":2,"accounts":{`+strings.Repeat(`"":{},`, 1<<17)+`"":{}}}`), 0o600)
		},
	} {
		t.Run(what, func(t *testing.T) {
			for _, name := range eventNames {
				store := newDesk(t).store
				if err := put(filepath.Join(store.Dir(), "state.json")); err != nil {
					t.Fatal(err)
				}
				bear(t, store, []byte(eventOf(name, "a")))
			}
		})
	}
}

func FuzzHookState(f *testing.F) {
	for _, state := range spoiled() {
		for _, name := range eventNames {
			f.Add([]byte(state), []byte(eventOf(name, "a")), false)
		}
		f.Add([]byte(state), []byte(eventOf("StopFailure", "a", "transcript_path", "FIFO", "error", "rate_limit")), false)
		f.Add([]byte(state), []byte(eventOf("SubagentStart", "a", "agent_id", "s", "transcript_path", "/dev/zero")), false)
		f.Add([]byte(state), []byte(eventOf("SessionStart", "a")), true)
	}
	f.Fuzz(func(t *testing.T, state, event []byte, counted bool) {
		store, err := lockfile.Open(filepath.Join(t.TempDir(), "afteryou"))
		if err != nil {
			t.Fatal(err)
		}
		fifo := pipe(t)
		if err := os.WriteFile(filepath.Join(store.Dir(), "state.json"), filled(state, fifo), 0o600); err != nil {
			t.Fatal(err)
		}
		var env []string
		if counted {
			env = []string{GatewayEnv + "=http://gate http://upstream", "ANTHROPIC_BASE_URL=http://gate"}
		}
		bear(t, store, filled(event, fifo), env...)
	})
}

// 1. One session has the turn, five wait. 2. Somebody writes garbage. 3. It is set aside, with one line; with it is gone who
// has the turn, so that one of the five gets it. 4. The others wait on, and all get their turn, one after the other.
func TestGarbageSendsNobodyOutOfTheLine(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "a"))
	waits := make(map[string]waiting)
	var line []string
	for _, s := range []string{"b", "c", "d", "e", "f"} {
		waits[s] = d.ask(eventOf("UserPromptSubmit", s))
		line = append(line, s)
		d.queue(line...)
	}
	if err := os.WriteFile(filepath.Join(d.store.Dir(), "state.tmp2"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(d.store.Dir(), "state.tmp2"), filepath.Join(d.store.Dir(), "state.json")); err != nil {
		t.Fatal(err)
	}
	for len(waits) > 0 {
		var has string
		for deadline := time.Now().Add(patience); has == ""; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("of %d who wait nobody gets the turn", len(waits))
			}
			v, err := d.store.View()
			if err != nil {
				continue // not set aside yet
			}
			v.Close()
			for _, a := range v.State.Accounts {
				if turns := a.Turns(""); len(turns) == 1 && len(a.Waiting()) == len(waits)-1 {
					has = turns[0].Session
				}
			}
		}
		w, ok := waits[has]
		if !ok {
			t.Fatalf("%q has the turn and waits for none", has)
		}
		<-w.done
		delete(waits, has)
		for s, w := range waits {
			select {
			case <-w.done:
				t.Fatalf("%s went on without a turn", s)
			default:
			}
		}
		d.send(eventOf("Stop", has))
	}
	aside, _ := filepath.Glob(filepath.Join(d.store.Dir(), "state.corrupt-*"))
	log, _ := os.ReadFile(filepath.Join(d.store.Dir(), "log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	if len(aside) != 1 || len(lines) != 1 || !strings.HasSuffix(lines[0], "; set aside as "+filepath.Base(slices.Concat(aside, []string{"none"})[0])) {
		t.Errorf("set aside are %q, and the log says\n%s", aside, log)
	}
}

// After a day of subagents the state is as small as after an hour.
func TestFinishedSubagentsLeaveTheState(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := transcript(t)
	agents := filepath.Join(strings.TrimSuffix(path, ".jsonl"), "subagents")
	if err := os.MkdirAll(agents, 0o700); err != nil {
		t.Fatal(err)
	}
	const day = 30
	for i := range day {
		agent := fmt.Sprint(i)
		file := filepath.Join(agents, "agent-"+agent+".jsonl")
		row := fmt.Sprintf(`{"type":"api-request","id":"1","timestamp":%q}`+"\n", time.Now().UTC().Format(time.RFC3339Nano))
		if err := os.WriteFile(file, []byte(row), 0o600); err != nil {
			t.Fatal(err)
		}
		d.send(eventOf("SubagentStart", "a", "agent_id", agent, "transcript_path", path))
		d.send(eventOf("SubagentStop", "a", "agent_id", agent, "transcript_path", path))
		long := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(file, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.session("a"); len(got.Offsets) > 3 {
		t.Errorf("after %d subagents the state remembers %v", day, got.Offsets)
	}
}
