package keeper

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOutputHoldsBackHowARunDies(t *testing.T) {
	const (
		begin  = `{"type":"system","subtype":"init","session_id":"77"}` + "\n"
		said   = `{"type":"assistant","message":{"model":"m","content":[{"type":"text","text":"hi"}]}}` + "\n"
		quoted = `{"type":"assistant","message":{"model":"m","content":[{"type":"text","text":"API Error: Rate limit reached"}]}}` + "\n"
		retry  = `{"type":"system","subtype":"api_retry","attempt":1,"retry_delay_ms":3016,"error_status":429}` + "\n"
		died   = `{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"API Error: Request rejected (429) · x"}]}}` + "\n"
		end    = `{"type":"result","is_error":true,"result":"API Error: Request rejected (429) · x"}` + "\n"
		good   = `{"type":"result","is_error":false,"result":"API Error: Request rejected (429) is what you asked about"}` + "\n"
	)
	for _, tt := range []struct {
		name, format string
		again        bool
		in           string
		shown, held  string
	}{
		{"text", "text", false, "API Error: Rate limit reached\n", "", "API Error: Rate limit reached\n"},
		{"json", "json", false, end, "", end},
		{"a stream", "stream-json", false, begin + said + quoted + retry + died + end, begin + said + quoted + retry, died + end},
		{"a stream that ends well", "stream-json", false, begin + said + good, begin + said + good, ""},
		{"a stream that goes on", "stream-json", true, begin + said + good, said + good, ""},
		{"a line without an end", "stream-json", false, begin + `{"type"`, begin, `{"type"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 7, 1 << 20} {
				var shown strings.Builder
				o := output{to: &shown, format: tt.format, again: tt.again}
				for rest := tt.in; rest != ""; rest = rest[min(size, len(rest)):] {
					if _, err := o.Write([]byte(rest[:min(size, len(rest))])); err != nil {
						t.Fatal(err)
					}
				}
				if shown.String() != tt.shown {
					t.Errorf("in pieces of %d shown\n%swant\n%s", size, shown.String(), tt.shown)
				}
				shown.Reset()
				if err := o.flush(); err != nil || shown.String() != tt.held {
					t.Errorf("in pieces of %d held back\n%swant\n%s", size, shown.String(), tt.held)
				}
			}
		})
	}
}

// What ends a run is known for a limit, and what goes on is not.
func TestLimited(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       bool
	}{
		{"a retry", `{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"retry_delay_ms":3016,"error_status":429,"error":"rate_limit"}`, false},
		{"a retry of an overload", `{"type":"system","subtype":"api_retry","attempt":2,"max_retries":10,"retry_delay_ms":500,"error_status":529}`, false},
		{"a retry after a lost connection", `{"type":"system","subtype":"api_retry","attempt":1,"error_status":null}`, false},
		{"a usage limit", `{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795462121}}`, true},
		{"usage that is allowed", `{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":1795462121}}`, false},
		{"a result", `{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"API Error: Request rejected (429) · x"}`, true},
		{"a result of an old version", `{"type":"result","subtype":"success","is_error":true,"result":"API Error: 429 {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\"}}"}`, true},
		{"a result in unknown words", `{"type":"result","is_error":true,"api_error_status":529,"result":"Busy."}`, true},
		{"a result with a reset", `{"type":"result","is_error":true,"result":"You've hit your session limit · resets 8pm (America/New_York)"}`, true},
		{"an answer that quotes", `{"type":"result","is_error":false,"result":"API Error: Request rejected (429) · x"}`, false},
		{"what ends a turn", `{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"API Error: Rate limit reached"}]}}`, true},
		{"no JSON", `API Error: Rate limit reached`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := limited([]byte(tt.line), time.Now()); got != tt.want {
				t.Errorf("limited(%s) = %v", tt.line, got)
			}
		})
	}
}

// Every version's -p was seen to end in words and numbers that are known for a limit.
func TestLimitedInEveryVersion(t *testing.T) {
	files, err := filepath.Glob("../../../testdata/claude-*/compat/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("captures: %v, %v", files, err)
	}
	for _, file := range files {
		if kind := filepath.Ext(file); kind != ".json" && kind != ".stream" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			ok, failed := limited(line, time.Now()), bytes.Contains(line, []byte(`"is_error":true`))
			if ok != failed && !bytes.Contains(line, []byte(`"<synthetic>"`)) && !bytes.Contains(line, []byte("rate_limit_event")) {
				t.Errorf("%s: limited(%s) = %v", file, line, ok)
			}
		}
	}
}
