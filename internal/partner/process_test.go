package partner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// role is what this test binary is to be when another one starts it: a Claude Code ("claude"), which starts its partner, and one more;
// a partner ("serve"); one for a single word ("once"); or who only connects ("stranger").
const role = "AFTERYOU_TEST_ROLE"

// played reports whether this process had a role, which is over.
func played() bool {
	dir := os.Getenv("AFTERYOU_TEST_STATE")
	switch os.Getenv(role) {
	case "claude":
		for range 2 {
			child := again("serve", dir)
			child.Stdout = os.Stdout
			child.Run()
		}
	case "serve", "once":
		store, err := lockfile.Open(dir)
		if err != nil {
			panic(err)
		}
		c := newConfig(store, oneByOne, unattended)
		if os.Getenv(role) == "once" {
			err = Once(context.Background(), c, os.Stdin, os.Stdout)
		} else {
			err = Serve(context.Background(), c, os.Stdout)
		}
		if err != nil {
			panic(err)
		}
	case "stranger":
		user, err := strconv.Atoi(os.Getenv("AFTERYOU_TEST_USER"))
		if err == nil {
			err = syscall.Setuid(user)
		}
		var c net.Conn
		if err == nil {
			c, err = net.Dial("unix", dir)
		}
		if err == nil {
			io.WriteString(c, "POST /ask HTTP/1.1\r\nHost: afteryou\r\nContent-Length: 2\r\n\r\n{}")
			c.SetDeadline(time.Now().Add(patience))
			_, err = bufio.NewReader(c).ReadByte()
		}
		if err == nil {
			io.WriteString(os.Stdout, "answered")
		}
	default:
		return false
	}
	return true
}

// again is this binary in a role.
func again(as, state string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{role + "=" + as, "AFTERYOU_TEST_STATE=" + state}
	cmd.Stderr = os.Stderr
	return cmd
}

// begun starts a Claude Code with a partner, whose state is that of store.
func begun(t *testing.T, store *lockfile.Store) (claude *exec.Cmd, s *stand) {
	t.Helper()
	claude = again("claude", store.Dir())
	out, err := claude.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := claude.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { claude.Process.Kill(); claude.Wait() })
	s = &stand{T: t, store: store, says: json.NewDecoder(out)}
	s.listens()
	return claude, s
}

// listens waits until the next partner says where it listens.
func (s *stand) listens() {
	s.Helper()
	var said struct{ Socket string }
	if err := s.says.Decode(&said); err != nil {
		s.Fatal(err)
	}
	s.socket, s.client = said.Socket, clientOf(said.Socket)
	s.Cleanup(s.client.CloseIdleConnections)
}

// Claude Code is killed: its partner ends by itself, what it had is free within a second for who waits elsewhere, and nothing is left.
func TestAPartnerEndsWithClaudeCode(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	claude, s := begun(t, store)
	s.asks("ask", request("1", "a"))
	other := standOn(t, store, oneByOne)
	goes := other.asking("ask", request("1", "b"))
	settles(t, store, patience, 1, 1)
	claude.Process.Kill()
	killed := time.Now()
	s.goes(goes)
	if took := time.Since(killed); took > 2*time.Second {
		t.Errorf("the other goes after %v, want 1s at most", took)
	}
	s.until("the directory is gone", func() bool { _, err := os.Stat(filepath.Dir(s.socket)); return os.IsNotExist(err) })
	settles(t, store, patience, 1, 0)
}

// Both are killed at once: who waits elsewhere sees that they are gone, and the next partner clears away the directory.
func TestBothAreKilled(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	claude, s := begun(t, store)
	s.asks("ask", request("1", "a").with(words{"dir": "/work", "gate": "module"}))
	other := standOn(t, store, oneByOne)
	goes := other.asking("ask", request("1", "b"))
	settles(t, store, patience, 1, 1)
	partner := pidOf(t, s.socket)
	syscall.Kill(partner, syscall.SIGKILL)
	claude.Process.Kill()
	claude.Wait()
	killed := time.Now()
	s.goes(goes)
	if took := time.Since(killed); took > 2*time.Second {
		t.Errorf("the other goes after %v, want 1s at most", took)
	}
	store.Sweep()
	if _, err := os.Stat(filepath.Dir(s.socket)); !os.IsNotExist(err) {
		t.Errorf("the directory: %v", err)
	}
}

// pidOf is the process that made the directory of a socket: its name says so.
func pidOf(t *testing.T, socket string) (pid int) {
	t.Helper()
	name := strings.TrimPrefix(filepath.Base(filepath.Dir(socket)), "in-")
	first, _, _ := strings.Cut(name, "-")
	if err := json.Unmarshal([]byte(first), &pid); err != nil || pid < 2 || pid == os.Getpid() {
		t.Fatalf("%s names no other process: %v", socket, err)
	}
	return pid
}

