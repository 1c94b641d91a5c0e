package partner

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// A state that can't be used is our trouble: requests go without turns, their rejections are sent again all the same or are
// Claude Code's, and the log has one line of it.
func TestABrokenStateHoldsNobody(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"newer": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"version":99}`), 0o600)
		},
		"no lock": func(dir string) error {
			path := filepath.Join(dir, "lock")
			os.Remove(path)
			return os.Mkdir(path, 0o700)
		},
		"corrupt": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"version":`), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, oneByOne)
			if err := spoil(s.store.Dir()); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"1", "2"} {
				of := request(id, "a")
				begun := time.Now()
				s.asks("ask", of)
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("it is held for %v", took)
				}
				if v := s.answered(of, 429, after(1)); name != "corrupt" && v != "pass" {
					t.Errorf("verdict %q, want pass", v)
				}
				s.tell("gone", words{"id": id, "session": "a"})
			}
			if n := strings.Count(s.logged(), "\n"); n != 1 {
				t.Errorf("the log has %d lines, want 1:\n%s", n, s.logged())
			}
		})
	}
}

// 1. Somebody was stopped while he had the lock. 2. A request goes without a turn. 3. The lock is free, and turns are taken again.
func TestABusyLockHoldsNobodyForLong(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne)
	f, err := os.OpenFile(filepath.Join(s.store.Dir(), "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s.asks("ask", request("1", "a"))
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it is held for %v", took)
	}
	f.Close()
	s.tell("gone", words{"session": "a"})
	s.asks("ask", request("2", "b"))
	s.settles(1, 0)
}

// At its end all is given back, whoever waits goes, and nothing is left of the socket.
func TestTheEndOfAPartner(t *testing.T) {
	t.Parallel()
	s := newStand(t, oneByOne, unattended)
	s.asks("ask", request("1", "a"))
	done := make(chan struct{})
	go func() { defer close(done); s.say(t.Context(), "ask", request("2", "b")) }()
	s.settles(1, 1)
	if err := s.end(); err != nil {
		t.Error(err)
	}
	<-done // answered or hung up on
	settles(t, s.store, time.Second, 0, 0)
	if _, err := os.Stat(filepath.Dir(s.socket)); !os.IsNotExist(err) {
		t.Errorf("the directory of its socket: %v", err)
	}
	if _, err := s.say(t.Context(), "ask", request("3", "c")); err == nil {
		t.Error("it still answers")
	}
}

// What is no word of a module's is refused, and what it does not know passes; neither stops it.
func TestGarbageIsAnswered(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for body, want := range map[string]int{"": 400, "{": 400, "[]": 400, `{"id":5}`: 400, `{"status":"x"}`: 400,
		`{"headers":{"a":["b"]}}`: 400, strings.Repeat(" ", 2<<20): 400, `{}`: 200, `{"id":"x","status":1000}`: 200, `null`: 200} {
		resp, err := s.client.Post("http://afteryou/answer", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != want {
			t.Errorf("%.30q is answered %s, want %d", body, resp.Status, want)
		}
	}
	if a := s.tell("dance", request("1", "a")); a != (reply{Verdict: "pass"}) {
		t.Errorf("an unknown word is answered %+v", a)
	}
	s.asks("ask", request("2", "a"))
}

// Whatever a module says, its partner survives it and answers.
func FuzzServe(f *testing.F) {
	for _, text := range []string{`{}`, `{"id":"1","session":"a","model":"claude-opus-4-6","size":5e9,"patience":1e300}`,
		`{"id":"1","session":"a","status":429,"headers":{"retry-after":"1e99"},"sent":-1e300}`,
		`{"id":"1","session":"a","kind":"title","patience":-1}`, `{"session":"a","usage":{"input_tokens":-5,"output_tokens":1e308}}`,
		`{"id":"1","status":0,"sent":1e19}`, `{"id":"1","session":"a","status":200,"headers":{"anthropic-ratelimit-requests-limit":"-1"}}`} {
		for _, word := range []string{"ask", "answer", "rest", "used", "gone", "bye", "x"} {
			f.Add(word, text)
		}
	}
	f.Fuzz(func(t *testing.T, word, text string) {
		p := newPartner(newConfig(newStore(t)))
		defer p.gate.Close()
		say := func(word, text string) (*http.Response, string) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			w := httptest.NewRecorder()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://afteryou/", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path = "/" + word
			p.ServeHTTP(w, r)
			return w.Result(), w.Body.String()
		}
		say("ask", `{"id":"1","session":"a"}`)
		for _, word := range []string{word, "answer", word} {
			resp, body := say(word, text)
			var m message
			understood := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&m) == nil
			if understood != (resp.StatusCode == http.StatusOK) || understood && !json.Valid([]byte(body)) {
				t.Errorf("%s %s is answered %d %s", word, text, resp.StatusCode, body)
			}
		}
		data, _ := os.ReadFile(filepath.Join(p.Store.Dir(), "log"))
		if bytes.Contains(data, []byte("panic")) {
			t.Errorf("%s %s: %s", word, text, data)
		}
	})
}

// A panic over one request lets it go, and the next is served.
func TestAPanicHoldsNobody(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(c *Config) { c.Pool = func() (string, string) { panic("the pool fell") } })
	for _, id := range []string{"1", "2"} {
		of := request(id, "a")
		s.asks("ask", of)
		if v := s.answered(of, 200, nil); v != "pass" {
			t.Errorf("verdict %q, want pass", v)
		}
	}
	view(t, s.store, func(st *turn.State) {
		if len(st.Accounts) > 0 {
			t.Errorf("the state has %v", st.Accounts)
		}
	})
	if !strings.Contains(s.logged(), "panic: the pool fell") {
		t.Errorf("the log says %q", s.logged())
	}
}

// A panic while a turn is to rest is passed over too: the answer is Claude Code's, and the partner lives on.
func TestAPanicWhereATurnRests(t *testing.T) {
	t.Parallel()
	var falls atomic.Bool
	s := newStand(t, unattended, func(c *Config) {
		pool := c.Pool
		c.Pool = func() (string, string) {
			if falls.Load() {
				panic("the pool fell")
			}
			return pool()
		}
	})
	of := request("1", "a").with(words{"patience": 2})
	s.asks("ask", of)
	falls.Store(true)
	if v := s.answered(of, 429, after(3)); v != "pass" {
		t.Errorf("verdict %q, want pass", v)
	}
	falls.Store(false)
	s.asks("ask", request("2", "b"))
}
