// Package demo runs the same real Claude Code sessions on the same small rate limit in several ways, each session for
// itself or with afteryou, and compares. The server is a stand-in on loopback; nothing else is. It needs no account and
// reads nothing of the person's own Claude Code.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// Config says what is compared.
type Config struct {
	Scenario
	Self    string   // the afteryou to be shown
	Gateway bool     // it is run with its gateway, not with its hooks alone
	Env     []string // added to the environment of the sessions that run through it
}

// Result is the comparison, as --json prints it.
type Result struct {
	Scenario Scenario `json:"scenario"`
	Server   string   `json:"server"` // what it does, in words
	Ideal    float64  `json:"ideal_s"`
	Native   Run      `json:"native"`
	Afteryou Run      `json:"afteryou"`
}

// Way is a way to start the sessions of a run.
type Way struct {
	Title string
	realclaude.Session
	// Front, if any, puts something between the sessions and the API at that URL, and returns its own. Stop ends it.
	Front func(ctx context.Context, api string) (url string, stop func(), err error)
}

// Native starts Claude Code as it is.
func Native(claude string, env ...string) Way {
	return Way{Title: "each for itself", Session: realclaude.Session{Path: claude, Env: env}}
}

// Afteryou starts Claude Code through afteryou, with settings as environment variables.
func Afteryou(self, claude string, env ...string) Way {
	return Way{Title: "with afteryou", Session: realclaude.Session{
		Path: self, Args: []string{"run", "--"}, Env: append([]string{"AFTERYOU_CLAUDE=" + claude}, env...)}}
}

// Gateway returns the setting that turns the gateway on or off.
func Gateway(on bool) string {
	return "AFTERYOU_GATEWAY=" + map[bool]string{true: "on", false: "off"}[on]
}

// event is the arrival of one call, and whether it was rejected.
type event struct {
	session  int
	at       time.Time
	rejected bool
}

// Compare runs the sessions without afteryou and then with it. It blocks until both runs are over or ctx ends. What
// happens is shown on view as it happens.
func Compare(ctx context.Context, c Config, view *View) (Result, error) {
	view.say("getting Claude Code %s from npm, unless it is here already", realclaude.Version)
	claude, err := realclaude.Install(ctx, realclaude.Version)
	if err != nil {
		return Result{}, err
	}
	r := Result{Scenario: c.Scenario, Server: c.Server.String(), Ideal: c.Ideal()}
	view.say("%v", c.Scenario)
	if r.Native, err = c.Run(ctx, Native(claude), view); err != nil {
		return r, err
	}
	r.Afteryou, err = c.Run(ctx, Afteryou(c.Self, claude, append([]string{Gateway(c.Gateway)}, c.Env...)...), view)
	return r, err
}

// Run runs all the sessions at once, in one way, and waits for them.
func (s Scenario) Run(ctx context.Context, way Way, view *View) (Run, error) {
	dir, err := os.MkdirTemp("", "afteryou-demo-")
	if err != nil {
		return Run{}, err
	}
	defer os.RemoveAll(dir)
	sessions, err := s.newSessions(dir)
	if err != nil {
		return Run{}, err
	}
	chart := view.start(way.Title, s)
	defer chart.stop()
	limit := changing{scenario: s}
	defer limit.stop()
	config := s.server()
	config.OnRequest = func(r fakeapi.Request) {
		if !r.Ended.IsZero() {
			return
		}
		limit.first()
		if i := slices.Index(sessions, r.Session); i >= 0 {
			chart.add(event{session: i, at: r.Arrived, rejected: r.Status != 200})
		}
	}
	server, err := fakeapi.Start(config)
	if err != nil {
		return Run{}, err
	}
	defer server.Close()
	limit.of(server)
	url := server.URL()
	if way.Front != nil {
		front, stop, err := way.Front(ctx, url)
		if err != nil {
			return Run{}, err
		}
		defer stop()
		url = front
	}
	begin := time.Now()
	fails := s.runSessions(ctx, way, dir, url, sessions, chart)
	wall := time.Since(begin)
	if ctx.Err() != nil {
		return Run{}, errors.Join(fails...)
	}
	r := s.measure(server.Log(), limit.stop())
	r.Wall = wall.Seconds()
	for _, err := range fails {
		if err != nil {
			r.Dead++
		}
	}
	r.Recorded, err = recorded(dir)
	return r, err
}

// newSessions makes up the ids of the sessions, and makes a home and a project for each.
func (s Scenario) newSessions(dir string) (ids []string, err error) {
	for i := range s.Sessions {
		ids = append(ids, newID())
		if err := realclaude.Home(home(dir, i), work(dir, i)); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// runSessions runs the sessions with these ids against the API at url, and returns how each failed, if it did.
func (s Scenario) runSessions(ctx context.Context, way Way, dir, url string, ids []string, chart *chart) []error {
	var wg sync.WaitGroup
	fails := make([]error, len(ids))
	chart.begin()
	for i, id := range ids {
		wg.Go(func() {
			one := way.Session
			one.Dir = work(dir, i)
			one.Env = realclaude.Env(home(dir, i), url, slices.Concat(realclaude.XDG(dir), realclaude.Cloud(s.Cloud, url), way.Env)...)
			out, err := realclaude.Print(ctx, one, "--session-id", id, "--permission-mode", "bypassPermissions", "demo")
			if err == nil && (out.Code != 0 || strings.TrimSpace(out.Stdout) != finished) {
				err = fmt.Errorf("exit code %d, %s", out.Code, strings.TrimSpace(out.Stdout+out.Stderr))
			}
			fails[i] = err
			chart.end(i, time.Now(), err)
		})
	}
	wg.Wait()
	return fails
}

// home returns the home of session i. Each has its own: many sessions that start at once in one home write one file.
func home(dir string, i int) string { return filepath.Join(dir, fmt.Sprint("home", i)) }

func work(dir string, i int) string { return filepath.Join(dir, fmt.Sprint("work", i)) }

// newID makes up a UUID, as Claude Code wants the id of a session to be.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
