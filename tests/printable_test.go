package tests

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"afteryou/hook"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// evil is a name that sets the title of a terminal, clears its screen by either form of the sequence, turns the order of
// letters, and makes a line and a column of its own.
const evil = "/e\x1b]0;owned\a\x1b[2J\u009b2J\u202e\u2066\x7f\r\nturn\tvil"

// steers is the first of what a terminal would obey in text, or what would hide or turn its letters.
func steers(text string) (string, bool) {
	for _, r := range text {
		if r != '\n' && r != '\t' && !unicode.IsGraphic(r) || r == unicode.ReplacementChar {
			return fmt.Sprintf("%U", r), true
		}
	}
	return "", false
}

// evilHome is a home in whose state, log and transcripts all names are evil.
func evilHome(t *testing.T) *person {
	p := newSomeone(t, "2.1.330")
	now := time.Now()
	p.state(func(state *turn.State) error {
		p := state.Open("p" + evil)
		p.Name, p.At = "account "+evil, now
		p.Limited(now, "", now.Add(time.Hour), "why "+evil)
		state.Sessions = make(map[string]*turn.Session)
		for _, id := range []string{"\x1b[31m", "\u202eab", "stopped", "idle"} {
			state.Sessions[id] = &turn.Session{Account: "p" + evil, Process: lockfile.Self(), Dir: evil, Since: now, Seen: now}
		}
		state.Sessions["stopped"].Stop = turn.Stop{Since: now, Until: now.Add(time.Hour), Why: "why " + evil}
		p.Calls = []*turn.Call{
			{Key: turn.Key{Session: "\x1b[31m", Agent: evil}, Phase: turn.Granted, Process: lockfile.Self(), Granted: now, Seen: now},
			{Key: turn.Key{Session: "\u202eab"}, Process: lockfile.Self(), Asked: now},
		}
		return nil
	})
	store, err := lockfile.Open(p.path(".local/state/afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	store.Log("session %s stopped", evil)
	row, err := json.Marshal(map[string]any{
		"type": "assistant", "sessionId": "\x1b[31m", "cwd": evil, "timestamp": now.UTC().Format(time.RFC3339Nano), "requestId": "r",
		"message": map[string]any{"id": "m", "model": "m" + evil, "usage": map[string]int{"input_tokens": 1, "output_tokens": 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.write(".claude/projects/x/\x1b[31m.jsonl", string(row)+"\n", 0o600)
	return p
}

// Whatever directories, sessions, limits and accounts are called, nothing that is printed reaches the terminal but as
// letters, and each name stays in its line. What is JSON is JSON, and means the name.
func TestNothingPrintedSteersTheTerminal(t *testing.T) {
	t.Parallel()
	s := evilHome(t)
	clean := s.env
	for _, tt := range []struct {
		args []string
		env  string
		says string // on either output
	}{
		{args: []string{"status"}, says: `account /e\u001b]0;owned`},
		{args: []string{"status", "--json"}},
		{args: []string{"usage"}, says: `owned`},
		{args: []string{"usage", "--json"}},
		{args: []string{"log"}, says: `session /e\u001b]0;owned`},
		{args: []string{"config"}, env: "AFTERYOU_CLAUDE=" + evil, says: `"/e\U0000001B]0;owned`},
		{args: []string{"config", "--json"}, env: "AFTERYOU_CLAUDE=" + evil},
		{args: []string{"doctor"}, env: "AFTERYOU_CLAUDE=" + evil, says: `owned`},
		{args: []string{"doctor", "--json"}, env: "AFTERYOU_CLAUDE=" + evil},
		{args: []string{"install", "hooks", "--dry-run"}, env: "AFTERYOU_CLAUDE=" + evil, says: `owned`},
		{args: []string{"status"}, env: "XDG_STATE_HOME=" + s.path(".claude/projects/x/\x1b[31m.jsonl"), says: `\u001b[31m.jsonl`},
		{args: []string{"run", "--", "-p", "x"}, env: "AFTERYOU_CLAUDE=" + evil, says: `owned`},
		{args: []string{"status", "--" + evil}, says: `owned`},
		{args: []string{evil}, says: `owned`},
	} {
		s.env = append(clean[:len(clean):len(clean)], tt.env)
		out, errs, _ := s.afteryou(tt.args...)
		what := fmt.Sprintf("%q %q", tt.env, tt.args)
		if bad, ok := steers(out + errs); ok {
			t.Errorf("%s prints %s:\n%q\n%q", what, bad, out, errs)
		}
		if tt.args[len(tt.args)-1] == "--json" {
			if !json.Valid([]byte(out)) || !strings.Contains(out, "owned") && tt.args[0] != "doctor" {
				t.Errorf("%s prints no JSON, or not the name: %q", what, out)
			}
			continue
		}
		if !strings.Contains(out+errs, tt.says) {
			t.Errorf("%s says %q and %q, want %q", what, out, errs, tt.says)
		}
		if strings.Contains("\n"+out, "\nturn\tvil") || strings.Count(out, "\nturn ") > 1 {
			t.Errorf("%s prints a name as a line of its own: %q", what, out)
		}
	}
	// JSON gives the name back.
	s.env = clean
	if r := s.status(); len(r.Pools) != 1 || r.Pools[0].Name != "account "+evil || r.Pools[0].Waiting[0].Dir != evil {
		t.Errorf("status --json gives %+v", r)
	}
	// The plugin's command.
	event, err := json.Marshal(map[string]string{"hook_event_name": "UserPromptSubmit", "session_id": "idle", "prompt": hook.StatusPrompt})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.hook(string(event)).Output()
	var shown struct{ Reason string }
	if err == nil {
		err = json.Unmarshal(answer, &shown)
	}
	if bad, ok := steers(shown.Reason); err != nil || ok || !strings.Contains(shown.Reason, "owned") {
		t.Errorf("the plugin's command shows %s: %q, %v", bad, shown.Reason, err)
	}
}