// The directory is the user's alone, and another user that gets so far all the same is hung up on.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	dir := filepath.Dir(s.socket)
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 || filepath.Dir(dir) != s.store.Dir() {
		t.Errorf("%s: %v, %v", dir, fi.Mode(), err)
	}
	if other := newStand(t); len(filepath.Base(dir)) < 20 || filepath.Base(filepath.Dir(other.socket)) == filepath.Base(dir) {
		t.Errorf("%s is a name that one can guess", dir)
	}
	said := func(uid uint32) string {
		cmd := again("stranger", s.socket)
		cmd.Env = append(cmd.Env, fmt.Sprintf("AFTERYOU_TEST_USER=%d", uid))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	if got := said(65534); got != "" {
		t.Errorf("who can't enter the directory is %s", got)
	}
	for p := dir; p != "/"; p = filepath.Dir(p) { // all may go there; under the test's own directory
		if fi, err := os.Stat(p); err != nil || fi.Mode().Perm()&0o011 != 0o011 {
			if err := os.Chmod(p, 0o711); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(s.socket, 0o777); err != nil {
		t.Fatal(err)
	}
	if got := said(0); got != "answered" {
		t.Errorf("the user is %q, want answered", got)
	}
	if got := said(65534); got != "" {
		t.Errorf("another user is %s", got)
	}
}

// Where no partner can be asked, processes for one word each keep one call: its turn, its place after a rejection, and its end.
func TestOneWordAtATime(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	of := request("1", "a")
	first := once(t, store, of.with(words{"word": "ask"}))
	if !first.Go {
		t.Fatalf("the first is told %+v, want to go", first)
	}
	settles(t, store, time.Second, 1, 0)
	other := standOn(t, store, oneByOne)
	goes := other.asking("ask", request("1", "b"))
	settles(t, store, patience, 1, 1)
	begun := time.Now()
	rejected := once(t, store, of.with(words{"word": "answer", "status": 429, "headers": after(1), "sent": time.Now().UnixMilli()}))
	if took := time.Since(begun); rejected != (reply{Go: true, Verdict: "again"}) || took < 900*time.Millisecond {
		t.Errorf("rejected, it is told %+v after %v; want to go again after 1s", rejected, took)
	}
	settles(t, store, time.Second, 1, 1)
	if a := once(t, store, of.with(words{"word": "answer", "status": 200, "sent": time.Now().UnixMilli()})); a.Verdict != "pass" {
		t.Errorf("answered, it is told %+v, want pass", a)
	}
	other.goes(goes) // nobody tells when its answer ends
	other.tell("gone", words{"session": "b"})
	settles(t, store, patience, 0, 0)
}

// Esc: Claude Code ends the process that waits, and it is out of the line.
func TestOneWordMayBeStopped(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	s := standOn(t, store, oneByOne)
	s.asks("ask", request("1", "b"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- Once(ctx, newConfig(store, oneByOne), strings.NewReader(`{"word":"ask","id":"1","session":"a","model":"claude-opus-4-6"}`), io.Discard)
	}()
	s.settles(1, 1)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	settles(t, store, time.Second, 1, 0)
}

// once is the answer of a process for one word.
func once(t *testing.T, store *lockfile.Store, what words) (a reply) {
	t.Helper()
	body, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	cmd := again("once", store.Dir())
	cmd.Stdin = bytes.NewReader(body)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v: %q: %v", what, out, err)
	}
	return a
}

// 1. A request is under way, and another session's waits. 2. Its partner is killed, and the next is started. 3. That one is told what
// becomes of the request, as if it had been asked itself.
func TestASuccessor(t *testing.T) {
	t.Parallel()
	used := words{"session": "a", "usage": words{"input_tokens": 100, "output_tokens": 10}}
	for name, c := range map[string]struct {
		of   words
		then func(s *stand, of words)
		took float64
	}{
		"used":              {nil, func(s *stand, _ words) { s.tell("used", used) }, 100},
		"answered and used": {nil, func(s *stand, of words) { s.answered(of, 200, nil); s.tell("used", used) }, 100},
		"gone":              {nil, func(s *stand, of words) { s.tell("gone", of) }, 0},
		"refused":           {nil, func(s *stand, of words) { s.answered(of, 400, nil) }, 0},
		"of a side request": {words{"kind": "title"}, func(s *stand, of words) {
			s.tell("used", used) // of a turn: not of this one
			s.settles(1, 1)
			s.answered(of, 200, nil)
		}, 0},
		"rejected": {nil, func(s *stand, of words) {
			if v := s.answered(of, 429, after(1)); v != "again" {
				s.Errorf("verdict %q, want again", v)
			}
			s.asks("ask", of) // it is before the other
			s.settles(1, 1)
			s.answered(of, 200, nil)
			s.tell("used", used)
		}, 100},
		"not told of its go": {nil, func(s *stand, of words) {
			s.asks("ask", of)
			s.settles(1, 1)
			s.answered(of, 200, nil)
			s.tell("used", used)
		}, 100},
	} {
		store := newStore(t) // its path would be too long with the name of the case
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s := begun(t, store)
			of := request("1", "a").with(c.of)
			s.asks("ask", of)
			other := standOn(t, store, oneByOne)
			goes := other.asking("ask", request("1", "b"))
			settles(t, store, patience, 1, 1)
			syscall.Kill(pidOf(t, s.socket), syscall.SIGKILL)
			s.listens()
			c.then(s, of)
			s.goes(goes)
			s.settles(1, 0)
			view(t, store, func(st *turn.State) {
				for _, a := range st.Accounts {
					for _, one := range a.Calls {
						if one.Session == "a" && one.Took.Input != c.took {
							t.Errorf("the request took %v, want %v", one.Took.Input, c.took)
						}
					}
				}
			})
		})
	}
}
