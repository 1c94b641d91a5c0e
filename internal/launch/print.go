package launch

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/guard"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

// exitTempFail says that the work was not done and may be tried again (sysexits.h): the bound on waiting was reached.
const exitTempFail = 75

// goOn is the prompt of a run that goes on where another stopped.
const goOn = "The API limit that stopped you is over. Go on with the task from where you stopped, and do not repeat what is done already."

// print is a session with -p that is run again, where it stopped, when a limit ends it: for versions that can't wait by
// themselves, and where the person switched that off. What a run that died writes on standard output is held back. Its
// standard input is the first run's alone: by the time a run can die, the transcript has what stood in it.
type print struct {
	Launch
	cmd   wrapper.Command
	run   claude.Run
	began time.Time

	status wrapper.Status // how the last run ended
	out    output         // and what it wrote
}

// supervise returns what runs -p to its end, over limits if need be; nil where that can't be done.
func (l Launch) supervise(cmd wrapper.Command, version claude.Version) *print {
	getenv := claude.WithSettings(func(name string) string { return lookup(cmd.Env, name) })
	waits := version.IsZero() || version.AtLeast(claude.Watchdog()) && claude.WatchdogOn(getenv(watchdogEnv))
	if !l.Resume || l.Store == nil || waits {
		return nil
	}
	run, ok := claude.NameRun(cmd.Args[1:], uuid())
	if !ok {
		return nil
	}
	return &print{Launch: l, cmd: cmd, run: run, began: time.Now()}
}

// start runs it. A panic over how a run ended makes that run the last.
func (p *print) start() (status wrapper.Status, err error) {
	if !guard.Run(func() { status, err = p.loop() }, p.failed) {
		return p.status, p.out.flush()
	}
	return status, err
}

func (p *print) loop() (wrapper.Status, error) {
	// Those that arrive while no program runs end the wait; the others are the program's too, and it is not run again.
	sigs := make(chan os.Signal, 8)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) { // nohup
			signal.Notify(sigs, sig)
		}
	}
	defer signal.Stop(sigs)

	var session turn.Session // its resumes are counted here: it ends with this process
	args, in := p.run.Args, p.In
	for {
		p.out = output{to: p.Out, format: p.run.Format, again: in == nil, failed: p.failed}
		var err error
		if p.status, err = p.child(args, in, &p.out); err != nil {
			return p.status, err
		}
		toBoth := len(sigs) > 0
		stopped, ok := p.stopped(p.status)
		if !ok || toBoth {
			return p.status, p.out.flush()
		}
		until, err := p.cool(stopped.Limit)
		if err == nil && until.Sub(p.began) > p.MaxWait {
			err = fmt.Errorf("its %v lasts until %s, longer than max_wait", stopped.Limit.Kind, until.Local().Format("Jan 2 15:04:05"))
		}
		if err == nil {
			err = session.Resume(time.Now(), stopped.At, stopped.Answered, p.Rules)
		}
		if sig := arrived(sigs); sig != 0 {
			return p.givesUp(wrapper.Status{Signal: sig})
		}
		if err != nil {
			p.Warn(fmt.Errorf("the session did not end: %w; go on with --resume %s", err, p.run.Session))
			return p.givesUp(wrapper.Status{Code: exitTempFail})
		}
		p.Store.Log("session %s stopped by a %v; goes on after %s", p.run.Session, stopped.Limit.Kind, p.Rules.Quiet.After(until.Local()).Format("Jan 2 15:04:05"))
		if sig := p.sleep(turn.NewWait(time.Now(), until, !stopped.Limit.ResetsAt.IsZero()), sigs); sig != 0 {
			return p.givesUp(wrapper.Status{Signal: sig})
		}
		p.Store.Log("session %s run again %v after its %v", p.run.Session, time.Since(stopped.At).Round(time.Second), stopped.Limit.Kind)
		if sig := arrived(sigs); sig != 0 {
			return p.givesUp(wrapper.Status{Signal: sig})
		}
		args, in = p.run.Again(goOn), nil
	}
}

// givesUp ends a session that a limit has stopped. What the last run held back tells of the limit, in a form that can't be
// taken for an answer, but for text.
func (p *print) givesUp(status wrapper.Status) (wrapper.Status, error) {
	if p.run.Format == "text" {
		return status, nil
	}
	return status, p.out.flush()
}

// arrived is a signal that has come already, or 0.
func arrived(sigs <-chan os.Signal) syscall.Signal {
	select {
	case sig := <-sigs:
		return sig.(syscall.Signal)
	default:
		return 0
	}
}

