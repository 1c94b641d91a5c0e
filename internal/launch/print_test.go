package launch

import (
	"regexp"
	"strings"
	"testing"
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

func TestUUID(t *testing.T) {
	a, b := uuid(), uuid()
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(a) || a == b {
		t.Errorf("uuid: %s, %s", a, b)
	}
}
