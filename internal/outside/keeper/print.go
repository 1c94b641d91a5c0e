package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/guard"
	"afteryou/internal/outside/resume"
	"afteryou/internal/turn"
	"afteryou/wrapper"
)

// TempFail says that the work was not done and may be tried again (sysexits.h): the bound on waiting was reached.
const TempFail = 75

// supervisor runs a session with -p again, where it stopped, when a limit ends it: for versions that can't wait by
// themselves, and where the person switched that off. What a run that died writes on standard output is held back. Its
// standard input is the first run's alone: by the time a run can die, the transcript has what stood in it.
type supervisor struct {
	*Keeper
	run   claude.Run
	began time.Time

	status wrapper.Status // how the last run ended
	out    output         // and what it wrote
}

// Print returns what runs -p to its end, over limits if need be; nil where that need not or can't be done.
func (k Keeper) Print() func() (wrapper.Status, error) {
	getenv := claude.WithSettings(k.Getenv)
	waits := k.Version.IsZero() || k.Version.AtLeast(claude.Watchdog()) && claude.WatchdogOn(getenv(claude.WatchdogEnv))
	if !k.Resume || k.Store == nil || waits {
		return nil
	}
	run, ok := claude.NameRun(k.Cmd.Args[1:], claude.NewSession())
	if !ok {
		return nil
	}
	return (&supervisor{Keeper: &k, run: run, began: time.Now()}).start
}

// start runs it. A panic over how a run ended makes that run the last.
func (s *supervisor) start() (status wrapper.Status, err error) {
	if !guard.Run(func() { status, err = s.loop() }, s.Failed) {
		return s.status, s.out.flush()
	}
	return status, err
}

func (s *supervisor) loop() (wrapper.Status, error) {
	ctx, stop := signalled(s.Failed)
	defer stop()
	var session turn.Session // its resumes are counted here: it ends with this process
	args, in := s.run.Args, s.In
	for {
		s.out = output{to: s.Out, format: s.run.Format, again: in == nil, failed: s.Failed}
		var err error
		if s.status, err = s.child(args, in, &s.out); err != nil {
			return s.status, err
		}
		dead, ok := s.limited()
		if !ok || ctx.Err() != nil { // the signal was the program's too
			return s.status, s.out.flush()
		}
		if err = session.Resume(time.Now(), dead.Death(), s.Rules); err == nil {
			err = dead.Wait(ctx, nil)
		}
		var sig signalError
		switch {
		case errors.As(context.Cause(ctx), &sig):
			return s.givesUp(wrapper.Status{Signal: sig.Signal})
		case err != nil:
			s.Warn(fmt.Errorf("the session did not end: %w; go on with --resume %s", err, s.run.Session))
			return s.givesUp(wrapper.Status{Code: TempFail})
		}
		s.Store.Log("session %s run again %v after its %v", s.run.Session, time.Since(dead.Stopped.At).Round(time.Second), dead.Stopped.Limit.Kind)
		args, in = s.run.Again(resume.Prompt), nil
	}
}

// signalError is a signal that ends a session with -p.
type signalError struct{ syscall.Signal }

func (e signalError) Error() string { return e.String() }

// signalled returns a context that such a signal ends, which is its cause then. The caller must call stop, which gives the
// signals back.
func signalled(failed func(text string)) (ctx context.Context, stop func()) {
	sigs := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) { // nohup
			signal.Notify(sigs, sig)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	guard.Go(func() {
		select {
		case sig := <-sigs:
			cancel(signalError{sig.(syscall.Signal)})
		case <-ctx.Done():
		}
	}, failed)
	return ctx, func() { signal.Stop(sigs); cancel(nil) }
}

// givesUp ends a session that a limit has stopped. What the last run held back tells of the limit, in a form that can't be
// taken for an answer, but for text.
func (s *supervisor) givesUp(status wrapper.Status) (wrapper.Status, error) {
	if s.run.Format == "text" {
		return status, nil
	}
	return status, s.out.flush()
}

// child runs Claude Code once, with in as its standard input, nil for none.
func (s *supervisor) child(args []string, in *os.File, out io.Writer) (wrapper.Status, error) {
	if in == nil {
		var err error
		if in, err = os.Open(os.DevNull); err != nil {
			return wrapper.Status{}, fmt.Errorf("starting %s: %w", s.Cmd.Path, err)
		}
		defer in.Close()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return wrapper.Status{}, fmt.Errorf("starting %s: %w", s.Cmd.Path, err)
	}
	defer r.Close()
	if err := syscall.SetNonblock(int(w.Fd()), false); err != nil { // as programs expect it
		return wrapper.Status{}, fmt.Errorf("starting %s: %w", s.Cmd.Path, err)
	}
	copied := make(chan error, 1)
	guard.Go(func() {
		_, err := io.Copy(out, r)
		r.Close() // after an error: the program learns that nobody reads
		copied <- err
	}, func(text string) { r.Close(); copied <- errors.New(text) })
	cmd := s.Cmd
	cmd.Args = append([]string{s.Cmd.Args[0]}, args...)
	status, err := wrapper.Child(cmd, in, w, s.Err)
	w.Close()
	if copying := <-copied; err == nil && copying != nil && !errors.Is(copying, syscall.EPIPE) { // that one is the program's to mind
		return wrapper.Status{}, fmt.Errorf("running %s: %w", s.Cmd.Path, copying)
	}
	return status, err
}

// limited is how the last run died, if it died of a limit that ends. The deadline is that of all runs together.
func (s *supervisor) limited() (resume.Session, bool) {
	if s.status.Signal != 0 || s.status.Code == 0 {
		return resume.Session{}, false
	}
	path, ok := claude.FindTranscript(s.Getenv, s.run.Session)
	if !ok {
		return resume.Session{}, false
	}
	dead, ok := s.dead(s.run.Session, path, s.began)
	dead.Deadline = s.began.Add(s.MaxWait)
	return dead, ok && dead.Death().Ends()
}