// child runs Claude Code once, with in as its standard input, nil for none.
func (p *print) child(args []string, in *os.File, out io.Writer) (wrapper.Status, error) {
	if in == nil {
		var err error
		if in, err = os.Open(os.DevNull); err != nil {
			return wrapper.Status{}, fmt.Errorf("starting %s: %w", p.cmd.Path, err)
		}
		defer in.Close()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return wrapper.Status{}, fmt.Errorf("starting %s: %w", p.cmd.Path, err)
	}
	defer r.Close()
	if err := syscall.SetNonblock(int(w.Fd()), false); err != nil { // as programs expect it
		return wrapper.Status{}, fmt.Errorf("starting %s: %w", p.cmd.Path, err)
	}
	copied := make(chan error, 1)
	guard.Go(func() {
		_, err := io.Copy(out, r)
		r.Close() // after an error: the program learns that nobody reads
		copied <- err
	}, func(text string) { r.Close(); copied <- errors.New(text) })
	cmd := p.cmd
	cmd.Args = append([]string{p.cmd.Args[0]}, args...)
	status, err := wrapper.Child(cmd, in, w, p.Err)
	w.Close()
	if copying := <-copied; err == nil && copying != nil && !errors.Is(copying, syscall.EPIPE) { // that one is the program's to mind
		return wrapper.Status{}, fmt.Errorf("running %s: %w", p.cmd.Path, copying)
	}
	return status, err
}

// stopped is how the run died, if it died of a limit that waiting lifts.
func (p *print) stopped(status wrapper.Status) (claude.Stopped, bool) {
	if status.Signal != 0 || status.Code == 0 {
		return claude.Stopped{}, false
	}
	path, ok := claude.FindTranscript(func(name string) string { return lookup(p.cmd.Env, name) }, p.run.Session)
	if !ok {
		return claude.Stopped{}, false
	}
	s, ok, err := claude.ReadStopped(path)
	if err != nil || !ok || s.At.Before(p.began) || s.Limit.Kind == ratelimit.None || !s.Limit.Wait {
		return claude.Stopped{}, false
	}
	return s, s.Limit.Kind != ratelimit.UsageWindow || !s.Limit.ResetsAt.IsZero()
}

// cool tells the state of the limit, and returns when it is over.
func (l Launch) cool(limit ratelimit.Limit) (time.Time, error) {
	var cool turn.CoolDown
	v, err := l.Store.Update(context.Background(), func(s *turn.State) error {
		now := time.Now()
		name, secret := l.Pool()
		id := s.PoolID(secret)
		pool := s.Pool(id)
		pool.Name = name
		// A hook of the same session may have told it already.
		if !pool.CoolDown.Until.After(now) || !limit.ResetsAt.IsZero() {
			pool.Limited(now, limit.Reset(), limit.Kind.String())
		}
		cool = pool.CoolDown
		return nil
	})
	if v != nil {
		v.Close()
	}
	var corrupt *lockfile.CorruptError
	switch {
	case err != nil && !errors.As(err, &corrupt): // that one was set aside
		return time.Time{}, err
	case !limit.ResetsAt.IsZero():
		return limit.Reset(), nil
	case cool.GaveUp():
		return time.Time{}, errors.New("the limit came back each time and never said how long it lasts")
	}
	return cool.Until, nil
}

// sleep waits, over quiet hours too, or until a signal comes.
func (l Launch) sleep(wait *turn.Wait, sigs <-chan os.Signal) syscall.Signal {
	for {
		if sig := arrived(sigs); sig != 0 {
			return sig
		}
		now := time.Now()
		left := wait.Left(now)
		if left <= 0 && !l.Rules.Quiet.Holds(now) {
			return 0
		}
		select {
		case sig := <-sigs:
			return sig.(syscall.Signal)
		case <-time.After(min(time.Second, max(left, time.Millisecond))):
		}
	}
}

// output is the standard output of a run, as far as it is not shown yet. What a run writes at its end is held back, until
// it is known whether it was the last one; a stream is shown line by line, but for what ends it with an error. A run
// that goes on with a stream does not begin it again.
type output struct {
	to     io.Writer
	format string
	again  bool
	failed func(text string) // is told of a panic over a line, which is then shown
	held   bytes.Buffer
	line   []byte
}

func (o *output) Write(data []byte) (int, error) {
	if o.format != "stream-json" {
		return o.held.Write(data)
	}
	n := len(data)
	o.line = append(o.line, data...)
	for {
		i := bytes.IndexByte(o.line, '\n')
		if i < 0 {
			return n, nil
		}
		line := o.line[:i+1]
		o.line = o.line[i+1:]
		var limit bool
		guard.Run(func() { _, limit = ratelimit.Output(line, time.Now(), time.Local) }, o.failed)
		switch {
		case o.again && bytes.Contains(line, []byte(`"type":"system"`)) && bytes.Contains(line, []byte(`"subtype":"init"`)):
		case limit && !bytes.Contains(line, []byte(`"api_retry"`)) || o.held.Len() > 0:
			o.held.Write(line)
		default:
			if _, err := o.to.Write(line); err != nil {
				return n, err
			}
		}
	}
}

// flush shows what was held back.
func (o *output) flush() error {
	if _, err := o.to.Write(append(o.held.Bytes(), o.line...)); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// uuid is a random one (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
