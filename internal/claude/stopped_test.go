package claude

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func FuzzReadStopped(f *testing.F) {
	files, err := filepath.Glob("../../testdata/claude-*/*.jsonl")
	if err != nil || len(files) == 0 {
		f.Fatalf("captures: %v, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte(`{"type":"user","message":{"content":"go on"}}`+"\n"))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data, more []byte) {
		path := filepath.Join(dir, fmt.Sprintf("%d.jsonl", os.Getpid()))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, ok, err := ReadStopped(path)
		if err != nil || s.next < 0 || s.next > int64(len(data)) || s.next > 0 && data[s.next-1] != '\n' {
			t.Fatalf("ReadStopped = %+v, %v, %v of %d bytes", s, ok, err, len(data))
		}
		if !ok {
			return
		}
		if on, err := s.WentOn(path); on || err != nil {
			t.Errorf("stopped, and went on: %v, %v", on, err)
		}
		if err := os.WriteFile(path, append(bytes.Clone(data), more...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.WentOn(path); err != nil {
			t.Error(err)
		}
	})
}
