package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// says delivers an event and returns what the hook has the terminal told.
func (d *desk) says(event string, notify bool) string {
	d.Helper()
	h := d.hook()
	h.Notify = notify
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h.Run(ctx, strings.NewReader(event), &out)
	if ctx.Err() != nil {
		d.Fatal("the hook does not come to an end")
	}
	if out.Len() == 0 {
		return ""
	}
	var answer map[string]string
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil || len(answer) != 1 {
		d.Fatalf("the hook says %q: %v", &out, err)
	}
	return answer["terminalSequence"]
}

// stop has the session of that name stopped.
func (d *desk) stop(stop turn.Stop) {
	d.Helper()
	v, err := d.store.Update(context.Background(), func(s *turn.State) error { s.Sessions["s"].Stop = stop; return nil })
	if err != nil {
		d.Fatal(err)
	}
	v.Close()
}

// wait is how a session was held up, and what is said when it goes on.
type wait struct {
	name   string
	stop   turn.Stop
	events []string // before the answer
	dir    string
	notice string
	log    string
}

// Where somebody was told how much of a window is used, the person is told once that little is left.
func TestThePersonIsToldThatAWindowNearsItsEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(`{"hook_event_name":"SessionStart","session_id":"s"}`)
	v, err := d.store.Update(context.Background(), func(s *turn.State) error {
		for _, a := range s.Accounts {
			a.Windowed(time.Now(), time.Now(), []turn.Told{{Name: "7d", Used: .93, ResetsAt: time.Now().Add(time.Hour)}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	stop := `{"hook_event_name":"Stop","session_id":"s"}`
	if said := d.says(stop, false); said != "" {
		t.Errorf("with notify off it says %q", said)
	}
	if said := d.says(stop, true); !strings.HasPrefix(said, "\x1b]9;afteryou: 93 % of the 7d window are used; it resets ") || strings.Count(said, "\a") != 1 {
		t.Errorf("it says %q", said)
	}
	if said := d.says(stop, true); said != "" {
		t.Errorf("then it says %q", said)
	}
}

func TestThePersonIsToldAfterALongWait(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, tt := range []wait{
		{"Claude Code waited by itself", turn.Stop{Since: ago(90 * time.Second), Until: ago(15 * time.Second), Why: "rate limit"}, nil, "/home/me/api",
			"\x1b]9;afteryou: api goes on after 1m15s (rate limit)\a\a", "session s goes on after it waited 1m15s for a rate limit\n"},
		{"it waited for hours", turn.Stop{Since: ago(5 * time.Hour), Until: ago(30 * time.Second), Why: "usage limit"}, nil, "/api",
			"\x1b]9;afteryou: api goes on after 4h59m30s (usage limit)\a\a", "for a usage limit\n"},
		{"it was woken", turn.Stop{Since: ago(80 * time.Second), Until: ago(5 * time.Second), Why: "overload", Woken: true}, []string{"UserPromptSubmit"}, "/api",
			"\x1b]9;afteryou: api goes on after 1m20s (overload)\a\a", ""},
		{"Claude Code continued by itself after a usage limit", turn.Stop{Since: ago(3 * time.Hour), Until: now.Add(90 * time.Second), Why: "usage limit"}, []string{"UserPromptSubmit"}, "/api",
			"\x1b]9;afteryou: api goes on after 3h0m0s (usage limit)\a\a", "waited 3h0m0s for a usage limit\n"},
		{"it stood in line", turn.Stop{Since: ago(70 * time.Second)}, []string{"PostToolBatch"}, "/api",
			"\x1b]9;afteryou: api goes on after 1m10s (its turn)\a\a", "waited 1m10s for its turn\n"},
		{"a name that is none", turn.Stop{Since: ago(90 * time.Second), Until: ago(15 * time.Second), Why: "rate limit"}, nil, "/a\x1b]0;b\ac\nd",
			"\x1b]9;afteryou: a]0;bcd goes on after 1m15s (rate limit)\a\a", "rate limit\n"},

		{"a short wait", turn.Stop{Since: ago(90 * time.Second), Until: ago(40 * time.Second), Why: "rate limit"}, nil, "/api", "", ""},
		{"no wait", turn.Stop{}, []string{"UserPromptSubmit"}, "/api", "", ""},
		{"the person went on", turn.Stop{Since: ago(90 * time.Second), Until: ago(15 * time.Second), Why: "rate limit"}, []string{"UserPromptSubmit"}, "/api", "", "session s goes on 1m30s after its rate limit, by hand\n"},
		{"the person went on long after", turn.Stop{Since: ago(26 * time.Hour), Until: ago(24 * time.Hour), Why: "usage limit"}, []string{"UserPromptSubmit"}, "/api", "", "by hand\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			late := time.Since(now) // others of the table took it
			for _, at := range []*time.Time{&tt.stop.Since, &tt.stop.Until} {
				if !at.IsZero() {
					*at = at.Add(late)
				}
			}
			tt.ends(t, tt.notice, true)
			tt.ends(t, "", false)
		})
	}
}

// ends has the wait end by an answer, and wants the terminal to be told once, and the log to say so.
func (w wait) ends(t *testing.T, want string, notify bool) {
	t.Helper()
	d := newDesk(t)
	d.send(eventOf("SessionStart", "s", "cwd", w.dir))
	d.stop(w.stop)
	for _, name := range w.events {
		if said := d.says(eventOf(name, "s", "cwd", w.dir), notify); said != "" {
			t.Errorf("%s says %q too early", name, said)
		}
	}
	for _, name := range []string{"PreToolUse", "Stop"} {
		said := d.says(eventOf(name, "s", "cwd", w.dir), notify)
		// A second may begin meanwhile.
		if said != want && said != strings.Replace(want, "0s (", "1s (", 1) && said != strings.Replace(want, "5s (", "6s (", 1) {
			t.Errorf("with notify %v %s says %q, want %q", notify, name, said, want)
		}
		want = "" // once
	}
	if log := d.log(); strings.Count(log, "\n") > 1 || !strings.Contains(strings.ReplaceAll(log, "1s ", "0s "), w.log) || w.log == "" && log != "" {
		t.Errorf("the log says %q, want %q", log, w.log)
	}
	if stop := d.session("s").Stop; stop != (turn.Stop{}) {
		t.Errorf("the stop stays: %+v", stop)
	}
}

func (d *desk) session(id string) turn.Session {
	d.Helper()
	v, err := d.store.View()
	if err != nil {
		d.Fatal(err)
	}
	defer v.Close()
	return *v.State.Sessions[id]
}

// Who leaves the line by Esc does not wait any more.
func TestWhoLeavesTheLineWaitsNoMore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send(eventOf("UserPromptSubmit", "holder"))
	w := d.ask(eventOf("UserPromptSubmit", "s"))
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		v, err := d.store.View()
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
		if s := v.State.Sessions["s"]; s != nil && !s.Stop.Since.IsZero() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not wait")
		}
	}
	w.cancel()
	<-w.done
	if stop := d.session("s").Stop; stop != (turn.Stop{}) {
		t.Errorf("it waits still: %+v", stop)
	}
}
