package claude

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What an event or the state calls a transcript may be anything. A read of these never ends.
func TestOnlyRegularFilesAreTranscripts(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, link, "/dev/zero", "/dev/tty", dir} {
		ended := make(chan error, 3)
		go func() {
			_, err := ReadRows(path, 0, 1<<20, func(Row) {})
			ended <- err
			_, _, err = ReadStopped(path)
			ended <- err
			_, err = Stopped{}.WentOn(path)
			ended <- err
		}()
		for _, what := range []string{"ReadRows", "ReadStopped", "WentOn"} {
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), path+" is not a regular file") {
					t.Errorf("%s(%s) says %v", what, path, err)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s(%s) does not end", what, path)
			}
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(`{"type":"api-request","id":"1"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(link)
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := ReadRows(link, 0, 0, func(Row) { n++ }); n != 1 || err != nil {
		t.Errorf("behind a link to a file are %d rows, %v; want 1", n, err)
	}
}

// A file of a terabyte without the end of a row is read on by a few megabytes at each look; the row that follows is not lost.
func TestARowWithoutEndIsReadInParts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	const limit = 1 << 20
	next, err := ReadRows(path, 0, limit, func(Row) {})
	if most := int64(2*maxRow + limit + readSize); err != nil || next < limit || next > most {
		t.Errorf("one look ends at %d, %v; want between %d and %d", next, err, limit, most)
	}
	row := []byte(`{"type":"api-request","id":"1"}` + "\n")
	if err := os.WriteFile(path, append(append(bytes.Repeat([]byte("x"), 3*maxRow), '\n'), row...), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	for at := int64(0); ; at = next {
		if next, err = ReadRows(path, at, limit, func(Row) { n++ }); err != nil || next == at {
			break
		}
	}
	if n != 1 || err != nil {
		t.Errorf("behind a row that is too long are %d rows, %v; want 1", n, err)
	}
}

// Else it would get into the state, where no such time is believed.
func TestATimeThatNoClockShowsIsNone(t *testing.T) {
	for stamp, known := range map[string]bool{"0001-02-03T00:00:00Z": false, "9999-12-31T00:00:00Z": false, "2026-03-01T09:00:00Z": true} {
		row, ok := parseRow([]byte(`{"type":"api-request","id":"1","timestamp":"` + stamp + `"}`))
		if !ok || row.At.IsZero() == known {
			t.Errorf("a row of %s is of %v", stamp, row.At)
		}
	}
}
