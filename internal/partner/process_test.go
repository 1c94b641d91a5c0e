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

	"afteryou/lockfile"
)

// role is what this test binary is to be when another one starts it: a Claude Code ("claude"), which starts its partner and sleeps;
// a partner ("serve"); one for a single word ("once"); or who only connects ("stranger").
const role = "AFTERYOU_TEST_ROLE"

// played reports whether this process had a role, which is over.
func played() bool {
	dir := os.Getenv("AFTERYOU_TEST_STATE")
	switch os.Getenv(role) {
	case "claude":
		child := again("serve", dir)
		child.Stdout = os.Stdout
		if child.Start() == nil {
			child.Wait()
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
	var said struct{ Socket string }
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatal(err)
	}
	s = &stand{T: t, store: store, socket: said.Socket, client: clientOf(said.Socket)}
	t.Cleanup(s.client.CloseIdleConnections)
	return claude, s
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

// A partner is killed while a request of its Claude Code's is under way, and another is started: the turn is not held for long.
func TestTheNextPartnerFreesWhatTheLastHad(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	killed := newPartner(newConfig(store, oneByOne))
	c := killed.join(message{ID: "1", Session: "a", Model: "claude-opus-4-6"})
	if err := c.place.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	settles(t, store, patience, 1, 0)
	s := standOn(t, store, oneByOne) // of the same Claude Code
	s.asks("ask", request("2", "a"))
	s.tell("gone", words{"session": "a"})
	settles(t, store, patience, 0, 0)
}
