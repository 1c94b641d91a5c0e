package fakeapi

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A batch is created, listed, looked at until it has ended, canceled too late, its results are read, and it is deleted.
func TestBatches(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Batches: Batches{Polls: 2, Result: func(r BatchRequest) string {
		return map[string]string{"a": "succeeded", "b": "expired", "c": "overloaded_error"}[r.CustomID]
	}}})
	ask := asker(t, s)
	made, _ := ask("POST", "", `{"requests":[{"custom_id":"a","params":{"messages":[{"content":"hi"}]}},{"custom_id":"b","params":{}},{"custom_id":"c","params":{}}]}`, 200)
	other, _ := ask("POST", "", `{"requests":[{"custom_id":"x","params":{}}]}`, 200)
	if made.Status != "in_progress" || made.Counts["processing"] != 3 || made.ResultsURL != "" {
		t.Errorf("made %+v", made)
	}
	ask("GET", "/"+made.ID+"/results", "", 404)
	ask("DELETE", "/"+made.ID, "", 400)
	page, _ := ask("GET", "?limit=1", "", 200)
	next, _ := ask("GET", "?limit=1&after_id="+other.ID, "", 200)
	if len(page.Data) != 1 || page.Data[0].ID != other.ID || !page.HasMore || len(next.Data) != 1 || next.Data[0].ID != made.ID || next.HasMore {
		t.Errorf("pages %+v, %+v", page, next)
	}
	if a, _ := ask("GET", "/"+made.ID, "", 200); a.Status != "in_progress" {
		t.Errorf("looked at twice %+v", a)
	}
	if a, _ := ask("GET", "/"+made.ID, "", 200); a.Status != "ended" || a.Counts["processing"] != 0 || a.Counts["succeeded"] != 1 || a.Counts["expired"] != 1 || a.Counts["errored"] != 1 || a.ResultsURL != s.URL()+"/v1/messages/batches/"+made.ID+"/results" {
		t.Errorf("looked at three times %+v", a)
	}
	ask("POST", "/"+made.ID+"/cancel", "", 200)
	if _, text := ask("GET", "/"+made.ID+"/results", "", 200); strings.Count(text, "\n") != 3 || !strings.Contains(text, `"text":"answer to hi"`) || !strings.Contains(text, `"overloaded_error"`) {
		t.Errorf("results\n%s", text)
	}
	if a, _ := ask("POST", "/"+other.ID+"/cancel", "", 200); a.Status != "canceling" {
		t.Errorf("canceled %+v", a)
	}
	ask("DELETE", "/"+made.ID, "", 200)
	ask("GET", "/"+made.ID, "", 404)
}

// shownBatch is a batch, a page of them or an error, as far as tests ask for it.
type shownBatch struct {
	ID         string
	Status     string         `json:"processing_status"`
	Counts     map[string]int `json:"request_counts"`
	ResultsURL string         `json:"results_url"`
	Data       []struct{ ID string }
	HasMore    bool `json:"has_more"`
	Error      struct{ Message string }
}

// asker returns what asks for batches and wants a status.
func asker(t *testing.T, s *Server) func(method, path, body string, want int) (a shownBatch, text string) {
	return func(method, path, body string, want int) (a shownBatch, text string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/v1/messages/batches"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: %s, %v, want %d: %s", method, path, resp.Status, err, want, data)
		}
		json.Unmarshal(data, &a) // results are many
		return a, string(data)
	}
}

// What the API refuses at once is refused.
func TestBatchesThatAreNone(t *testing.T) {
	t.Parallel()
	ask := asker(t, start(t, Config{}))
	for body, want := range map[string]string{
		`{"requests":[]}`: "at least 1 item",
		`{}`:              "Field required",
		`{"requests":[{"custom_id":"a b","params":{}}]}`:                             "should match pattern",
		`{"requests":[{"custom_id":"a"}]}`:                                           "params: Field required",
		`{"requests":[{"custom_id":"a","params":{}},{"custom_id":"a","params":{}}]}`: "must be unique",
		`{"requests":[{"custom_id":"a","params":{}}`:                                 "reading the body",
	} {
		if a, _ := ask("POST", "", body, 400); !strings.Contains(a.Error.Message, want) {
			t.Errorf("%s: %q, want %q", body, a.Error.Message, want)
		}
	}
}
