package claude

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"afteryou/internal/ratelimit"
)

var update = flag.Bool("update", false, "write the golden files")

const captures = "testdata/claude-2.1.330"

func (r Row) line() string {
	s := r.At.Format("15:04:05.000 ") + r.Kind.String()
	if r.Kind == Prompt {
		s = "prompt"
	}
	switch r.Kind {
	case Request:
		s += fmt.Sprintf(" %.8s %s %s", r.RequestID, r.QuerySource, r.Model)
	case Answer:
		s += fmt.Sprintf(" %.8s %s %s %+v", r.RequestID, r.MessageID, r.Model, r.Usage)
	case Retry:
		s += fmt.Sprintf(" %d/%d in %v: %v", r.Limit.Attempt, r.Limit.MaxAttempts, r.Limit.RetryIn, r.Limit.Kind)
	case Error:
		s += fmt.Sprintf(": %v, wait %v", r.Limit.Kind, r.Limit.Wait)
	}
	if r.Sidechain {
		s += ", sidechain"
	}
	return s + "\n"
}

func TestReadRowsOfTheRealProgram(t *testing.T) {
	for _, name := range []string{"interactive", "print"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(captures, name+".jsonl")
			fi, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			end, err := ReadRows(path, 0, 0, func(r Row) { got.WriteString(r.line()) })
			if err != nil || end != fi.Size() {
				t.Errorf("ReadRows(%s, 0, 0) = %d, %v; want %d", path, end, err, fi.Size())
			}
			golden := filepath.Join(captures, name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
			if pieces := readInPieces(t, path, 1000); pieces != got.String() {
				t.Errorf("in pieces\n%s\nwant\n%s", pieces, got.String())
			}
		})
	}
}

func readInPieces(t *testing.T, path string, limit int64) string {
	var got strings.Builder
	for offset := int64(0); ; {
		next, err := ReadRows(path, offset, limit, func(r Row) { got.WriteString(r.line()) })
		if err != nil || next < offset {
			t.Fatalf("ReadRows(%d, %d) = %d, %v", offset, limit, next, err)
		}
		if next == offset {
			return got.String()
		}
		offset = next
	}
}

const (
	request = `{"type":"api-request","id":"r1","timestamp":"2026-11-23T19:00:00Z","querySource":"sdk","params":{"model":"m"}}` + "\n"
	answer  = `{"message":{"id":"a1","model":"m","role":"assistant","usage":{"input_tokens":3,"output_tokens":4}},"requestRef":"r1","type":"assistant","timestamp":"2026-11-23T19:00:01Z"}` + "\n"
)

func TestReadRows(t *testing.T) {
	huge := `{"type":"api-request-shape","shape":"` + strings.Repeat("x", 3*readSize) + "\"}\n"
	for _, tt := range []struct {
		name    string
		content string
		offset  int64
		limit   int64
		want    []RowKind
		end     int64 // from the end of content
	}{
		{name: "an empty file"},
		{name: "whole rows", content: request + answer, want: []RowKind{Request, Answer}},
		{name: "half a row waits", content: request + answer[:20], want: []RowKind{Request}, end: -20},
		{name: "only half a row", content: request[:20], end: -20},
		{name: "from an offset", content: request + answer, offset: int64(len(request)), want: []RowKind{Answer}},
		{name: "at the end", content: request, offset: int64(len(request))},
		{name: "a file that shrank", content: request, offset: 1 << 20, want: []RowKind{Request}},
		{name: "up to a limit", content: request + answer, limit: 1, want: []RowKind{Request}, end: -int64(len(answer))},
		{name: "a row larger than the buffer", content: request + huge + answer, want: []RowKind{Request, Answer}},
		{name: "a row larger than any", content: request + strings.Repeat("x", 3*maxRow) + "\n" + answer, want: []RowKind{Request, Answer}},
		{name: "half a row larger than any", content: request + strings.Repeat("x", 3*maxRow), want: []RowKind{Request}, end: -3 * maxRow},
		{name: "no JSON between", content: request + "garbage\n\n\x00\xff\n" + answer, want: []RowKind{Request, Answer}},
		{name: "from the middle of a row", content: request + answer, offset: 7, want: []RowKind{Answer}},
		{name: "an error of Claude Code's own making is no answer",
			content: `{"type":"assistant","message":{"id":"x","model":"<synthetic>"}}` + "\n"},
		{name: "Esc", content: `{"type":"user","message":{"content":[{"type":"text","text":"[Request interrupted by user for tool use]"}]}}` + "\n",
			want: []RowKind{Interrupted}},
		{name: "a prompt about Esc", content: `{"type":"user","message":{"content":"[Request interrupted by user]"}}` + "\n", want: []RowKind{Prompt}},
		{name: "a tool's output about Esc",
			content: `{"type":"user","message":{"content":[{"type":"tool_result","content":"[Request interrupted by user]"}]}}` + "\n"},
		{name: "rows quoted in a prompt", content: `{"parentUuid":null,"type":"user","message":{"content":"\"type\":\"assistant\" \"subtype\":\"api_error\""}}` + "\n", want: []RowKind{Prompt}},
		{name: "a prompt with a picture, larger than the buffer", content: `{"type":"user","message":{"content":[{"type":"text","text":"see"},{"type":"image","source":{"data":"` +
			strings.Repeat("x", 2*readSize) + `"}}]}}` + "\n", want: []RowKind{Prompt}},
		{name: "what Claude Code adds to a prompt is none", content: `{"type":"user","message":{"content":"<local-command-caveat>"},"isMeta":true}` + "\n"},
		{name: "what a tool says is no prompt", content: `{"type":"user","message":{"content":[{"tool_use_id":"t","type":"tool_result","content":"ok"}]}}` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "t.jsonl")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			var got []RowKind
			end, err := ReadRows(path, tt.offset, tt.limit, func(r Row) { got = append(got, r.Kind) })
			want := int64(len(tt.content)) + tt.end
			if err != nil || end != want || !slices.Equal(got, tt.want) {
				t.Errorf("ReadRows(%d, %d) = %d, %v with %v; want %d with %v", tt.offset, tt.limit, end, err, got, want, tt.want)
			}
		})
	}
}

