// Package demo runs the same real Claude Code sessions on the same small rate limit twice, each session for itself and
// with afteryou, and compares. The server is a stand-in on loopback; nothing else is. It needs no account and reads
// nothing of the person's own Claude Code.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// Config says what is run. Every session makes Calls calls to the model, with a tool between each two.
type Config struct {
	Sessions, Calls int
	RPM, Burst      float64       // the request bucket
	Latency         time.Duration // of one answer
	Self            string        // the afteryou to be shown
	Gateway         bool          // it is run with its gateway, not with its hooks alone
	Env             []string      // added to the environment of the sessions that run through it
}

// Result is the comparison, as --json prints it.
type Result struct {
	Ideal    float64 `json:"ideal_s"`
	Native   Run     `json:"native"`
	Afteryou Run     `json:"afteryou"`
}

// Run is one run of all sessions.
type Run struct {
	Makespan   float64 `json:"makespan_s"` // from the start of the first session to the end of the last
	Answers    int     `json:"answers"`
	Rejections int     `json:"rejections"`
	Dead       int     `json:"dead"` // sessions that did not finish their work
	// Jain is Jain's index of the times at which the sessions that lived finished: 1 is all at once.
	Jain float64 `json:"jain"`
}

// Ideal is how long the work takes at least, in seconds: the bucket must release all the calls, the last must be
// answered, and each session makes its calls one after the other.
func (c Config) Ideal() float64 {
	latency := c.Latency.Seconds()
	released := max(0, float64(c.Sessions*c.Calls)-c.Burst) / (c.RPM / 60)
	return max(released+latency, float64(c.Calls)*latency)
}

// event is what became of one call.
type event struct {
	session  int
	at       time.Duration // since the start of the run
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
	r := Result{Ideal: c.Ideal()}
	view.say("%d sessions of %d calls each; the limit is %g calls a minute, %g at once", c.Sessions, c.Calls, c.RPM, c.Burst)
	if r.Native, err = run(ctx, c, "each for itself", view, realclaude.Session{Path: claude}); err != nil {
		return r, err
	}
	gateway := "off"
	if c.Gateway {
		gateway = "on"
	}
	r.Afteryou, err = run(ctx, c, "with afteryou", view, realclaude.Session{
		Path: c.Self, Args: []string{"run", "--"},
		Env: append([]string{"AFTERYOU_CLAUDE=" + claude, "AFTERYOU_GATEWAY=" + gateway}, c.Env...),
	})
	return r, err
}

// run runs all the sessions at once and waits for them.
func run(ctx context.Context, c Config, title string, view *View, s realclaude.Session) (Run, error) {
	dir, err := os.MkdirTemp("", "afteryou-demo-")
	if err != nil {
		return Run{}, err
	}
	defer os.RemoveAll(dir)
	ids := make(map[string]int)
	chart := view.start(title, c)
	defer chart.stop()
	server, err := fakeapi.Start(fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: c.RPM, Burst: c.Burst}},
		Answer: fakeapi.Slow(0, c.Latency, fakeapi.Agentic(c.Calls)),
		OnRequest: func(r fakeapi.Request) {
			if i, ok := ids[r.Session]; ok && r.Ended.IsZero() {
				chart.add(event{session: i, at: time.Since(chart.began), rejected: r.Status != 200})
			}
		},
	})
	if err != nil {
		return Run{}, err
	}
	defer server.Close()

	names := make([]string, c.Sessions)
	for i := range names {
		names[i] = newID()
		ids[names[i]] = i
		if err := realclaude.Home(home(dir, i), filepath.Join(dir, fmt.Sprint("work", i))); err != nil {
			return Run{}, err
		}
	}
	var wg sync.WaitGroup
	ends := make([]time.Duration, c.Sessions)
	fails := make([]error, c.Sessions)
	chart.begin()
	for i, id := range names {
		wg.Go(func() {
			one := s
			one.Dir = filepath.Join(dir, fmt.Sprint("work", i))
			one.Env = realclaude.Env(home(dir, i), server.URL(), append([]string{
				"XDG_STATE_HOME=" + filepath.Join(dir, "state"),
				"XDG_CONFIG_HOME=" + filepath.Join(dir, "config"),
				"XDG_CACHE_HOME=" + filepath.Join(dir, "cache"),
			}, s.Env...)...)
			out, err := realclaude.Print(ctx, one, "--session-id", id, "--permission-mode", "bypassPermissions", "demo")
			ends[i] = time.Since(chart.began)
			if err == nil && (out.Code != 0 || strings.TrimSpace(out.Stdout) != "done") {
				err = fmt.Errorf("exit code %d, %s", out.Code, strings.TrimSpace(out.Stdout+out.Stderr))
			}
			fails[i] = err
			chart.end(i, ends[i], err)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return Run{}, errors.Join(fails...)
	}
	r := Run{Answers: len(server.Answers()), Rejections: len(server.Rejections())}
	var lived []float64
	for i, end := range ends {
		r.Makespan = max(r.Makespan, end.Seconds())
		if fails[i] != nil {
			r.Dead++
			continue
		}
		lived = append(lived, end.Seconds())
	}
	r.Jain = jain(lived)
	return r, nil
}

// home is the home of session i. Each has its own: many sessions that start at once in one home write one file.
func home(dir string, i int) string { return filepath.Join(dir, fmt.Sprint("home", i)) }

// jain is Jain's fairness index: 1 where all are equal, 1/n where one has all. Of nothing it is 0.
func jain(values []float64) float64 {
	var sum, squares float64
	for _, v := range values {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(values)) * squares)
}

// newID is a random UUID, which is what Claude Code takes for the id of a session.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
