package lockfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// The test binary, started again with one of these in ROLE, is another process that uses the same store.
func TestMain(m *testing.M) {
	switch role := os.Getenv("ROLE"); role {
	case "":
		os.Exit(m.Run())
	case "count":
		count(os.Getenv("DIR"))
	case "hold":
		hold(os.Getenv("DIR"))
	case "open":
		_, err := Open(os.Getenv("DIR"))
		if err == nil {
			var s *Store
			s, _ = Open(os.Getenv("DIR"))
			_, err = s.Update(context.Background(), touch)
		}
		fmt.Println(err)
	case "idle":
		fmt.Println("ready")
		time.Sleep(time.Hour)
	default:
		fmt.Fprintf(os.Stderr, "no role %q\n", role)
		os.Exit(2)
	}
}

func touch(s *turn.State) error {
	s.Open("p").Name = fmt.Sprint(time.Now())
	return nil
}

const rounds = 50

// count adds one to a number in the state, rounds times.
func count(dir string) {
	s, err := Open(dir)
	for range rounds {
		if err == nil {
			_, err = s.Update(context.Background(), func(st *turn.State) error {
				n, _ := strconv.Atoi(st.Open("p").Name)
				st.Open("p").Name = strconv.Itoa(n + 1)
				return nil
			})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// hold takes the lock and keeps it, which no code of ours does.
func hold(dir string) {
	s, err := Open(dir)
	if err == nil {
		_, err = s.Update(context.Background(), func(*turn.State) error {
			fmt.Println("ready")
			time.Sleep(time.Hour)
			return nil
		})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// other starts another process in a role and waits until it says that it is ready.
func other(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ROLE="+role, "DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%s says %q, %v; want ready", role, line, err)
	}
	return cmd
}

func name(t *testing.T, s *Store) string {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return v.State.Account("p").Name
}

func set(t *testing.T, s *Store, name string) *View {
	t.Helper()
	v, err := s.Update(context.Background(), func(st *turn.State) error { st.Open("p").Name = name; return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func TestUpdatesOfManyProcessesAreAllKept(t *testing.T) {
	s := open(t)
	const processes = 6
	var cmds []*exec.Cmd
	for range processes {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "ROLE=count", "DIR="+s.Dir())
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := name(t, s), strconv.Itoa(processes*rounds); got != want {
		t.Errorf("the number is %s after %s additions", got, want)
	}
}

func TestFilesAreClosedToOthers(t *testing.T) {
	s := open(t)
	set(t, s, "x")
	s.Log("a line")
	for path, want := range map[string]os.FileMode{"": 0o700, "state.json": 0o600, "lock": 0o600, "log": 0o600} {
		fi, err := os.Stat(filepath.Join(s.Dir(), path))
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("mode of %q is %04o, want %04o", path, got, want)
		}
	}
}

func TestAnUpdateThatChangesNothingWritesNothing(t *testing.T) {
	s := open(t)
	v := set(t, s, "x")
	set(t, s, "x")
	if s.Replaced(v) {
		t.Error("the state was replaced")
	}
}

func TestAnUpdateThatFailsWritesNothing(t *testing.T) {
	s := open(t)
	set(t, s, "before")
	_, err := s.Update(context.Background(), func(st *turn.State) error { st.Open("p").Name = "after"; return errors.ErrUnsupported })
	if !errors.Is(err, errors.ErrUnsupported) || name(t, s) != "before" {
		t.Errorf("Update says %v and leaves %q; want the error and %q", err, name(t, s), "before")
	}
}

// A panic of the change passes through, with the lock let go, and the state as it was.
func TestAnUpdateThatPanicsWritesNothingAndLetsGo(t *testing.T) {
	s := open(t)
	set(t, s, "before")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is swallowed")
			}
		}()
		s.Update(context.Background(), func(st *turn.State) error { st.Open("p").Name = "after"; panic("the change fell") })
	}()
	if got := name(t, s); got != "before" {
		t.Errorf("it leaves %q, want %q", got, "before")
	}
	set(t, s, "next") // fails where the lock is still held
}

// Replaced many times within one tick of the file system's clock, the file may get its old inode, size and time back;
// the view's open file keeps its inode from being used again.
func TestEveryReplacementIsSeen(t *testing.T) {
	s := open(t)
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	if s.Replaced(v) {
		t.Error("no state was replaced by no state")
	}
	set(t, s, "first")
	if !s.Replaced(v) {
		t.Error("the first state goes unseen")
	}
	for i := range 200 {
		v := set(t, s, fmt.Sprint(i%2))
		set(t, s, fmt.Sprint(i%2+2))
		set(t, s, fmt.Sprint(i%2))
		if !s.Replaced(v) {
			t.Fatalf("round %d: two replacements went unseen", i)
		}
		v.Close()
	}
}

// 1. Another process takes the lock. 2. It is stopped, as by ^Z, so that it can't let go. 3. Update gives up in time.
// 4. The process is killed. 5. Update works: the kernel let the lock go.
func TestALockHeldForEverStopsNobody(t *testing.T) {
	s := open(t)
	holder := other(t, "hold", s.Dir())
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(context.Background(), touch); !errors.Is(err, ErrBusy) {
		t.Errorf("Update says %v, want that the lock is busy", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	if _, err := s.Update(context.Background(), touch); err != nil {
		t.Error(err)
	}
}

func TestACrashBeforeTheRenameLeavesTheOldState(t *testing.T) {
	s := open(t)
	set(t, s, "old")
	if err := os.WriteFile(filepath.Join(s.Dir(), "state.tmp"), []byte(`{"version":2,"accounts":{"p":{"na`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := name(t, s); got != "old" {
		t.Errorf("the state is %q, want the old one", got)
	}
	set(t, s, "new")
	if got := name(t, s); got != "new" {
		t.Errorf("the state is %q, want the new one", got)
	}
}

func TestAHostileDirectoryIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"a symlink": {func(dir string) error { return os.Symlink(t.TempDir(), dir) }, "is a symlink"},
		"open to others": {func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777))
		}, "is writable by others (mode 0777)"},
		"a file": {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "not a directory"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "afteryou")
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open says %v, want %q", err, c.want)
			}
		})
	}
}

func TestADirectoryThatOthersMayReadIsClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "afteryou")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(dir); fi.Mode().Perm() != 0o700 {
		t.Errorf("mode is %04o, want 0700", fi.Mode().Perm())
	}
}

// Root may read and write everything, so another user has to look.
func TestADirectoryOfAnotherOwnerOrMode(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("not root: the user who runs the tests looks, and only at a directory without permissions")
	}
	nobody := 65534
	for what, c := range map[string]struct {
		mode  os.FileMode
		owner int
		want  string
	}{
		"another's":                   {0o700, 0, "belongs to uid 0, not to you"},
		"unreadable":                  {0o000, nobody, "<nil>"}, // it is ours: given back its mode
		"unwritable":                  {0o500, nobody, "<nil>"},
		"with a state that is closed": {0o700, nobody, "permission denied; set aside as state.corrupt-"},
	} {
		t.Run(what, func(t *testing.T) {
			if os.Getuid() != 0 && c.owner == 0 {
				t.Log("no other user to own it")
				return
			}
			base, err := os.MkdirTemp("/tmp", "afteryou-test-") // a place that nobody may enter
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(base) })
			self := filepath.Join(base, "test")
			data, err := os.ReadFile(os.Args[0])
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(base, "afteryou")
			err = errors.Join(os.Chmod(base, 0o755), os.WriteFile(self, data, 0o755), os.Mkdir(dir, 0o700))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			if os.Getuid() == 0 {
				if err := os.Chown(dir, c.owner, c.owner); err != nil {
					t.Fatal(err)
				}
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(nobody), Gid: uint32(nobody)}}
			}
			if err := os.Chmod(dir, c.mode); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(what, "closed") {
				if err := errors.Join(os.WriteFile(filepath.Join(dir, "state.json"), nil, 0o000), os.Chown(filepath.Join(dir, "state.json"), c.owner, c.owner)); err != nil && os.Getuid() == 0 {
					t.Fatal(err)
				}
			}
			cmd.Env = []string{"ROLE=open", "DIR=" + dir}
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || !strings.Contains(got, c.want) {
				t.Errorf("it says %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestTheLogIsOneLineAMessageAndBounded(t *testing.T) {
	s := open(t)
	s.Log("one\ntwo")
	path := filepath.Join(s.Dir(), "log")
	if got, _ := os.ReadFile(path); !strings.HasSuffix(string(got), " one two\n") {
		t.Errorf("the log is %q", got)
	}
	if err := os.WriteFile(path, make([]byte, maxLog), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Log("last")
	s.Log("first")
	if got, _ := os.ReadFile(path); !strings.HasSuffix(string(got), " first\n") || len(got) > 100 {
		t.Errorf("the log has %d bytes after a full one", len(got))
	}
}
