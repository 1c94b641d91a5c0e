package claude

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"afteryou/internal/ratelimit"
)

func TestNameRun(t *testing.T) {
	for _, tt := range []struct {
		name, args  string // words; _ is a space in one
		first, then string // "" : can't be run again
		format      string
	}{
		{"a prompt", "-p fix_it", "--session-id ID -p fix_it", "--resume ID -p -- go", "text"},
		{"a prompt from standard input", "-p", "--session-id ID -p", "--resume ID -p -- go", "text"},
		{"flags stay", "-p --model opus --allowedTools Bash Edit --output-format json fix", "--session-id ID -p --model opus --allowedTools Bash Edit --output-format json fix",
			"--resume ID -p --model opus --allowedTools Bash Edit --output-format json -- go", "json"},
		{"a prompt behind --", "-p -- --fix", "--session-id ID -p -- --fix", "--resume ID -p -- go", "text"},
		{"a session of its own", "-p --session-id 77 fix", "-p --session-id 77 fix", "--resume 77 -p -- go", "text"},
		{"a session that is resumed", "-p --resume=77 fix", "-p --resume=77 fix", "--resume 77 -p -- go", "text"},
		{"resumed with the short flag", "-p -r 77 fix", "-p -r 77 fix", "--resume 77 -p -- go", "text"},
		{"resumed in a cluster", "-pr 77 fix", "", "", ""},
		{"resumed without a name", "-p fix --resume", "", "", ""},
		{"continued", "-p -c fix", "", "", ""},
		{"forked", "-p --resume 77 --fork-session fix", "", "", ""},
		{"not kept", "-p --no-session-persistence fix", "", "", ""},
		{"prompts as a stream", "-p --input-format stream-json --output-format stream-json", "", "", ""},
		{"an unknown flag", "-p --frobnicate fix", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			words := func(s string) []string {
				f := strings.Fields(s)
				for i := range f {
					f[i] = strings.ReplaceAll(f[i], "_", " ")
				}
				return f
			}
			r, ok := NameRun(words(tt.args), "ID")
			first, then := "", ""
			if ok {
				first, then = strings.Join(r.Args, " "), strings.Join(r.Again("go"), " ")
			}
			if want := strings.Join(words(tt.first), " "); first != want || then != tt.then || r.Format != tt.format {
				t.Errorf("NameRun(%q)\n got %q, %q, %q\nwant %q, %q, %q", tt.args, first, then, r.Format, want, tt.then, tt.format)
			}
		})
	}
}

func TestReadStopped(t *testing.T) {
	const died = `{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":429,"timestamp":"2026-11-23T19:00:00Z","message":{"model":"<synthetic>","content":[{"type":"text","text":"API Error: Request rejected (429) · x"}]}}`
	const answer = `{"type":"assistant","timestamp":"2026-11-23T18:00:00Z","message":{"model":"m","content":[]}}`
	const prompt = `{"type":"user","timestamp":"2026-11-23T17:00:00Z","message":{"role":"user","content":"what is a \"tool_result\"?"}}`
	const result = `{"type":"user","timestamp":"2026-11-23T18:30:00Z","message":{"role":"user","content":[{"type":"tool_result","content":"x"}]}}`
	big := fmt.Sprintf(`{"type":"user","message":{"content":%q}}`, strings.Repeat("x", 5<<20))
	for _, tt := range []struct {
		name string
		rows []string
		ok   bool
		kind ratelimit.Kind
		then string // row
		on   bool
	}{
		{"stopped", []string{answer, died}, true, ratelimit.Requests, "", false},
		{"stopped behind a tool", []string{answer, prompt, answer, result, died}, true, ratelimit.Requests, "", false},
		{"stopped behind a long row", []string{big, died}, true, ratelimit.Requests, "", false},
		{"went on since", []string{died, answer}, false, 0, "", false},
		{"never stopped", []string{answer}, false, 0, "", false},
		{"bookkeeping", []string{answer, died, `{"type":"mode"}`}, true, ratelimit.Requests, `{"type":"file-history-snapshot"}`, false},
		{"a request", []string{answer, died}, true, ratelimit.Requests, `{"type":"api-request","querySource":"repl_main_thread"}`, true},
		{"a long prompt", []string{answer, died}, true, ratelimit.Requests, big, true},
		{"another error", []string{`{"type":"assistant","isApiErrorMessage":true,"timestamp":"2026-11-23T19:00:00Z"}`}, true, ratelimit.None, "", false},
		{"half a row", []string{died, `{"type":"user"`}, true, ratelimit.Requests, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.jsonl")
			if err := os.WriteFile(path, []byte(strings.Join(tt.rows, "\n")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s, ok, err := ReadStopped(path)
			if ok != tt.ok || err != nil || ok && (s.Limit.Kind != tt.kind || !s.At.Equal(time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC))) {
				t.Fatalf("ReadStopped = %+v, %v, %v; want %v, %v", s, ok, err, tt.kind, tt.ok)
			}
			if !ok {
				return
			}
			if tt.rows[0] == answer && s.Answered.Hour() != 18 {
				t.Errorf("answered at %v", s.Answered)
			}
			if len(tt.rows) > 3 && s.Prompted.Hour() != 17 {
				t.Errorf("prompted at %v", s.Prompted)
			}
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.WriteString(tt.then + "\n")
			if on, err := s.WentOn(path); on != tt.on || err != nil {
				t.Errorf("WentOn = %v, %v; want %v", on, err, tt.on)
			}
		})
	}
}

func TestFindTranscript(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".claude", "projects", "-work")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "77.jsonl")
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return map[string]string{"HOME": home}[name] }
	if got, ok := FindTranscript(getenv, "77"); got != want || !ok {
		t.Errorf("FindTranscript = %q, %v; want %q", got, ok, want)
	}
	for _, session := range []string{"", "*", "../-work/77", "78"} {
		if got, ok := FindTranscript(getenv, session); ok {
			t.Errorf("FindTranscript(%q) = %q, want none", session, got)
		}
	}
}

func TestSessionOf(t *testing.T) {
	dir := t.TempDir()
	getenv := func(name string) string { return map[string]string{"CLAUDE_CONFIG_DIR": dir}[name] }
	if err := os.Mkdir(filepath.Join(dir, "sessions"), 0o700); err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		// 2.1.330
		`{"pid":77,"sessionId":"91f8","cwd":"/work","startedAt":1795473079358,"version":"2.1.330","kind":"interactive","entrypoint":"cli","status":"idle"}`: "91f8",
		// 2.1.78
		`{"pid":77,"sessionId":"a9bf","cwd":"/work","startedAt":1795476591510}`: "a9bf",
		`{"pid":77,"sessionId":"91f8","kind":"bg"}`:                             "",
		`{"pid":78,"sessionId":"91f8","kind":"interactive"}`:                    "",
		`{"pid":77,"sessionId":"91`:                                             "",
		``:                                                                      "",
	} {
		if err := os.WriteFile(filepath.Join(dir, "sessions", "77.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := SessionOf(getenv, 77); got != want || ok != (want != "") {
			t.Errorf("SessionOf of %s = %q, %v; want %q", content, got, ok, want)
		}
	}
	if got, ok := SessionOf(getenv, 78); ok {
		t.Errorf("SessionOf of nothing = %q", got)
	}
}

func TestNewSession(t *testing.T) {
	a, b := NewSession(), NewSession()
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(a) || a == b {
		t.Errorf("NewSession: %s, %s", a, b)
	}
}
