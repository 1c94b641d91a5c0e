package partner

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// patience bounds the wait for what must happen some time, on any machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	if played() {
		return
	}
	flag.Set("test.parallel", "8") // unless said otherwise: tests wait more than they compute
	os.Exit(m.Run())
}

// stand is a partner, and what a module would be.
type stand struct {
	*testing.T
	store  *lockfile.Store
	socket string
	config Config
	client *http.Client
	says   *json.Decoder // where it is another process's: what that says
	end    func() error  // ends the partner; returns what Serve returned
}

// unattended is the environment of -p; else somebody sits at a terminal.
func unattended(c *Config) {
	c.Getenv = func(name string) string { return map[string]string{"CLAUDE_CODE_ENTRYPOINT": "sdk-cli"}[name] }
}

func oneByOne(c *Config) { c.Rules = turn.Rules{Most: 1} }

func newStore(t *testing.T) *lockfile.Store {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // the path of a socket in it is to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	store, err := lockfile.Open(filepath.Join(dir, "afteryou"))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// newConfig is a partner's of the process that started this one.
func newConfig(store *lockfile.Store, with ...func(*Config)) Config {
	c := Config{Store: store, MaxWait: time.Hour, Getenv: func(string) string { return "" },
		Pool: func() (string, string) { return "the limit", "sk-ant-very-secret" }, Claude: lockfile.Identify(os.Getppid())}
	for _, f := range with {
		f(&c)
	}
	return c
}

func newStand(t *testing.T, with ...func(*Config)) *stand {
	t.Helper()
	return standOn(t, newStore(t), with...)
}

// standOn is a partner over a state that others use too.
func standOn(t *testing.T, store *lockfile.Store, with ...func(*Config)) *stand {
	t.Helper()
	s := &stand{T: t, store: store, config: newConfig(store, with...)}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, s.config, in); in.Close() }()
	var said struct{ Socket string }
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatal(err)
	}
	s.socket = said.Socket
	s.client = clientOf(s.socket)
	s.end = func() error {
		cancel()
		err := <-ended
		ended <- err
		return err
	}
	t.Cleanup(func() { s.client.CloseIdleConnections(); s.end() })
	return s
}

// clientOf asks as $.http.fetch does.
func clientOf(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 50}, Timeout: 30 * time.Second}
}

// words are what a module says beside the word itself.
type words map[string]any

// say is one word, and what is answered.
func (s *stand) say(ctx context.Context, word string, what words) (a reply, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return a, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://afteryou/"+word, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

// tell is say where nothing may go wrong.
func (s *stand) tell(word string, what words) reply {
	s.Helper()
	a, err := s.say(s.Context(), word, what)
	if err != nil {
		s.Fatalf("%s %v: %v", word, what, err)
	}
	return a
}

// request is one of a turn of a session's main loop.
func request(id, session string) words {
	return words{"id": id, "session": session, "model": "claude-opus-4-6", "size": 5000, "patience": 600}
}

func (w words) with(more words) words {
	all := words{}
	for _, m := range []words{w, more} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// asks polls until the request may be sent, as the module does, and returns the last answer.
func (s *stand) asks(word string, what words) reply {
	s.Helper()
	for deadline := time.Now().Add(patience); ; {
		if a := s.tell(word, what); a.Go {
			return a
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s %v is never to be sent", word, what)
		}
	}
}

// asking is asks in the background: the channel is closed once the request may be sent.
func (s *stand) asking(word string, what words) <-chan struct{} {
	goes := make(chan struct{})
	go func() {
		for s.Context().Err() == nil {
			if a, err := s.say(s.Context(), word, what); err == nil && a.Go {
				close(goes)
				return
			}
		}
	}()
	return goes
}

// goes waits for that.
func (s *stand) goes(c <-chan struct{}) {
	s.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		s.Fatal("it is never to be sent")
	}
}

// answered says how a request was, and returns the verdict.
func (s *stand) answered(what words, status int, headers map[string]string) string {
	s.Helper()
	return string(s.tell("answer", what.with(words{"status": status, "headers": headers, "sent": time.Now().UnixMilli()})).Verdict)
}

// view shows the state to f.
func view(t *testing.T, store *lockfile.Store, f func(s *turn.State)) {
	t.Helper()
	v, err := store.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	f(v.State)
}

// turns counts who holds a turn or waits for one.
func turns(t *testing.T, store *lockfile.Store) (held, waiting int) {
	t.Helper()
	view(t, store, func(s *turn.State) {
		for _, a := range s.Accounts {
			for class := range a.Classes {
				held += len(a.Turns(class))
			}
			waiting += len(a.Waiting())
		}
	})
	return held, waiting
}

// settles waits until so many hold a turn and so many wait, for at most some time.
func settles(t *testing.T, store *lockfile.Store, most time.Duration, held, waiting int) {
	t.Helper()
	var h, w int
	for deadline := time.Now().Add(most); ; time.Sleep(time.Millisecond) {
		if h, w = turns(t, store); h == held && w == waiting {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d hold a turn and %d wait; want %d and %d", h, w, held, waiting)
		}
	}
}

func (s *stand) settles(held, waiting int) {
	s.Helper()
	settles(s.T, s.store, patience, held, waiting)
}

// until waits for a condition.
func (s *stand) until(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited in vain until %s", what)
		}
	}
}

// logged is what stands in the log.
func (s *stand) logged() string {
	s.Helper()
	data, err := os.ReadFile(filepath.Join(s.store.Dir(), "log"))
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	return string(data)
}
