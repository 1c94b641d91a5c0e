package fakeapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each request that was captured is of the kind with which its file's name begins.
func TestKindsOfRequests(t *testing.T) {
	files, err := filepath.Glob("../../testdata/claude-2.1.332/requests/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			var captured struct {
				Path  string
				Agent bool
				Body  json.RawMessage
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &captured); err != nil {
				t.Fatal(err)
			}
			s := start(t, Config{})
			req, err := http.NewRequest("POST", s.URL()+captured.Path, bytes.NewReader(captured.Body))
			if err != nil {
				t.Fatal(err)
			}
			if captured.Agent {
				req.Header.Set("x-claude-code-agent-id", "a1")
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			want, _, _ := strings.Cut(name, "-")
			if log := append(s.Log(), s.Others()...); len(log) != 1 || string(log[0].Kind) != want {
				t.Errorf("log = %+v, want one request of kind %s", log, want)
			}
		})
	}
}
