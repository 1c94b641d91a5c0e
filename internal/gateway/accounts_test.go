package gateway

import (
	"net/http"
	"testing"
	"time"

	"afteryou/internal/turn"
)

// idle reports whether no call is there and all was told.
func (a *accounts) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.all {
		if !g.Idle() {
			return false
		}
	}
	return true
}

// byKey has each request pay by its own key.
func byKey(c *Config) {
	c.Pool = func(r *http.Request) (string, string) { return "key", r.Header.Get("X-Api-Key") }
}

// With one turn for each account, calls on another credential do not wait, and those on the same one do.
func TestEachCredentialHasItsAccount(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Claude-Code-Session-Id") == "first" {
			<-free
		}
	}, byKey, func(c *Config) { c.Rules = turn.Rules{Most: 1} })
	call := func(session, key string) *http.Request {
		r := s.call(s.gateway.URL(), session, `{}`)
		r.Header.Set("X-Api-Key", key)
		return r
	}
	done := make(chan int)
	for _, name := range []string{"first", "second"} {
		go func() { status, _, _ := s.do(call(name, "one")); done <- status }()
		s.settles(1, map[string]int{"first": 0, "second": 1}[name])
	}
	if status, _, err := s.do(call("other", "two")); status != 200 {
		t.Errorf("another account's call: %d, %v", status, err)
	}
	close(free)
	for range 2 {
		if status := receive(t, done); status != 200 {
			t.Errorf("%d", status)
		}
	}
	s.settles(0, 0)
	v, err := s.store.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if n := len(v.State.Accounts); n != 2 {
		t.Errorf("%d accounts, want 2", n)
	}
}

// A program that takes a new token again and again leaves no gates behind.
func TestGatesOfOldTokensAreClosed(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(http.ResponseWriter, *http.Request) {}, byKey)
	all := s.gateway.accounts
	for i := range 2 * mostAccounts {
		r := s.call(s.gateway.URL(), "a", `{}`)
		r.Header.Set("X-Api-Key", time.Duration(i).String())
		if status, _, err := s.do(r); status != 200 {
			t.Fatalf("%d, %v", status, err)
		}
	}
	s.settles(0, 0)
	all.mu.Lock()
	defer all.mu.Unlock()
	if n := len(all.all); n > mostAccounts+1 { // the last may not have been told to the state
		t.Errorf("%d gates", n)
	}
}

func TestPatienceIsTheClients(t *testing.T) {
	const js, node = "X-Stainless-Lang", "js"
	for name, c := range map[string]struct {
		header []string
		hold   time.Duration
		want   time.Duration
	}{
		"nothing said":                   {want: 270 * time.Second},
		"the SDK for TypeScript":         {header: []string{js, node, "X-Stainless-Timeout", "600"}, want: 270 * time.Second},
		"… with less":                    {header: []string{js, node, "X-Stainless-Timeout", "60"}, want: 54 * time.Second},
		"the SDK for Python":             {header: []string{js, "python", "X-Stainless-Read-Timeout", "600"}, want: 540 * time.Second},
		"… where both are told":          {header: []string{"X-Stainless-Read-Timeout", "600", "X-Stainless-Timeout", "100"}, want: 90 * time.Second},
		"the SDK for Go":                 {header: []string{js, "go", "X-Stainless-Timeout", "600"}, want: 540 * time.Second},
		"less than that is to be kept":   {header: []string{"X-Stainless-Timeout", "600"}, hold: time.Minute, want: time.Minute},
		"what is no time":                {header: []string{"X-Stainless-Timeout", "NaN"}, want: 270 * time.Second},
		"none, which is no patience":     {header: []string{"X-Stainless-Timeout", "0"}, want: 270 * time.Second},
		"longer than anybody would wait": {header: []string{"X-Stainless-Timeout", "1e9"}, want: 270 * time.Second},
	} {
		h := make(http.Header)
		for i := 0; i+1 < len(c.header); i += 2 {
			h.Set(c.header[i], c.header[i+1])
		}
		if got := (&turns{hold: c.hold}).patience(h); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
