package lockfile

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/turn"
)

// A state of before is read and not set aside, stays as it is for who only looks, and is of this layout once somebody writes.
func TestAStateOfBeforeIsTakenOver(t *testing.T) {
	files, _ := filepath.Glob("../testdata/state/*/line*.json")
	if len(files) < 6 {
		t.Fatalf("%d recordings", len(files))
	}
	for _, path := range files {
		s := open(t)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.path(), data, 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := s.View()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		v.Close()
		if left, _ := os.ReadFile(s.path()); string(left) != string(data) {
			t.Errorf("%s: looking changed it", path)
		}
		if v, err = s.Update(context.Background(), func(*turn.State) error { return nil }); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		v.Close()
		var written struct {
			Version int
			Pools   any
		}
		if data, _ = os.ReadFile(s.path()); json.Unmarshal(data, &written) != nil || written.Version != turn.Version || written.Pools != nil {
			t.Errorf("%s becomes %s", path, data)
		}
		if strings.Count(string(data), `"phase":1`) != 1 {
			t.Errorf("%s: the turn is lost: %s", path, data)
		}
	}
}
