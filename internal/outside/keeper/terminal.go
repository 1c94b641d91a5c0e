package keeper

import (
	"context"
	"time"

	"afteryou/internal/guard"
	"afteryou/internal/line"
	"afteryou/internal/outside/observe"
	"afteryou/internal/outside/screen"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

// Terminal runs the session behind the glass. A [wrapper.NotBegunError] says that it did not begin.
func (k Keeper) Terminal() (wrapper.Status, error) {
	o := wrapper.Options{In: k.In, Out: k.Out, Err: k.Err, Failed: k.Failed}
	t := k.typist()
	var w *watcher
	if k.Store != nil && !k.Gateway {
		w = &watcher{store: k.Store, pool: k.Pool, started: make(chan struct{})}
		o.Watch = w.watch
	}
	if t != nil {
		o.Keys = t.key
		o.Watch = func(p []byte) {
			t.shows()
			if w != nil {
				w.watch(p)
			}
		}
	}
	s, err := wrapper.Start(k.Cmd, o)
	if err != nil {
		return wrapper.Status{}, err
	}
	if t != nil {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		guard.Go(func() { t.loop(ctx, s) }, k.Failed)
	}
	if w != nil {
		guard.Run(func() { w.process = lockfile.Identify(s.PID()) }, k.Failed)
		close(w.started)
	}
	return s.Wait()
}

// watcher reads the copy of the screen. All of it runs in the goroutine that the wrapper gives to the copy.
type watcher struct {
	store   *lockfile.Store
	pool    func() (name, secret string)
	process turn.Process // Claude Code; set before started is closed
	started chan struct{}
	stream  screen.Stream
	last    ratelimit.Limit // what was shared last
	until   time.Time       // and when its retry is due
	off     bool            // it panicked
}

// watch reads the next part. After a panic it reads no more: what it held may be half changed.
func (w *watcher) watch(p []byte) {
	if !w.off {
		w.off = !guard.Run(func() { w.read(p) }, func(text string) { w.store.Log("launcher: reading the screen: %s", text) })
	}
}

func (w *watcher) read(p []byte) {
	limit, ok := w.stream.Feed(p)
	if !ok || limit.Dead || limit.RetryIn == 0 {
		return // what ended a turn is told by the transcript and its hook
	}
	// The countdown is painted every second: the same attempt, due at the same time, is the same news.
	now := time.Now()
	due := now.Add(limit.RetryIn)
	if limit.Attempt == w.last.Attempt && due.Before(w.until.Add(2*time.Second)) {
		return
	}
	w.last, w.until = limit, due
	<-w.started
	if err := w.share(now, limit); err != nil {
		w.store.Log("sharing a limit: %v", err)
	}
}

// share tells the state that Claude Code waits. A transcript that tells of retries (with -p) is believed before the
// screen; an interactive one does not (2.1.330).
func (w *watcher) share(seen time.Time, limit ratelimit.Limit) error {
	var reports []observe.Report
	if v, err := w.store.View(); err == nil { // else the change below sets the state right, or says what is wrong
		k, _ := w.key(v.State)
		reports = observe.Read(v.State, k)
		v.Close()
	}
	v, err := line.Change(context.Background(), w.store, nil, func(now time.Time, s *turn.State) {
		k, account := w.key(s)
		for _, r := range reports {
			r.Apply(now, s)
		}
		account.Retrying(now, k, turn.Retry{Process: w.process, Rejected: seen, In: limit.RetryIn, Attempt: limit.Attempt, Named: observe.Named(limit.Rate)})
		if session := s.Sessions[k.Session]; session != nil {
			session.Stopped(seen, seen.Add(limit.RetryIn), limit.Kind.String())
		}
	})
	v.Close()
	return err
}

// key finds the session that runs in this terminal. One whose hooks are off is known by its process alone, so that the
// others wait for it all the same.
func (w *watcher) key(s *turn.State) (turn.Key, *turn.Account) {
	for id, session := range s.Sessions {
		if session.Process == w.process {
			return turn.Key{Session: id}, s.Open(session.Account)
		}
	}
	name, secret := w.pool()
	a := s.Open(s.AccountID(secret))
	a.Name = name
	return turn.Key{Session: w.process.String()}, a
}
