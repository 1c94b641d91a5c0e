package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// versions lists those of the table: each stands where something changed (hooks, StopFailure, PostToolBatch, the watchdog, its
// own going on after a usage limit), and the pinned one where the one that was pinned before it stood.
var versions = []string{"2.0.76", "2.1.45", "2.1.78", "2.1.118", "2.1.186", "2.1.199", "2.1.234", realclaude.Version}

// situation is a limit of the API that begins once a tool has run: the next call meets it.
type situation struct {
	name  string
	title string
	what  string // for the table's legend
	// lasts is for how long; 0: for ever.
	lasts  time.Duration
	login  bool // a subscription's, not an API key
	answer func(now, end time.Time) fakeapi.Answer
}

var situations = []situation{
	{
		name: "short", title: "retry-after 8", what: "429 with `retry-after: 8`", lasts: 8 * time.Second,
		answer: func(now, end time.Time) fakeapi.Answer { return fakeapi.RateLimited(end.Sub(now)) },
	}, {
		name: "long", title: "retry-after 65", what: "429 with `retry-after: 65` and, to whoever comes earlier, with what is left of it", lasts: 65 * time.Second,
		answer: func(now, end time.Time) fakeapi.Answer { return fakeapi.RateLimited(end.Sub(now)) },
	}, {
		name: "none", title: "429 alone", what: "429 without `retry-after`, for 20 s", lasts: 20 * time.Second,
		answer: func(now, end time.Time) fakeapi.Answer { return fakeapi.RateLimited(0) },
	}, {
		name: "overload", title: "529", what: "529 for 20 s", lasts: 20 * time.Second,
		answer: func(now, end time.Time) fakeapi.Answer { return fakeapi.Overloaded() },
	}, {
		name: "usage", title: "usage limit", what: "a subscription's five-hour limit that resets 65 s later, with the headers that say so", lasts: 65 * time.Second, login: true,
		answer: func(now, end time.Time) fakeapi.Answer { return fakeapi.UsageLimited(end, now) },
	}, {
		name: "spend", title: "spend limit", what: "429 with `error_code` `enforced_spend_limit_reached` and `x-should-retry: false`, without end",
		answer: func(now, end time.Time) fakeapi.Answer {
			a := fakeapi.SpendLimited()
			a.Header = http.Header{"X-Should-Retry": {"false"}}
			return a
		},
	},
}

// settings is no limit at all: it shows which hooks run.
var settings = situation{name: "settings"}

// modes are the ways to start Claude Code: on a terminal, or with the output formats of -p.
var modes = []string{interactive, "text", "json", "stream-json"}

const interactive = "terminal"

// cell is one of the table.
type cell struct {
	version string
	situation
	mode  string
	hooks bool
}

func (c cell) name() string {
	hooks := "hooks"
	if !c.hooks {
		hooks = "no-hooks"
	}
	return strings.Join([]string{c.version, c.situation.name, c.mode, hooks}, "-")
}

// matrix returns all cells, those that take longest first.
func matrix(versions []string) []cell {
	var all []cell
	order := slices.Clone(situations)
	slices.SortStableFunc(order, func(a, b situation) int { return int(b.lasts - a.lasts) })
	for _, s := range order {
		for _, mode := range modes {
			for _, v := range versions {
				for _, hooks := range []bool{true, false} {
					all = append(all, cell{v, s, mode, hooks})
				}
			}
		}
	}
	for _, v := range versions {
		for _, mode := range []string{interactive, "text"} {
			all = append(all, cell{v, settings, mode, true})
		}
	}
	return all
}

// limit is the limit of one cell: it begins with the first call of a conversation in which a tool has run, and holds for
// every call to the same model. The task is one tool call and a last word; a conversation that begins anew runs the tool
// again.
type limit struct {
	situation
	begins func() // called once
	mu     sync.Mutex
	begun  time.Time
	model  string // of which it is
}

func (l *limit) answer(r fakeapi.Request) fakeapi.Answer {
	aside := r.LastText == "Warmup" || r.Tools == 0 // of old versions, titles, and afteryou's question how long it lasts
	l.mu.Lock()
	if l.begun.IsZero() && !aside && r.Results > 0 {
		l.begun, l.model = r.Arrived, r.Model
		l.begins()
	}
	begun, model := l.begun, l.model
	l.mu.Unlock()
	end := begun.Add(l.lasts)
	limited := !begun.IsZero() && l.situation.answer != nil && r.Model == model && (l.lasts == 0 || r.Arrived.Before(end))
	switch {
	case limited:
		return l.situation.answer(r.Arrived, end)
	case aside:
		return fakeapi.Say("ok")
	case r.Results == 0:
		return fakeapi.Bash("echo ran >> count")
	}
	return fakeapi.Say("done")
}

// at returns when the limit began.
func (l *limit) at() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun, !l.begun.IsZero()
}

// store keeps the results of cells that do not stand in the table yet, each in a directory with what was captured.
type store struct{ path string }

func keptDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "afteryou", "compat")
}

func (s store) dir(c cell) string { return filepath.Join(s.path, c.name()) }

func (s store) load(c cell) (r Result, ok bool) {
	data, err := os.ReadFile(filepath.Join(s.dir(c), "result.json"))
	return r, err == nil && json.Unmarshal(data, &r) == nil
}

// save writes the result last: a cell without one was not measured.
func (s store) save(c cell, r Result, caught map[string][]byte) error {
	dir := s.dir(c)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range caught {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "result.json"), data, 0o644)
}