func TestRetryThatIsNoLimit(t *testing.T) {
	row, ok := parseRow([]byte(`{"type":"system","subtype":"api_error","error":{"status":500},"retryInMs":1500,"retryAttempt":2,"maxRetries":10}`))
	if !ok || row.Kind != Retry || row.Limit.Kind != ratelimit.None || row.Limit.RetryIn.Seconds() != 1.5 || row.Limit.Attempt != 2 {
		t.Errorf("got %+v, %v", row, ok)
	}
}

func FuzzReadRows(f *testing.F) {
	for _, name := range []string{"interactive", "print"} {
		data, err := os.ReadFile(filepath.Join(captures, name+".jsonl"))
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			if len(line) < 2000 {
				f.Add(line, int64(0), int64(0))
			}
		}
	}
	f.Add([]byte(request+answer+"{}"), int64(5), int64(9))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, offset, limit int64) {
		path := filepath.Join(dir, fmt.Sprintf("%d.jsonl", os.Getpid()))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		end, err := ReadRows(path, offset, limit, func(Row) {})
		if err != nil || end < 0 || end > int64(len(data)) {
			t.Fatalf("ReadRows(%d, %d) = %d, %v of %d bytes", offset, limit, end, err, len(data))
		}
		if end > 0 && end != offset && data[end-1] != '\n' {
			t.Errorf("ReadRows(%d, %d) ends at %d, within a row", offset, limit, end)
		}
		var whole strings.Builder
		if _, err := ReadRows(path, 0, 0, func(r Row) { whole.WriteString(r.line()) }); err != nil {
			t.Fatal(err)
		}
		if pieces := readInPieces(t, path, 1); pieces != whole.String() {
			t.Errorf("in pieces %q, as a whole %q", pieces, whole.String())
		}
	})
}

// BenchmarkReadRows reads what one session with some turns wrote: mostly rows of no interest.
func BenchmarkReadRows(b *testing.B) {
	var file bytes.Buffer
	for range 20 {
		fmt.Fprintf(&file, `{"type":"api-request-shape","shape":%q}`+"\n", strings.Repeat("x", 150<<10))
		fmt.Fprintf(&file, `{"parentUuid":"x","isSidechain":false,"attachment":{"type":"skills","content":%q}}`+"\n", strings.Repeat("x", 14<<10))
		fmt.Fprintf(&file, `{"parentUuid":"x","type":"user","message":{"content":[{"type":"tool_result","content":%q}]}}`+"\n", strings.Repeat("x", 30<<10))
		file.WriteString(request + strings.Replace(answer, `"role"`, `"content":[{"type":"text","text":"`+strings.Repeat("y", 2<<10)+`"}],"role"`, 1))
	}
	path := filepath.Join(b.TempDir(), "t.jsonl")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		n := 0
		if _, err := ReadRows(path, 0, 0, func(Row) { n++ }); err != nil || n != 40 {
			b.Fatalf("%d rows, %v", n, err)
		}
	}
}
