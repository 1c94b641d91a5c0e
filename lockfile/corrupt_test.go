package lockfile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
)

func TestACorruptStateIsSetAsideAndSaid(t *testing.T) {
	for what, content := range map[string]string{
		"an empty file": "", "half a file": `{"version":2,"accounts":{"p`, "no JSON": "hello", "no version": "{}", "a list": "[]",
		"another shape": `{"version":2,"accounts":3}`, "a null session": `{"version":2,"sessions":{"x":null}}`,
		"what can't be true": `{"version":2,"accounts":{"p":{"classes":{"":{"cool":{"times":-1}}}}}}`,
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t)
			if err := os.WriteFile(s.path(), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			var corrupt *CorruptError
			if _, err := s.View(); !errors.As(err, &corrupt) || strings.Contains(err.Error(), "aside") {
				t.Errorf("View says %v, want a CorruptError, and that nothing was set aside", err)
			}
			v, err := s.Update(context.Background(), func(st *turn.State) error { st.Open("p").Name = "new"; return nil })
			if !errors.As(err, &corrupt) || v == nil {
				t.Fatalf("Update says %v, want a CorruptError and a state", err)
			}
			v.Close()
			if kept, err := os.ReadFile(corrupt.Aside); err != nil || string(kept) != content {
				t.Errorf("set aside is %q, %v; want %q", kept, err, content)
			}
			if got := name(t, s); got != "new" {
				t.Errorf("the state is %q, want the new one", got)
			}
		})
	}
}

// Whatever stands in the place of the state, the next change puts it aside as it is, and follows and opens nothing.
func TestWhatIsNoFileIsSetAside(t *testing.T) {
	for what, c := range map[string]struct {
		make func(path string) error
		mode os.FileMode
		want string
	}{
		"a directory":             {func(path string) error { return os.Mkdir(path, 0o700) }, os.ModeDir, "not a regular file"},
		"a directory with a file": {func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) }, os.ModeDir, "not a regular file"},
		"a named pipe":            {func(path string) error { return syscall.Mkfifo(path, 0o600) }, os.ModeNamedPipe, "not a regular file"},
		"a device":                {func(path string) error { return os.Symlink("/dev/zero", path) }, os.ModeSymlink, "not a regular file"},
		"a link to nothing":       {func(path string) error { return os.Symlink("nowhere", path) }, os.ModeSymlink, "not a regular file"},
		"a socket": {func(path string) error {
			l, err := net.Listen("unix", path)
			if err == nil {
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				l.Close()
			}
			return err
		}, os.ModeSocket, "not a regular file"},
		"100 MB": {func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 100<<20))
		}, 0, "104857600 bytes, which is more than a state can have"},
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t)
			if err := c.make(s.path()); err != nil {
				t.Fatal(err)
			}
			var corrupt *CorruptError
			if _, err := s.View(); !errors.As(err, &corrupt) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("View says %v, want a CorruptError: %s", err, c.want)
			}
			v, err := s.Update(context.Background(), func(st *turn.State) error { st.Open("p").Name = "new"; return nil })
			if !errors.As(err, &corrupt) || v == nil {
				t.Fatalf("Update says %v, want a CorruptError and a state", err)
			}
			v.Close()
			if fi, err := os.Lstat(corrupt.Aside); err != nil || fi.Mode().Type() != c.mode {
				t.Errorf("set aside is %v, %v; want what it was, %v", fi, err, c.mode)
			}
			if got := name(t, s); got != "new" {
				t.Errorf("the state is %q, want the new one", got)
			}
		})
	}
}

func TestOfCorruptStatesTheLatestAreKept(t *testing.T) {
	s := open(t)
	var kept []string
	for i := range 3 * mostCorrupt {
		content := fmt.Sprint("spoiled ", i)
		if err := os.WriteFile(s.path(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *CorruptError
		if _, err := s.Update(context.Background(), touch); !errors.As(err, &corrupt) {
			t.Fatalf("Update says %v, want a CorruptError", err)
		}
		kept = append(kept, corrupt.Aside)
		for fresh := false; !fresh; { // a name tells milliseconds
			_, err := os.Stat(filepath.Join(s.dir, "state.corrupt-"+time.Now().UTC().Format("20060102T150405.000")))
			fresh = errors.Is(err, os.ErrNotExist)
		}
	}
	got, _ := filepath.Glob(filepath.Join(s.dir, "state.corrupt-*"))
	if want := kept[len(kept)-mostCorrupt:]; !slices.Equal(got, want) {
		t.Errorf("kept are %q, want %q", got, want)
	}
}

// An older layout's number would tell an older program that it may drop what it does not know.
func TestWhoeverWritesSaysInWhichLayout(t *testing.T) {
	s := open(t)
	if _, err := s.Update(context.Background(), func(st *turn.State) error { st.Version = turn.Version - 1; return touch(st) }); err != nil {
		t.Fatal(err)
	}
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if v.State.Version != turn.Version {
		t.Errorf("version %d is written, want ours, %d", v.State.Version, turn.Version)
	}
}

func TestANewerStateIsLeftAlone(t *testing.T) {
	for _, content := range []string{`{"version":9}`, `{"version":9,"accounts":["another","layout"]}`} {
		s := open(t)
		if err := os.WriteFile(s.path(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var newer *NewerError
		if _, err := s.Update(context.Background(), touch); !errors.As(err, &newer) || newer.Version != 9 {
			t.Errorf("Update says %v, want a NewerError of 9", err)
		}
		if got, _ := os.ReadFile(s.path()); string(got) != content {
			t.Errorf("the file is %q, want %q", got, content)
		}
	}
}

func TestAHostileStateFileIsNotFollowed(t *testing.T) {
	t.Run("a symlink", func(t *testing.T) {
		s := open(t)
		target := filepath.Join(t.TempDir(), "precious")
		if err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, s.path())); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(context.Background(), touch); !errors.As(err, new(*CorruptError)) {
			t.Errorf("Update says %v, want a CorruptError", err)
		}
		if got, _ := os.ReadFile(target); string(got) != "precious" {
			t.Errorf("the target is %q", got)
		}
		if fi, err := os.Lstat(s.path()); err != nil || !fi.Mode().IsRegular() {
			t.Errorf("the state is %v, %v; want a file of ours", fi, err)
		}
	})
}
