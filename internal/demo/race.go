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
	"afteryou/plugin"
)

// Run runs all the sessions at once, in one way, and waits for them.
func (s Scenario) Run(ctx context.Context, way Way, view *View) (Run, error) {
	runs, err := s.Runs(ctx, way, view, 1)
	if len(runs) == 0 {
		return Run{}, err
	}
	return runs[0], err
}

// Runs does that several times in a row before the same server, with the same state of afteryou: what it learnt the first time
// it knows the second. Between the times the server's limit recovers.
func (s Scenario) Runs(ctx context.Context, way Way, view *View, times int) (runs []Run, err error) {
	dir, err := os.MkdirTemp("", "afteryou-demo-")
	if err != nil {
		return nil, err
	}
	defer plugin.Remove(dir) // parts of it are read-only
	if way.Drive == nil {
		way.Drive = printed(s)
	}
	r := &race{Scenario: s, way: way, dir: dir}
	config := s.server(r.index)
	config.OnRequest = r.request
	if r.server, err = fakeapi.Start(config); err != nil {
		return nil, err
	}
	defer r.server.Close()
	r.url = r.server.URL()
	if way.Front != nil {
		front, stop, err := way.Front(ctx, r.url)
		if err != nil {
			return nil, err
		}
		defer stop()
		r.url = front
	}
	for i := range times {
		if i > 0 {
			time.Sleep(s.recovers())
		}
		run, err := r.once(ctx, view, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return runs, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// race runs the same sessions, once or several times.
type race struct {
	Scenario
	way    Way
	dir    string
	server *fakeapi.Server
	url    string // where the sessions find the API

	mu    sync.Mutex
	ids   []string // of the sessions that run
	chart *chart
	limit *changing
}

// index is which session that is; -1: none of those that run.
func (r *race) index(session string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Index(r.ids, session)
}

// request is told of each request when its fate is decided, and again when it is over.
func (r *race) request(q fakeapi.Request) {
	if !q.Ended.IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit.first()
	if i := slices.Index(r.ids, q.Session); i >= 0 {
		r.chart.add(event{session: i, at: q.Arrived, rejected: q.Status != 200})
	}
}

// once runs the sessions in dir.
func (r *race) once(ctx context.Context, view *View, dir string) (Run, error) {
	sessions, err := r.sessions(dir)
	if err == nil {
		err = r.clients(ctx, dir, sessions)
	}
	if err != nil {
		return Run{}, err
	}
	chart := view.start(r.way.Title, r.Scenario)
	defer chart.stop()
	limit := &changing{scenario: r.Scenario, server: r.server}
	defer limit.stop()
	r.mu.Lock()
	r.chart, r.limit, r.ids = chart, limit, make([]string, len(sessions))
	for i := range r.ids {
		r.ids[i] = newID()
	}
	r.mu.Unlock()
	held := look(r.stateHomes())
	defer held.stop(nil)
	before := len(r.server.Log())
	begin := time.Now()
	ends := r.run(ctx, sessions)
	wall := time.Since(begin)
	if ctx.Err() != nil {
		var fails []error
		for _, end := range ends {
			fails = append(fails, end.Err)
		}
		return Run{}, errors.Join(fails...)
	}
	run := r.measure(r.server.Log()[before:], limit.stop())
	run.Wall = wall.Seconds()
	run.ended(ends)
	run.HeldBy = held.stop(r.ids)
	if r.Clients < r.Sessions { // clients keep no transcripts
		run.Recorded, err = recorded(dir)
	}
	return run, err
}

// machine is the directory of a session's machine, for what is afteryou's (see realclaude.XDG).
func (r *race) machine(session int) string {
	if r.Machines < 2 {
		return r.dir
	}
	return filepath.Join(r.dir, fmt.Sprint("machine", session%r.Machines))
}

// stateHomes is where afteryou keeps its states.
func (r *race) stateHomes() (dirs []string) {
	for i := range max(1, r.Machines) {
		dirs = append(dirs, filepath.Join(r.machine(i), "state"))
	}
	return dirs
}

// shares has a machine share its limits.
func (r *race) shares(machine string) error {
	if r.Share == "" {
		return nil
	}
	dir := filepath.Join(machine, "config", "afteryou")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.toml"), fmt.Appendf(nil, "share = %q\n", r.Share), 0o600)
}

// sessions makes a home and a project for each session.
func (r *race) sessions(dir string) (list []realclaude.Session, err error) {
	env := slices.Concat(realclaude.Cloud(r.Cloud, r.url), r.way.Env)
	if r.Checks {
		env = append(env, "CLAUDE_CODE_AUTO_MODE_SERVER=0")
	}
	for i := range r.Sessions {
		// Each has its own: many sessions that start at once in one home write one file.
		home, work := filepath.Join(dir, fmt.Sprint("home", i)), filepath.Join(dir, fmt.Sprint("work", i))
		if err := realclaude.Home(home, work); err != nil {
			return nil, err
		}
		if err := r.shares(r.machine(i)); err != nil {
			return nil, err
		}
		one := r.way.Session
		one.Dir, one.Env = work, realclaude.Env(home, r.url, slices.Concat(realclaude.XDG(r.machine(i)), env)...)
		if r.way.Settings != "" {
			if one, err = realclaude.Managed(one, filepath.Join(dir, "managed"), r.way.Settings); err != nil {
				return nil, err
			}
		}
		list = append(list, one)
	}
	return list, nil
}

// run runs the sessions and returns how each ended.
func (r *race) run(ctx context.Context, sessions []realclaude.Session) []Outcome {
	var wg sync.WaitGroup
	ends := make([]Outcome, len(sessions))
	r.chart.begin()
	for i, one := range sessions {
		wg.Go(func() {
			drive := r.way.Drive
			if i >= len(sessions)-r.Clients {
				drive = client
			}
			ends[i] = drive(ctx, one, r.ids[i])
			r.chart.end(i, time.Now(), ends[i].Err)
		})
	}
	wg.Wait()
	return ends
}

// ended adds how the sessions ended.
func (r *Run) ended(ends []Outcome) {
	r.Exits = make(map[int]int)
	for _, end := range ends {
		r.Exits[end.Code]++
		if end.Err != nil {
			r.Dead++
		}
		for _, line := range end.Says {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(r.Says, line) {
				r.Says = append(r.Says, line)
			}
		}
	}
}

// newID makes up a UUID, as Claude Code wants the id of a session to be.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
