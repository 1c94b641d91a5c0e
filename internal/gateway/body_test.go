package gateway

import (
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// A body that does not fit into memory is in a file that only we can read, and that has no name any more.
func TestLargeBodiesHaveNoName(t *testing.T) {
	b := &bodies{dir: t.TempDir()}
	want := big(memory + 1<<20)
	k, err := b.keep(strings.NewReader(want))
	if err != nil || k.file == nil || k.once() {
		t.Fatalf("keep: %v, want a file", err)
	}
	fi, err := k.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	links := fi.Sys().(*syscall.Stat_t).Nlink
	list, err := os.ReadDir(b.dir)
	if fi.Mode().Perm() != 0o600 || links != 0 || len(list) != 0 || err != nil {
		t.Errorf("mode %v, %d names, %d files in the directory, %v; want 0600, none, none", fi.Mode(), links, len(list), err)
	}
	for range 2 {
		if got, err := io.ReadAll(k.reader()); string(got) != want || err != nil {
			t.Errorf("it reads as %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	if k.drop(); b.used.Load() != 0 {
		t.Errorf("%d bytes are counted after it was dropped", b.used.Load())
	}
	if _, err := k.file.Stat(); err == nil {
		t.Error("its file is still open")
	}
}

// No room for a body: the request goes through all the same, whole, and once: a rejection of it is passed on.
func TestAFullDiskPassesRequestsOn(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ) // so that a write past the limit is an error
	defer signal.Reset(syscall.SIGXFSZ)
	for name, c := range map[string]struct {
		most uint64 // bytes in a file
		gone bool   // the directory is
	}{
		"no file can be made":        {most: 1 << 40, gone: true},
		"full at once":               {most: 8 << 20},
		"full in the middle":         {most: memory + 1<<20 + 12345},
		"full at the end of a chunk": {most: memory + 1<<20},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"model":"claude-opus-5-5","x":"` + big(memory+3<<20) + `"}`
			var calls atomic.Int64
			var wrong atomic.Bool
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				data, err := io.ReadAll(r.Body)
				if string(data) != body || err != nil || r.ContentLength != int64(len(body)) {
					wrong.Store(true)
				}
				if calls.Add(1) == 2 {
					w.Header().Set("Retry-After", "1")
					w.WriteHeader(429)
				}
			})
			if c.gone {
				s.gateway.bodies.dir = filepath.Join(t.TempDir(), "gone")
			}
			var was syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: min(c.most, was.Max), Max: was.Max}); err != nil {
				t.Fatal(err)
			}
			defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)
			for _, want := range []int{200, 429} {
				if status, _, err := s.do(s.call(s.gateway.URL(), "a", body)); status != want || err != nil {
					t.Errorf("%d, %v; want %d", status, err, want)
				}
			}
			if calls.Load() != 2 || wrong.Load() {
				t.Errorf("%d calls reach the server, another body: %v; want 2 and none", calls.Load(), wrong.Load())
			}
			s.settles(0, 0)
			if n := s.gateway.bodies.used.Load(); n != 0 || len(s.bodies()) > 0 {
				t.Errorf("left: %d bytes, %v", n, s.bodies())
			}
		})
	}
}
