package keeper

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/outside/resume"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/wrapper"
)

const (
	// typistLooks is how often a typist looks at the transcript.
	typistLooks = time.Second
	// enterLater is how long after a prompt its Enter comes: Claude Code takes both at once for a paste.
	enterLater = 400 * time.Millisecond
	// submitted is how much later than its prompt's row the key may be seen that sent it.
	submitted = 500 * time.Millisecond
	// goesOnWithin is how soon a prompt that was typed must show in the transcript.
	goesOnWithin = 30 * time.Second
)

// typist makes an interactive session that no hook of ours can wake go on after a limit: it types a prompt, as the person
// would. That is one of an old version, and one whose hooks are switched off, which shows: none of them tells the state of
// the session.
//
// It types only where it knows what it types into: the transcript says that a limit ended the turn and that nothing came
// since, and the person has pressed no key since the prompt that died was sent. So no menu can be open and no draft can
// stand there but those that Claude Code opens by itself; it does so at usage limits, so there nothing is typed.
type typist struct {
	*Keeper
	name  string // of the session; empty where Claude Code says which one it runs
	began time.Time
	keys  atomic.Pointer[keys]
	shown atomic.Int64 // when anything was shown last, in ns since 1970
}

// keys are what the person pressed last.
type keys struct {
	at    time.Time
	enter bool // the last of them was Enter
}

// typist looks after the session, which must have a name for that. Nil: none is wished for, or possible.
func (k *Keeper) typist() *typist {
	if !k.Resume || k.Store == nil {
		return nil
	}
	t := &typist{Keeper: k, began: time.Now()}
	if claude.Wakes(k.Version) {
		return t
	}
	run, ok := claude.NameRun(k.Cmd.Args[1:], claude.NewSession())
	if !ok {
		return nil
	}
	k.Cmd.Args = append([]string{k.Cmd.Args[0]}, run.Args...)
	t.name = run.Session
	return t
}

// key sees what the person types. That the window gets or loses the focus is no key.
func (t *typist) key(p []byte) {
	rest := bytes.ReplaceAll(bytes.ReplaceAll(p, []byte("\x1b[I"), nil), []byte("\x1b[O"), nil)
	if p == nil || len(rest) > 0 { // nil: some were not seen
		enter := bytes.HasSuffix(rest, []byte("\r")) || bytes.HasSuffix(rest, []byte("\x1b[13u"))
		t.keys.Store(&keys{at: time.Now(), enter: enter})
	}
}

// untouched is whether no key was pressed since the prompt that died was sent. Its row is older than what we know of the
// Enter that sent it; what is pressed right after that, before we look, was pressed since.
func (t *typist) untouched(s claude.Stopped) bool {
	last := t.keys.Load()
	switch {
	case s.Prompted.IsZero():
		return false
	case last == nil:
		return true
	}
	return last.at.Before(s.Prompted) || last.enter && last.at.Before(s.Prompted.Add(submitted))
}

func (t *typist) shows() { t.shown.Store(time.Now().UnixNano()) }

// session is the session that the process runs, empty where that is not known; and whether a hook told of it, which then
// looks after it.
func (t *typist) session(pid int) (name string, hooked bool) {
	if t.name != "" {
		return t.name, false
	}
	name, ok := claude.SessionOf(t.Getenv, pid)
	if !ok {
		return "", false
	}
	v, err := t.Store.View()
	if err != nil {
		return "", false // whoever writes the state next sets it right, or says what is wrong
	}
	v.Close()
	_, hooked = v.State.Sessions[name]
	return name, hooked
}

// loop looks after the session until ctx ends, or a hook does.
func (t *typist) loop(ctx context.Context, s *wrapper.Session) {
	var session turn.Session // its resumes
	var last string          // the transcript at the last look
	var size int64
	var seen time.Time // the error that was dealt with last
	for tick(ctx) {
		name, hooked := t.session(s.PID())
		if hooked {
			return
		}
		path, ok := claude.FindTranscript(t.Getenv, name)
		if !ok {
			continue
		}
		fi, err := os.Stat(path)
		if err != nil || path == last && fi.Size() == size {
			continue
		}
		last, size = path, fi.Size()
		dead, ok := t.dead(name, path, t.began)
		if !ok || !dead.Stopped.At.After(seen) {
			continue
		}
		seen = dead.Stopped.At
		if err := t.goOn(ctx, s, dead, &session); err != nil && !errors.Is(err, turn.ErrResumed) && !errors.Is(err, context.Canceled) {
			t.Store.Log("session %s stays stopped: %v", name, err)
		}
	}
}

// goOn waits for the limit to end and types, once.
func (t *typist) goOn(ctx context.Context, s *wrapper.Session, dead resume.Session, session *turn.Session) error {
	limit := dead.Stopped.Limit.Kind
	if limit == ratelimit.UsageWindow {
		return fmt.Errorf("a menu may be open at its %v", limit)
	}
	err := dead.Wait(ctx, func(*turn.Account) error {
		if !t.untouched(dead.Stopped) {
			return errors.New("somebody is at the keyboard")
		}
		return nil
	})
	if err == nil {
		err = session.Resume(time.Now(), dead.Death(), t.Rules)
	}
	if err == nil {
		err = t.prompt(ctx, s, dead.Stopped)
	}
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(goesOnWithin); time.Now().Before(deadline) && tick(ctx); {
		switch err := dead.WentOn(); {
		case errors.Is(err, turn.ErrResumed):
			t.Store.Log("session %s goes on, typed %v after its %v", dead.ID, time.Since(dead.Stopped.At).Round(time.Second), limit)
			return nil
		case err != nil:
			return err
		}
	}
	return cmp.Or(ctx.Err(), errors.New("it did not take the prompt that was typed"))
}

// prompt types the prompt and, once it is shown, Enter. It returns [context.Canceled] where the session ends.
func (t *typist) prompt(ctx context.Context, s *wrapper.Session, stopped claude.Stopped) error {
	typed := time.Now()
	if s.Type(resume.Prompt) != nil {
		return context.Canceled
	}
	// A busy machine's Claude Code would find both at once, however long the pause.
	for time.Unix(0, t.shown.Load()).Before(typed) {
		if time.Since(typed) > goesOnWithin {
			return errors.New("it does not show what is typed")
		}
		if !tick(ctx) {
			return ctx.Err()
		}
	}
	time.Sleep(enterLater)
	if !t.untouched(stopped) {
		return errors.New("a key was pressed while its prompt was typed")
	}
	if s.Type("\r") != nil {
		return context.Canceled
	}
	return nil
}

// tick waits until the next look, and is false once ctx has ended.
func tick(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(typistLooks):
		return true
	}
}
